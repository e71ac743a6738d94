"""Another process holds the ledger's lock: nothing stands still but what is to be written, and nothing is lost."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from daemon_harness import Daemon, drop, free_port, rows
from helpers import PATIENCE_S, until, wait_for
from ledgers import new_ledger
from recommender_harness import ShopDaemon, start_shop
from silent_servers import SilentServers
from structlog.testing import capture_logs

from daemon.cli import request as asking
from daemon.cli.app import run as command_line
from daemon.config.config import load_config
from daemon.config.paths import StatePaths
from daemon.ledger import commands, due
from daemon.runtime.counted import described_counted
from daemon.runtime.kept_commands import keep_command, queue_kept
from daemon.service.application import Service
from retrain.records.errors import Refused

CONFIG = """\
[service]
listen = "127.0.0.1:{port}"
drain = "0s"
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""


@pytest.fixture
def make_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Service]:
    """One whose servers are not processes, and whose every wait on SQLite's lock would last for ever."""
    monkeypatch.setattr("daemon.service.application.Servers", SilentServers)
    (tmp_path / "config.toml").write_text(CONFIG.format(port=free_port()))
    new_ledger(load_config(tmp_path / "config.toml").state_dir).close()
    monkeypatch.setattr("daemon.ledger.backends.sqlite.BUSY_TIMEOUT_S", 3600)
    return lambda: Service(load_config(tmp_path / "config.toml"), {})


@contextlib.contextmanager
def locked(state: Path, exclusive: bool = False) -> Iterator[None]:
    """Another process writes, or has the ledger for itself."""
    with contextlib.closing(sqlite3.connect(StatePaths(state).ledger, isolation_level=None)) as other:
        if exclusive:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("SELECT count(*) FROM promotions").fetchone()
        yield


def while_running(service: Service, story: Callable[[], Awaitable[None]]) -> None:
    """Tell the story to the running service, and stop it."""

    async def both() -> None:
        task = asyncio.create_task(service.run())
        await story()
        service.stopping.ask(0.0)
        await task

    asyncio.run(asyncio.wait_for(both(), PATIENCE_S))


def test_what_is_due_waits_and_the_heart_beats(make_service: Callable[[], Service]) -> None:
    """Writes of all parts wait beside the event loop, which goes on, and are done when the lock is free."""
    service = make_service()

    def pending() -> int:
        with service.ledger.connect() as conn:
            return len(due.pending(conn, "m", "check")) + len(due.pending(conn, "m", "retrain"))

    async def story() -> None:
        await until(lambda: "m" in service.keepers.by_name)
        with locked(service.config.state_dir):
            for moment in (60.0, 120.0, 180.0):
                service.keepers.due("m", "retrain", moment)
            service.keepers.by_name["m"].context.decision_needed.set()
            for _ in range(20):
                service.pulse.beat()
                await asyncio.sleep(0.01)
            assert pending() == 0
        await until(lambda: pending() > 0)

    with capture_logs() as told:
        while_running(service, story)
    assert not [event for event in told if event["log_level"] == "error"]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_start_waits_for_the_lock(
    make_service: Callable[[], Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exclusive: bool
) -> None:
    """It says so once, and begins to work when the lock is free."""
    if exclusive:
        monkeypatch.setattr("daemon.ledger.backends.sqlite.BUSY_TIMEOUT_S", 0.01)
        monkeypatch.setattr("daemon.ledger.sound.BUSY_S", 0.01)
    monkeypatch.setattr("daemon.service.application.LEDGER_LOOK_S", 0.01)
    state = load_config(tmp_path / "config.toml").state_dir
    with capture_logs() as told, contextlib.ExitStack() as stack:
        stack.enter_context(locked(state, exclusive))
        service = make_service()

        async def story() -> None:
            await until(lambda: any(event["event"] == "ledger_awaited" for event in told))
            assert service.keepers.by_name == {}
            stack.close()
            await until(lambda: "m" in service.keepers.by_name)

        while_running(service, story)
    assert [event["event"] for event in told].count("ledger_awaited") == 1


def test_a_command_is_kept_and_queued_once(tmp_path: Path) -> None:
    """Also where the one who queued it was killed before he could remove its file; what is no command is let go."""
    ledger, paths = new_ledger(tmp_path), StatePaths(tmp_path)
    keep_command(paths, "retrain", {"model": "m"}, "ada")
    (kept,) = paths.commands.glob("*.json")
    content = kept.read_bytes()
    queue_kept(paths, ledger)
    kept.write_bytes(content)
    (paths.commands / "1-1.json").write_text('{"name": 1}')
    with capture_logs() as told:
        queue_kept(paths, ledger)
    with ledger.connect() as conn:
        (command,) = commands.queued(conn)
    assert (command.name, command.args["model"], command.user) == ("retrain", "m", "ada")
    assert not list(paths.commands.iterdir()) and [event["event"] for event in told] == ["command_refused"]
    ledger.close()


@pytest.mark.long
def test_while_the_ledger_is_locked_all_goes_on(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted service serves, a command is kept, and both go on when the lock is free."""
    monkeypatch.setattr(asking, "BUSY_AFTER_S", 0.0)
    daemon = make_daemon('[models.m.triggers]\nfirst_rows = 300\n[models.m.intake]\nsettle = "200ms"\n').start()
    drop(rows(1), daemon.data / "a.csv")
    version = daemon.wait("model_swapped")["version"]
    daemon.stop()
    since = len(daemon.events)
    with locked(daemon.folder / "state"):
        daemon.start(wait_ready=False)
        daemon.wait("ledger_awaited", since=since)
        wait_for(lambda: daemon.process is not None and answers(daemon, version))
        assert command_line(["-c", str(daemon.config), "retrain", "m"]) == 3
        assert not list(daemon.seen("service_ready", since=since))
    daemon.wait("service_ready", since=since)
    assert daemon.wait("command_done", since=since)["command"] == "retrain"


@pytest.mark.long
def test_recommenders_start_while_another_has_the_ledger_for_itself(tmp_path: Path) -> None:
    """A restarted server answers for known people by the files that were described, takes events, and lets them count;
    all of it is there when the ledger is free."""
    shop = start_shop(tmp_path)
    try:
        before = shop.items_for("u001")
        paths = StatePaths(shop.folder / "state")
        wait_for(lambda: (found := described_counted(paths, "shop")) is not None and found.files)
        shop.stop()
        since = len(shop.events)
        with locked(shop.folder / "state", exclusive=True):
            shop.start(wait_ready=False)
            shop.wait("ledger_awaited", since=since)
            wait_for(lambda: lists(shop, "u001") == before, what="lists of a server without the ledger")
            assert shop.post("feedback", {"events": [{"user": "new", "item": before[0]}]}).status_code == 202
            wait_for(lambda: lists(shop, "new") not in ([], lists(shop, "nobody")))
        shop.wait("service_ready", since=since)
        assert lists(shop, "new") not in ([], lists(shop, "nobody"))
    finally:
        shop.close()


def lists(shop: ShopDaemon, user: str) -> list[str]:
    """What is recommended; nothing where nobody answers."""
    with contextlib.suppress(httpx.TransportError, AssertionError):
        return shop.items_for(user)
    return []


def answers(daemon: Daemon, version: str) -> bool:
    """Whether the server answers with that version."""
    with contextlib.suppress(httpx.TransportError):
        answer = daemon.predict()
        return answer.status_code == 200 and answer.json()["version"] == version
    return False


def test_a_command_that_is_too_large_to_be_kept_is_refused(tmp_path: Path) -> None:
    """Thousands of long ids, while another process has the ledger: nothing is acknowledged that would not be read."""
    paths = StatePaths(tmp_path)
    with pytest.raises(Refused, match="too much to be kept"):
        keep_command(paths, "forget_people", {"model": "m", "ids": [f"{n:0500d}" for n in range(3000)]}, "ada")
    assert not list(paths.commands.glob("*.json"))
