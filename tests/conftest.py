"""Fixtures that many tests share."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_harness import FAST, Daemon, drop, rows, serve_first_model


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons in the test's own folder and ends them afterwards."""
    made: list[Daemon] = []

    def make(extra: str = "", columns: bool = True, service: str = "page = false") -> Daemon:
        folder = tmp_path / f"d{len(made)}"
        folder.mkdir()
        made.append(Daemon(folder, extra, columns, service))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture(scope="session")
def first_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that ended after it made its first model of `rows(1)` in a.csv: one for all workers, for
    its processes take five seconds of a processor."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "first-model"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            new = folder.with_suffix(".new")
            new.mkdir()
            daemon = Daemon(new, FAST).start()
            drop(rows(1), daemon.data / "a.csv")
            daemon.wait("model_swapped")
            daemon.stop()
            new.rename(folder)
    return folder


@pytest.fixture
def make_serving(make_daemon: Callable[..., Daemon], first_model: Path) -> Callable[[str], Daemon]:
    """Starts daemons that serve that model, with further settings: for tests of what comes later."""

    return lambda extra: serve_first_model(make_daemon(extra), first_model)
