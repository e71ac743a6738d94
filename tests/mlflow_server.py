"""A real MLflow server for tests, in an environment of its own: `make mlflow` installs it, 850 MB."""

import contextlib
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon_harness import free_port
from helpers import wait_for

ROOT = Path(__file__).resolve().parent.parent
CLIENT, SERVER = ROOT / ".venv" / "mlflow", ROOT / ".venv" / "mlflow-server" / "bin"
WHY_NOT = (
    "" if (CLIENT / "mlflow").exists() and (SERVER / "mlflow").exists() else "needs what `make mlflow` installs, 1 GB"
)
START_S = 120.0


class MlflowServer:
    """A server with a database and files in a folder; it can be stopped, started, and put back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """Its database."""
        return self.folder / "mlflow.db"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        command = [
            str(SERVER / "python"), "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port",
            str(self.port), "--backend-store-uri", f"sqlite:///{self.database}",
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        wait_for(self._answers, START_S, what="MLflow's server")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
            return answer.status == 200
        return False

    def stop(self) -> None:
        """End it, and its workers with it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait(20)
        self._process = None

    def save(self, place: Path) -> None:
        """Copy the database of a server that is stopped."""
        shutil.copyfile(self.database, place)

    def restore(self, place: Path) -> None:
        """Put a copy back."""
        shutil.copyfile(place, self.database)


@contextlib.contextmanager
def running_mlflow(folder: Path) -> Iterator[MlflowServer]:
    """A server that runs until the end."""
    server = MlflowServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def asked(script: str, *arguments: Any) -> str:
    """What a script of MLflow's client prints, in a process of its own that sees it and driftd."""
    environment = os.environ | {"PYTHONPATH": f"{CLIENT}:{ROOT}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-c", script, *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
