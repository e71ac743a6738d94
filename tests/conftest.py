"""Fixtures that many tests share."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from daemon_harness import FAST, Daemon, drop, rows, serve_first_model
from ledgers import DATABASES
from postgresql import NO_SERVER, PROGRAMS, Server, needs_postgresql, running_server
from s3 import S3, running_s3

STORIES = ("tests/adopting/", "tests/faults/", "tests/notebook/", "tests/scenarios/", "tests/test_example.py")
"""Where a test takes ten seconds of a processor and more."""
SERVICES = {"make_daemon", "make_serving"}


def is_quick(item: pytest.Item) -> bool:
    """Whether a test is of no group and starts no service of its own."""
    starts_one = item.nodeid.startswith(STORIES) or SERVICES & set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("xdist_group") is None and not starts_one


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """The name of a parameter in place of its bytes: these may differ by process, as gzip writes the time, and
    pytest-xdist refuses workers that collected tests of different names."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests come first, so that at the end no worker waits for the one that has the last of them.

    The tests of a group run in one worker, which begins what they share: they are handed out by the ends of their
    names. pytest-xdist 3.8 puts the name of the group there, but where pytest 9.2 does not look any more."""
    if config.getoption("ledger") == "postgresql":
        for item in items:
            if item.get_closest_marker("file_ledger") is not None:
                item.add_marker(pytest.mark.skip(reason="it is of a ledger in a file"))
    if not config.getoption("loadgroup", False):
        return
    items.sort(key=is_quick)
    for item in items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        end = f"@{'_'.join(groups)}"
        if groups and not item.nodeid.endswith(end):
            item._id = type(item.id).parse(f"{item.nodeid}{end}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real PostgreSQL for the tests of one worker."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A real S3 server for the tests of one worker."""
    with running_s3() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Any test may run over either engine of the ledger; pages of the documentation may be written anew."""
    parser.addoption("--record", action="store_true", help="write what the documentation shows of runs anew")
    parser.addoption("--ledger", choices=("sqlite", "postgresql"), default="sqlite", help="where ledgers are")


@pytest.fixture(scope="session", autouse=True)
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The engine of ledgers that say nothing of it."""
    if request.config.getoption("ledger") == "sqlite":
        yield
        return
    if PROGRAMS is None:
        pytest.skip(NO_SERVER)
    with DATABASES.on(request.getfixturevalue("postgresql")):
        yield


@pytest.fixture(autouse=True)
def _databases(_engine: None) -> Iterator[None]:
    """What a test makes goes with it."""
    with DATABASES.of_test() if DATABASES.is_on else nullcontext():
        yield


POSTGRESQL = pytest.param("postgresql", marks=[needs_postgresql, pytest.mark.xdist_group("postgresql")])


@pytest.fixture(params=["sqlite", POSTGRESQL])
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None for a ledger in a file, and the URL of a database that has an empty one: a promise of the ledger holds for
    both."""
    if request.param == "sqlite":
        yield None
        return
    with request.getfixturevalue("postgresql").ledger() as url:
        yield url


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
    its processes take seven seconds of a processor."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "first-model"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            new = folder.with_suffix(".new")
            new.mkdir()
            with contextlib.closing(Daemon(new, FAST)) as daemon:
                daemon.start()
                drop(rows(1), daemon.data / "a.csv")
                daemon.wait("model_swapped")
                daemon.stop()
            new.rename(folder)
    return folder


@pytest.fixture
def make_serving(make_daemon: Callable[..., Daemon], first_model: Path) -> Callable[[str], Daemon]:
    """Starts daemons that serve that model, with further settings: for tests of what comes later."""

    return lambda extra: serve_first_model(make_daemon(extra), first_model)
