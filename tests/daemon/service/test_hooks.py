"""Commands after promotions: at least once, told all of it, bounded in time and output, and nobody waits for them."""

import asyncio
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_harness import Daemon, drop, rows
from helpers import until, wait_for
from ledgers import new_ledger
from sqlalchemy import insert, select
from structlog.testing import capture_logs

from daemon.config.config import Config, load_config
from daemon.ledger import Ledger, deployments, models, promotions, tables
from daemon.service import hooks as module
from daemon.service.hooks import Hooks
from daemon.service.ledger_writes import PendingWrites
from daemon.service.unlogged import log_unlogged

NOW = 1_000_000.0
MODEL = '[models.{name}]\ndata_dir = "{name}"\ntask = "classification"\ntarget = "y"\n'
KEEP = """#!/bin/sh
cat >> told
echo "$DRIFTD_IDEMPOTENCY_KEY $DRIFTD_EVENT $DRIFTD_MODEL $DRIFTD_VERSION ${NOTIFY_SOCKET:-none} $*" >> variables
echo seen
"""


class Service:
    """The part of a service that runs commands, with a clock of the test's."""

    def __init__(self, folder: Path, ledger: Ledger, *commands: str) -> None:
        self.folder, self.ledger, self.now = folder, ledger, NOW
        self.config = self.load(*commands)
        self.wake: Callable[[], None] = lambda: None

    def load(self, *commands: str, names: str = "mnop") -> Config:
        """A configuration whose models m, n and so on have these commands."""
        lines = (f"{MODEL.format(name=name)}{command}\n" for name, command in zip(names, commands, strict=False))
        (self.folder / "config.toml").write_text("".join(lines))
        return load_config(self.folder / "config.toml")

    def promote(self, version: str, model: str = "m", kind: str = "promote", swapped: bool = True) -> None:
        """Another champion, which a server serves."""
        with self.ledger.begin() as conn:
            models.ensure(conn, model)
            deployment = deployments.for_version(conn, model, version, NOW)
            promotions.record(conn, model, deployment, kind, "why", NOW)
            if swapped:
                promotions.mark_swapped(conn, promotions.latest_id(conn), NOW)

    def while_it_runs(self, story: Callable[[], Any]) -> None:
        """Play a story beside it."""
        environment, pending = dict(os.environ) | {"NOTIFY_SOCKET": "/nowhere"}, PendingWrites(self.ledger)

        async def play() -> None:
            hooks = Hooks(
                lambda: self.config, self.ledger, pending, environment, lambda: False, lambda: True, lambda: self.now
            )
            self.wake = hooks.wake
            running = asyncio.create_task(hooks.run())
            try:
                await story()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(play())

    def run_all(self) -> list[dict[str, Any]]:
        """Until nothing waits; what was logged."""

        async def story() -> None:
            await until(lambda: not self.waiting())

        with capture_logs() as logs:
            self.while_it_runs(story)
        return [entry for entry in logs if entry["event"].startswith("hook_")]

    def waiting(self) -> list[Any]:
        """The rows of what has not ended."""
        with self.ledger.connect() as conn:
            return list(conn.execute(select(tables.hooks).where(tables.hooks.c.state == "waiting")))

    def program(self, text: str, name: str = "after") -> str:
        """The configuration's line for a program with this text."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return f"on_promotion = \"./{name} --quiet 'a b'\""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One that is new."""
    opened = new_ledger(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is looked at often, and what is to end soon is."""
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    for name in ("GRACE_S", "STOP_GRACE_S"):
        monkeypatch.setattr(f"daemon.runtime.bounded_command.{name}", 0.2)


def test_a_command_is_told_what_was_promoted(tmp_path, ledger):
    """On standard input and in its environment, which has nothing that speaks to the service alone; a roll-back is told
    as one, other weights are none."""
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(KEEP))
    row = {"model": "m", "name": "v2", "number": 2, "digest": "d", "created_at": NOW, "metrics": {"challenger": 0.5}}
    with ledger.begin() as conn:
        conn.execute(insert(tables.versions).values(**row))
    service.promote("v1")
    service.promote("v2")
    service.promote("v2", kind="reweigh")
    service.promote("v1", kind="rollback", swapped=False)
    service.now += 60.0
    logs = service.run_all()
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [(one["event"], one["version"], one["previous_version"], one["served"]) for one in told] == [
        ("version_promoted", "v1", None, True), ("version_promoted", "v2", "v1", True),
        ("version_rolled_back", "v1", "v2", False),
    ]  # fmt: skip
    second = told[1]
    assert second["path"] == str(tmp_path / "state" / "versions" / "m" / "v2") and second["metrics"] == {
        "challenger": 0.5
    }
    assert (second["model"], second["reason"], second["cycle"], second["attempt"]) == ("m", "why", None, 1)
    assert second["members"] == [{"version": "v2", "weight": 1.0, "path": second["path"]}]
    keys = [one["key"] for one in told]
    variables = (tmp_path / "variables").read_text().splitlines()
    assert variables[1] == f"{keys[1]} version_promoted m v2 none --quiet a b"
    assert [(one["event"], one["output"], one["status"], one["key"]) for one in logs] == [
        ("hook_done", "seen", 0, key) for key in keys
    ]


@pytest.mark.parametrize(
    ("text", "status", "reason", "output"),
    [
        ("#!/bin/sh\necho no >&2\nexit 3\n", 3, "it ended with status 3", "no"),
        ("#!/bin/sh\nkill -9 $$\n", -9, "it was killed by signal 9", ""),
        ("#!/bin/nobody\n", None, "it cannot be run: No such file or directory", ""),
        ("#!/bin/sh\nexec >/dev/null 2>&1 </dev/null\nsleep 0.1\nexit 4\n", 4, "it ended with status 4", ""),
    ],
)
def test_what_goes_wrong_is_told_and_not_tried_again(text, status, reason, output, tmp_path, ledger):
    """Whatever it was; the promotion is not undone."""
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(text))
    service.promote("v1")
    (told,) = service.run_all()
    assert (told["event"], told["log_level"]) == ("hook_failed", "warning")
    assert (told["status"], told["reason"], told["output"]) == (status, reason, output)
    assert (told["version"], told["after"]) == ("v1", "version_promoted") and service.run_all() == []


def test_what_takes_too_long_is_ended_with_all_that_it_began(tmp_path, ledger):
    """Also what does not listen to SIGTERM."""
    text = "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! > child\necho waiting\nwhile :; do sleep 1000; done\n"
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(text) + '\non_promotion_timeout = "300ms"')
    service.promote("v1")
    (told,) = service.run_all()
    assert told["reason"] == "it took longer than 0.3 s (on_promotion_timeout)"
    assert (told["status"], told["output"]) == (-9, "waiting")
    wait_for(lambda: is_gone(int((tmp_path / "child").read_text())))


def is_gone(pid: int) -> bool:
    """Whether no process of that number runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_of_much_output_the_end_is_kept(tmp_path, ledger):
    """And what it leaves running behind it is ended: nobody waits for that."""
    text = "#!/bin/sh\nsleep 1000 &\necho $! > child\nyes | head -c 1000000\nprintf 'the end\\377'\n"
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(text))
    service.promote("v1")
    (told,) = service.run_all()
    assert told["output"].endswith("y\nthe end\ufffd") and told["output"].startswith("(998,008 bytes before) … y\n")
    wait_for(lambda: is_gone(int((tmp_path / "child").read_text())))


def test_one_that_hangs_keeps_no_other_model_waiting(tmp_path, ledger):
    """Nor does one that waits for a server; at the end of the service it is ended, and run again at the next start."""
    service = Service(tmp_path, ledger, "")
    hanging = service.program("#!/bin/sh\necho $$ > pid\nexec sleep 1000\n", "hanging")
    service.config = service.load(hanging, service.program(KEEP))
    service.promote("v1", "m")
    service.promote("v1", "o", swapped=False)
    service.promote("v2", "n")

    async def story() -> None:
        await until(lambda: (tmp_path / "told").exists() and (tmp_path / "pid").exists())
        await until(lambda: {row.model for row in service.waiting()} == {"m", "o"})

    service.while_it_runs(story)
    wait_for(lambda: is_gone(int((tmp_path / "pid").read_text())))
    assert {(row.model, row.attempts) for row in service.waiting()} == {("m", 1), ("o", 0)}


def test_stops_of_the_service_do_not_give_a_command_up(tmp_path, ledger):
    """An update is no fault of a command's that takes long: it gets SIGTERM, and is begun again however often that was;
    a bound there is, for it may be what stops the service."""
    text = "#!/bin/sh\ntrap 'echo ended >> ended; exit 0' TERM\necho >> begun\nwhile :; do sleep 0.02; done\n"
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(text))
    service.promote("v1")
    lines = lambda name: len(path.read_text().splitlines()) if (path := tmp_path / name).exists() else 0  # noqa: E731
    for times in range(1, 5):
        service.while_it_runs(lambda times=times: until(lambda: lines("begun") == times))
        assert lines("ended") == times
    (row,) = service.waiting()
    assert row.attempts == 4
    service.program(KEEP)
    with ledger.begin() as conn:
        conn.execute(tables.hooks.update().values(outcome={"stops": 20}, attempts=20))
    (told,) = service.run_all()
    assert told["reason"] == "it was begun 20 times, and the service ended each time before it did"


def test_a_command_that_never_ends_before_the_service_does_is_given_up(tmp_path, ledger):
    """Perhaps it is what ends it."""
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program(KEEP))
    service.promote("v1")
    with ledger.begin() as conn:
        conn.execute(tables.hooks.update().values(attempts=3))
    (told,) = service.run_all()
    assert told["reason"] == "it was begun 3 times, and the service ended each time before it did"
    assert not (tmp_path / "told").exists()


def test_without_a_command_nothing_is_kept_and_a_reload_brings_one(tmp_path, ledger):
    """From the next promotion on."""
    service = Service(tmp_path, ledger, "")
    service.promote("v1")
    service.promote("v2")
    assert service.run_all() == []
    service.config = service.load(service.program(KEEP))
    assert service.run_all() == []
    service.promote("v3")
    assert [one["version"] for one in service.run_all()] == ["v3"]


def test_a_model_that_is_missing_for_a_while_keeps_its_command(tmp_path, ledger):
    """It is run once a reload brought it back."""
    service = Service(tmp_path, ledger, "")
    keep = service.program(KEEP)
    service.config = service.load(keep, names="n")
    service.promote("v1", "m")
    service.promote("v2", "n")

    async def story() -> None:
        await until(lambda: [row.model for row in service.waiting()] == ["m"])
        service.config = service.load(keep, keep)
        service.wake()
        await until(lambda: not service.waiting())

    service.while_it_runs(story)
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [(one["model"], one["version"]) for one in told] == [("n", "v2"), ("m", "v1")]


def test_a_kill_before_it_was_logged_that_it_ended_is_made_up_for(tmp_path, ledger):
    """At the next start, once."""
    service = Service(tmp_path, ledger, "")
    service.config = service.load(service.program("#!/bin/sh\nexit 3\n"))
    service.promote("v1")
    (told,) = service.run_all()
    with ledger.begin() as conn:
        event = {"at": NOW, "event": "service_started", "level": "info", "fields": {}}
        conn.execute(insert(tables.events).values(**event))
    with capture_logs() as logs:
        log_unlogged(ledger)
    (again,) = [entry for entry in logs if entry["event"] == "hook_failed"]
    assert (again["key"], again["reason"], again["model"]) == (told["key"], "it ended with status 3", "m")


def test_over_kills_it_is_run_at_least_once_under_the_same_key(make_daemon: Callable[..., Daemon]):
    """Before it began, and before it was noted that it ended; the promotion and the answers wait for nothing."""
    daemon = make_daemon('on_promotion = "./after"\n', columns=True)
    (daemon.folder / "after").write_text(KEEP)
    (daemon.folder / "after").chmod(stat.S_IRWXU)
    daemon.plan("control hook.begun 1 1 KILL", "control hook.ended 1 1 KILL")
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    for _ in range(2):
        daemon.wait_dead()
        started = len(daemon.events)
        daemon.start(wait_ready=False)
    done = daemon.wait("hook_done")
    told = [json.loads(line) for line in (daemon.folder / "told").read_text().splitlines()]
    assert [one["attempt"] for one in told] == [2, 3] and {one["key"] for one in told} == {done["key"]}
    daemon.wait("service_ready", since=started)
    assert told[0]["version"] == daemon.predict().json()["version"] and Path(told[0]["path"]).is_dir()
    assert told[0]["cycle"] == 1 and told[0]["metrics"]["metric"] == "accuracy"
