"""The service as a whole, around servers that are not there: how it starts, ends and reloads when something fails."""

import asyncio
import errno
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from daemon_harness import Daemon, free_port
from helpers import PATIENCE_S, wait_for
from ledgers import new_ledger
from silent_servers import SilentServers
from structlog.testing import capture_logs

from daemon.config.config import load_config
from daemon.ledger import commands, due, models
from daemon.service.application import Service
from daemon.service.commands import HANDLERS
from daemon.service.servers import ServerProcess
from retrain import durable
from retrain.records.errors import Refused

CONFIG = """\
[service]
state_dir = "state"
listen = "127.0.0.1:{port}"
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
MORE = '[models.n]\ndata_dir = "e"\ntask = "regression"\ntarget = "y"\n'


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """One whose servers are not processes."""
    monkeypatch.setattr("daemon.service.application.Servers", SilentServers)
    (tmp_path / "config.toml").write_text(CONFIG.format(port=free_port()))
    yield Service(load_config(tmp_path / "config.toml"), {})
    durable.install_hook(None)


def failing(point: str) -> Callable[[str], None]:
    """A hook that lets a point fail each time."""

    def hook(passed: str) -> None:
        if passed == point:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return hook


def while_running(service: Service, story: Callable[[], Awaitable[None]]) -> None:
    """Tell the story to the running service, and stop it."""

    async def both() -> None:
        task = asyncio.create_task(service.run())
        while "m" not in service.keepers.by_name:
            await asyncio.sleep(0)
        await story()
        service.stopping.ask(0.0)
        await task

    asyncio.run(asyncio.wait_for(both(), PATIENCE_S))


def test_a_part_that_ends_with_an_error_ends_the_service(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not left half alive: the error is told, the rest is stopped in order, and the command fails."""

    async def broken() -> None:
        raise ZeroDivisionError("no pulse")

    monkeypatch.setattr(service.pulse, "run", broken)
    with capture_logs() as told, pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(service.run(), PATIENCE_S))
    events = [event["event"] for event in told]
    assert events[-3:] == ["service_failed", "service_stopping", "service_stopped"]
    assert "no pulse" in told[-3]["error"]


def test_a_server_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no process to be had for a moment the service does not stay without servers."""
    monkeypatch.setattr("daemon.service.servers.LONGEST_PAUSE_S", 0.01)
    tries: list[int] = []
    server = ServerProcess(None, Path(), Path(), lambda _: None)  # type: ignore[arg-type]

    async def start(self: ServerProcess) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._stopping = True

    async def listen(self: ServerProcess) -> None:
        self.ready.set()

    monkeypatch.setattr(ServerProcess, "_start", start)
    monkeypatch.setattr(ServerProcess, "_listen", listen)
    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(server.run(), PATIENCE_S))
    assert server.ready.is_set()
    assert [event["event"] for event in told] == ["part_failed", "server_died"] * 2


def test_what_is_to_be_written_outlives_a_reload_and_a_stop(service: Service) -> None:
    """A check that became due while the ledger could not be written is written after the reload and wakes the keeper
    that is there then; one that waits at the end is written at the end."""

    async def story() -> None:
        before = service.keepers.by_name["m"]
        durable.install_hook(failing("ledger.before_commit"))
        service.keepers.due("m", "check", 60.0)
        durable.install_hook(None)
        path = service.config.path
        path.write_text(path.read_text() + 'mode = "observe"\n')
        assert await service.reloader.reload() == "reloaded: m changed"
        keeper = service.keepers.by_name["m"]
        assert keeper is not before
        keeper._scheduled.clear()
        service.pending.write_all()
        assert keeper._scheduled.is_set()
        durable.install_hook(failing("ledger.before_commit"))
        service.keepers.due("m", "retrain", 60.0)
        durable.install_hook(None)

    with capture_logs() as told:
        while_running(service, story)
    assert [event["event"] for event in told].count("ledger_delayed") == 2
    ledger = new_ledger(service.config.state_dir)
    with ledger.connect() as conn:
        assert len(due.pending(conn, "m", "retrain")) == 1
    ledger.close()


def test_many_signals_are_one_reload_which_sees_the_newest_file(service: Service) -> None:
    """And one more for those that come while it is under way."""

    async def story() -> None:
        path = service.config.path
        for name in ("n", "o"):
            async with service.reloader.turn:
                for _ in range(300):
                    os.kill(os.getpid(), signal.SIGHUP)
                    await asyncio.sleep(0)
                path.write_text(
                    path.read_text() + MORE.replace("models.n", f"models.{name}").replace('"e"', f'"e{name}"')
                )
            while name not in service.keepers.by_name:
                await asyncio.sleep(0)

    with capture_logs() as told:
        while_running(service, story)
    assert [event["changed"] for event in told if event["event"] == "config_reloaded"] == [("n",), ("o",)]


@pytest.mark.parametrize("point", ["folders.before_mkdir", "ledger.before_commit"])
def test_a_reload_that_a_disk_fails_changes_nothing(point: str, service: Service) -> None:
    """It is refused before a keeper is stopped, and can be asked for again."""

    async def story() -> None:
        before, path = dict(service.keepers.by_name), service.config.path
        path.write_text(path.read_text() + 'mode = "observe"\n' + MORE)
        durable.install_hook(failing(point))
        with pytest.raises(Refused, match=os.strerror(errno.EIO)):
            await service.reloader.reload()
        durable.install_hook(None)
        assert service.keepers.by_name == before and not service.servers.replaced  # type: ignore[attr-defined]
        assert await service.reloader.reload() == "reloaded: m, n changed"
        assert set(service.keepers.by_name) == {"m", "n"}

    with capture_logs() as told:
        while_running(service, story)
    assert "config_refused" in [event["event"] for event in told]


@pytest.mark.parametrize(
    "point", ["folders.before_mkdir", "ledger.before_begin", "ledger.before_read", "ledger.before_commit"]
)
def test_a_start_that_a_disk_fails_is_one_clear_line(point: str, make_daemon: Callable[..., Daemon]) -> None:
    """Status 1, the event, and one sentence that names the folder and the way out; no traceback, and it ends."""
    daemon = make_daemon()
    daemon.plan(f"control {point} 1 1 EIO")
    daemon.start(wait_ready=False)
    assert daemon.wait_dead() == 1
    lines = wait_for(lambda: [line for line in daemon.raw if line.startswith("driftd: ")], what=daemon.tail())
    assert not any("Traceback" in line for line in daemon.raw) and any(daemon.seen("service_failed"))
    (line,) = lines
    assert f"cannot work in {daemon.folder / 'state'}" in line and "Input/output error; check" in line


def a_folder_for_a_ledger(daemon: Daemon) -> None:
    """A folder where the ledger is to be."""
    (daemon.folder / "state" / "ledger.sqlite").mkdir(parents=True)


def a_file_for_a_folder(daemon: Daemon) -> None:
    """A file where the snapshots are to be."""
    (daemon.folder / "state").mkdir()
    (daemon.folder / "state" / "snapshots").write_text("")


def an_unknown_group(daemon: Daemon) -> None:
    """A group that the system does not have."""
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace("[service]\n", '[service]\ngroup = "nobody-has-it"\n'))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (a_folder_for_a_ledger, "state/ledger.sqlite'; check the disk"),
        (a_file_for_a_folder, "state/snapshots/m'; check the disk"),
        (an_unknown_group, "[service] group is 'nobody-has-it', which does not exist; make it"),
    ],
)
def test_a_state_folder_that_cannot_be_used_is_refused_with_its_path(
    damage: Callable[[Daemon], None], told: str, make_daemon: Callable[..., Daemon]
) -> None:
    """Status 1 and one sentence, whatever is in the way."""
    daemon = make_daemon()
    damage(daemon)
    done = daemon.cli("run", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("driftd: ") and told in done.stderr and done.stderr.count("\n") == 1


def test_keepers_that_rest_are_not_hung(service: Service) -> None:
    """While the state folder is lost nothing is taken in, and the watchdog goes on being pinged."""

    async def story() -> None:
        keeper = service.keepers.by_name["m"]
        await keeper.stop()
        assert max(service.silences().values()) > 1e9
        service.keepers.resting = True
        assert max(service.silences().values()) < 60
        service.keepers.resting = False

    while_running(service, story)


def test_a_command_that_fails_is_done_with(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with the error, and the next one is heard."""

    def broken(*_: object) -> str:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setitem(HANDLERS, "pause", broken)

    def outcomes() -> list[tuple[str, str]]:
        with service.ledger.connect() as conn:
            return [(row.state, row.message) for row in (commands.get(conn, first), commands.get(conn, second))]

    with service.ledger.begin() as conn:
        models.ensure(conn, "m")
        first = commands.enqueue(conn, "pause", {"model": "m"}, "me", 1.0)
        second = commands.enqueue(conn, "resume", {"model": "m"}, "me", 1.0)

    async def story() -> None:
        while any(state == "queued" for state, _ in outcomes()):
            await asyncio.sleep(0.01)

    while_running(service, story)
    assert [state for state, _ in outcomes()] == ["refused", "done"] and "no such thing" in outcomes()[0][1]


def test_a_reload_applies_of_the_service_what_servers_read(service: Service) -> None:
    """Limits of requests at once, the rest at the next start, each told by its name; what could not start is refused."""
    path = service.config.path
    text = path.read_text()

    def with_lines(*lines: str) -> None:
        path.write_text(text.replace("[service]\n", "[service]\n" + "\n".join(lines) + "\n"))

    async def story() -> None:
        with_lines('max_body = "1MB"', "workers = 2")
        told = "[service] max_body changed; workers takes effect at the next start"
        assert told in await service.reloader.reload()
        assert service.servers.replaced == 1  # type: ignore[attr-defined]
        assert (service.config.service.max_body, service.config.service.workers) == (10**6, 1)
        with_lines('max_body = "1MB"')
        assert await service.reloader.reload() == "reloaded: no model changed"
        with_lines('group = "no-such-group"')
        with pytest.raises(Refused, match="no-such-group"):
            await service.reloader.reload()

    while_running(service, story)


def test_a_token_file_that_others_read_is_told_at_the_start(service: Service, tmp_path: Path) -> None:
    """Once, by the service and not by each of its servers."""
    (tmp_path / "driftd-read-token").write_text("0123456789abcdef")
    (tmp_path / "driftd-read-token").chmod(0o644)
    service._environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)

    async def nothing() -> None:
        """It has started."""

    with capture_logs() as logs:
        while_running(service, nothing)
    assert [entry["mode"] for entry in logs if entry["event"] == "token_file_open"] == ["0644"]
