"""One MLflow server for all tests of this room: it takes ten seconds of a processor to start."""

from collections.abc import Iterator

import pytest
from mlflow_server import CLIENT, MlflowServer, running_mlflow


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """The server. Each test has names of its own there."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is where the service's processes find it, and waits long: the machine may be busy."""
    monkeypatch.setenv("PYTHONPATH", str(CLIENT))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
