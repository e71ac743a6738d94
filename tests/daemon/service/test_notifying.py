"""Messages arrive: over kills at every step, receivers that are down, answer 500 or hang; or are told as given up."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import local_http
import pytest
from daemon_harness import Daemon, drop, rows
from helpers import until, wait_for
from mail_receivers import mail_receiver
from outboxes import waiting_messages
from receivers import Receiver, receiver
from sqlalchemy import text
from structlog.testing import capture_logs

from daemon.config.config import Config, load_config
from daemon.config.notify import NotifySettings
from daemon.config.paths import LEDGER
from daemon.ledger import Ledger, open_ledger, outbox
from daemon.service import notifying as module
from daemon.service.ledger_events import EventBuffer
from daemon.service.ledger_writes import PendingWrites
from daemon.service.notifying import Notifying
from retrain.records.errors import Refused

CONFIG = """\
[service]
state_dir = "state"
[[notify]]
name = "ops"
url = "{url}"
cooldown = "0s"
{more}
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
HOUR_S = 3_600.0
POINTS = (
    "ledger.before_begin",  # the file is refused: neither that nor an event is in the ledger
    "ledger.committed",  # it is refused, and nothing of it logged
    "notify.before_send",
    "notify.after_send",  # nobody noted that it arrived
)


class Clock:
    """A wall clock and a monotonic one that go on as told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """The part of a service that sends, with a clock of the test's."""

    def __init__(self, folder: Path, ledger: Ledger, url: str, more: str = "") -> None:
        self.clock, self.ledger, self.events = Clock(), ledger, EventBuffer()
        self.config = self.load(folder, url, more)
        self.notifying = Notifying(
            lambda: self.config, ledger, PendingWrites(ledger), {}, lambda: False, self.clock, self.clock
        )

    @staticmethod
    def load(folder: Path, url: str, more: str = "") -> Config:
        """Its configuration."""
        (folder / "config.toml").write_text(CONFIG.format(url=url, more=more))
        return load_config(folder / "config.toml")

    def log(self, event: str, level: str = "warning", **fields: object) -> None:
        """Something is logged, and written."""
        entry = {"event": event, "level": level, "timestamp": "2026-01-01T00:00:00Z", "model": "m", **fields}
        self.events.add(entry)
        self.events.write(self.ledger, self.notifying.route)

    def log_many(self, entries: list[dict[str, object]], within_s: int) -> None:
        """Warnings that files were refused, as many each second, written as often."""
        batch = -(-len(entries) // within_s)
        for start in range(0, len(entries), batch):
            at = datetime.fromtimestamp(self.clock.now, UTC).isoformat()
            for one in entries[start : start + batch]:
                self.events.add({"event": "file_refused", "level": "warning", "timestamp": at, **one})
            self.events.write(self.ledger, self.notifying.route)
            self.clock.now += 1.0

    def while_it_sends(self, story: Callable[[], "asyncio.Future[None]"]) -> None:
        """Play a story beside it."""

        async def play() -> None:
            sending = asyncio.create_task(self.notifying.run())
            try:
                await story()
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

        asyncio.run(play())

    def standing(self, name: str = "ops") -> dict[str, object]:
        """How things stand with a destination."""
        with self.ledger.connect() as conn:
            return outbox.standing(conn, name)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One that is new."""
    opened = open_ledger(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def there() -> Iterator[Receiver]:
    """A receiver."""
    with receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is looked at often: the clocks are the test's."""
    monkeypatch.setattr(module, "LOOK_S", 0.01)


def test_a_receiver_that_is_down_for_an_hour_gets_all_in_order(tmp_path, ledger, there):
    """It is asked less and less often meanwhile, and each message keeps its key."""
    service = Service(tmp_path, ledger, there.url)
    there.status = 500

    async def story() -> None:
        for n in range(3):
            service.log("file_refused", file=f"{n}.csv", reason="why")
        end = service.clock.now + HOUR_S
        while service.clock.now < end:
            before = len(there.received)
            service.clock.now += 30.0
            await asyncio.sleep(0.02)
            assert len(there.received) <= before + 1
        assert 5 < len(there.received) < 20 and service.standing()["reason"] == "the receiver answered 500"
        there.status = 204
        while len(there.arrived) < 3:
            service.clock.now += 30.0
            await asyncio.sleep(0.02)
        await until(lambda: service.standing()["waiting"] == 0)

    with capture_logs() as logs:
        service.while_it_sends(story)
    assert [one["fields"]["file"] for one in there.about("file_refused")] == ["0.csv", "1.csv", "2.csv"]
    names = [entry["event"] for entry in logs]
    assert names == ["notify_failed", "notify_recovered"]


def test_what_never_arrives_is_given_up_and_told(tmp_path, ledger, there):
    """After `give_up`, and others are told who did not hear of it."""
    service = Service(tmp_path, ledger, there.url, 'give_up = "10m"')
    there.status = 404

    async def story() -> None:
        service.log("file_refused", file="a.csv")
        while service.standing()["given_up"] == 0:
            service.clock.now += 60.0
            await asyncio.sleep(0.02)

    with capture_logs() as logs:
        service.while_it_sends(story)
    (given_up,) = [entry for entry in logs if entry["event"] == "notify_given_up"]
    assert given_up["key"] == there.received[0].headers["idempotency-key"] and given_up["about"] == "m file_refused"
    assert given_up["reason"] == "the receiver answered 404" and given_up["log_level"] == "error"
    assert service.standing()["waiting"] == 0


def test_of_too_many_that_wait_the_oldest_are_given_up_and_told(tmp_path, ledger, there, monkeypatch):
    """As none is read but what is sent, a receiver that is away for days costs no memory and no time."""
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    service = Service(tmp_path, ledger, there.url)
    there.status = 500
    with ledger.begin() as conn:
        for n in range(8):
            outbox.add(conn, "ops", f"key-{n}", str(n), {"id": f"key-{n}"}, service.clock.now)
        conn.execute(text("UPDATE outbox SET message = 'no JSON' WHERE key IN ('key-0', 'key-7')"))

    async def story() -> None:
        await until(lambda: service.standing()["waiting"] == 3)
        await until(lambda: there.received)

    with capture_logs() as logs:
        service.while_it_sends(story)
    given_up = [entry for entry in logs if entry["event"] == "notify_given_up"]
    assert [entry["key"] for entry in given_up][:2] == ["key-0", "key-1"]
    assert {entry["reason"] for entry in given_up} == {"more than 3 messages waited"}
    assert service.standing()["waiting"] == 3 and service.standing()["given_up"] == len(given_up) == 5


def test_a_message_that_is_not_taken_lets_the_next_ones_pass(tmp_path, ledger, there):
    """The receiver says that it is this one."""
    service = Service(tmp_path, ledger, there.url)
    there.status = 413

    async def story() -> None:
        service.log("file_refused", file="a.csv")
        await until(lambda: service.standing()["reason"] == "the receiver answered 413")
        there.status = 204
        service.log("file_held", file="b.csv")
        await until(lambda: service.standing()["delivered"] == 1)

    service.while_it_sends(story)
    assert there.about("file_held") and not there.about("file_refused") and service.standing()["waiting"] == 1


def test_a_receiver_that_hangs_keeps_no_other_waiting(tmp_path, ledger, there):
    """Each destination is sent to by itself."""
    with receiver() as hanging:
        hanging.may_answer.clear()
        other = f'[[notify]]\nname = "other"\nurl = "{there.url}"'
        service = Service(tmp_path, ledger, hanging.url, other)

        async def story() -> None:
            service.log("file_refused", file="a.csv")
            await until(lambda: there.about("file_refused"))

        service.while_it_sends(story)
        assert not hanging.received


def test_a_destination_that_is_gone_from_the_configuration_is_given_up(tmp_path, ledger, there):
    """What waited for it is told; a reload needs no restart."""
    service = Service(tmp_path, ledger, there.url)
    there.status = 500

    async def story() -> None:
        service.log("file_refused", file="a.csv")
        await until(lambda: there.received)
        service.config = Config(service.config.path, service.config.service, service.config.models)
        service.log("config_reloaded", "info")
        await until(lambda: service.standing()["given_up"] == 1)

    with capture_logs() as logs:
        service.while_it_sends(story)
    assert "its destination is no longer configured" in [entry.get("reason") for entry in logs]


def test_secrets_are_read_for_each_message_and_in_no_log(tmp_path, ledger, there):
    """A file that is not there yet, or is wrong, is a failure like any other; a new one holds at once."""
    service = Service(tmp_path, ledger, there.url, "")
    text = (
        (tmp_path / "config.toml").read_text().replace(f'url = "{there.url}"', 'url_file = "hook"\nsecret_file = "key"')
    )
    (tmp_path / "config.toml").write_text(text)
    service.config = load_config(tmp_path / "config.toml")

    async def story() -> None:
        with pytest.raises(Refused, match=r"ops: .*hook: cannot be read: No such file"):
            await service.notifying.test(None)
        (tmp_path / "hook").write_text("https://somebody:hunter2@example.com")
        (tmp_path / "key").write_text("short-secret")
        with pytest.raises(Refused) as refused:
            await service.notifying.test("ops")
        assert "hunter2" not in str(refused.value)
        (tmp_path / "hook").write_text(there.url)
        with pytest.raises(Refused, match="less than 16 bytes") as refused:
            await service.notifying.test("ops")
        assert "short-secret" not in str(refused.value)
        (tmp_path / "key").write_text("a key of many bytes\n")
        assert await service.notifying.test("ops") == "ops: arrived"
        with pytest.raises(Refused, match="configured: ops"):
            await service.notifying.test("nobody")

    service.while_it_sends(story)
    assert there.arrived[0]["type"] == "driftd.test" and "webhook-signature" in there.received[0].headers


def test_whatever_step_a_kill_comes_at_each_message_arrives(make_daemon: Callable[..., Daemon], there: Receiver):
    """At least once, and always with the same key: a file that nobody can read is told of, as is what else is wrong."""
    daemon = make_daemon(f'[[notify]]\nname = "ops"\nurl = "{there.url}"\ncooldown = "0s"\n')
    daemon.plan()
    daemon.start()
    for number, point in enumerate(POINTS):
        name = f"{number}.csv"
        daemon.plan(f"control {point} 1 1 KILL")
        (daemon.data / name).write_bytes(b"no data at all \x00\xff\n")
        daemon.wait_dead()
        daemon.plan()
        daemon.start()
        wait_for(lambda name=name: name in [one["fields"].get("file") for one in there.about("file_refused")])
    keys = [one.headers["idempotency-key"] for one in there.received if one.json["data"]["event"] == "file_refused"]
    assert len(set(keys)) == len(POINTS) and len(keys) > len(POINTS)
    wait_for(lambda: daemon.json("notify")[0]["waiting"] == 0)


def test_a_url_in_a_file_is_in_no_log_and_no_ledger(tmp_path, ledger, there):
    """Of a destination that Apprise reaches, whether its messages arrive or not."""
    there.status = 500
    (tmp_path / "room").write_text(f"json://hunter:hunter2@127.0.0.1:{there.port}/hunter3\n")
    service = Service(tmp_path, ledger, there.url, '[[notify]]\nname = "room"\nurl_file = "room"')
    service.config = Config(
        service.config.path, service.config.service, service.config.models, service.config.notify[1:]
    )

    async def story() -> None:
        service.log("file_refused", file="a.csv")
        await until(lambda: service.standing("room")["reason"] == "the service answered 500")
        there.status = 204
        assert await service.notifying.test("room") == "room: arrived"
        while service.standing("room")["delivered"] == 0:
            service.clock.now += 30.0
            await asyncio.sleep(0.02)

    with capture_logs() as logs:
        service.while_it_sends(story)
    assert [entry["event"] for entry in logs] == ["notify_failed", "notify_recovered"]
    ledger.close()
    assert "hunter" not in str(logs) and b"hunter" not in (tmp_path / "state" / LEDGER).read_bytes()


def test_what_cannot_be_used_is_told_at_the_start_and_after_a_reload(tmp_path, ledger, there):
    """To the log and to others, once; the URL is not."""
    service = Service(tmp_path, ledger, there.url)
    new = NotifySettings(name="room", url="nobody://hunter2")

    async def story() -> None:
        await asyncio.sleep(0)
        service.config = replace(service.config, notify=(*service.config.notify, new))
        service.log("config_reloaded", "info")
        await until(lambda: [entry for entry in logs if entry["event"] == "notify_unusable"])

    with capture_logs() as logs:
        service.while_it_sends(story)
    (told,) = logs
    assert (told["destination"], told["reason"]) == ("room", "Apprise knows no nobody://")
    assert told["hint"] == "see https://appriseit.com/services/"


@pytest.mark.long
def test_after_a_kill_apprise_is_asked_again_under_the_same_key(make_daemon: Callable[..., Daemon], there: Receiver):
    """Where it was not noted that the message arrived."""
    daemon = make_daemon(f'[[notify]]\nname = "room"\nurl = "json://127.0.0.1:{there.port}/"\ncooldown = "0s"\n')
    daemon.plan("control notify.after_send 1 1 KILL")
    daemon.start()
    (daemon.data / "a.csv").write_bytes(b"no data at all \x00\xff\n")
    daemon.wait_dead()
    daemon.plan()
    daemon.start()
    wait_for(lambda: daemon.json("notify")[0]["waiting"] == 0)
    last = [one.json["message"].splitlines()[-1] for one in there.received if "file_refused" in one.json["title"]]
    assert len(last) == 2 and len(set(last)) == 1 and last[0].startswith("id ")


@pytest.mark.parametrize(("group", "at_most"), [("1m", 1), ("0s", 4)])
def test_ten_thousand_events_in_a_minute_are_few_messages_at_the_receiver(group, at_most, tmp_path, ledger, there):
    """No more than configured, and their numbers are those of the events."""
    more = f'group = "{group}"\nmost_per_hour = 4'
    service, models = Service(tmp_path, ledger, there.url, more), [f"m{n}" for n in range(40)]

    async def story() -> None:
        service.log_many([{"file": f"{n}.csv", "model": models[n % 40]} for n in range(10_000)], within_s=60)
        service.clock.now += 61.0
        await until(lambda: len(there.received) == at_most and service.standing()["waiting"] == 0)
        service.clock.now += HOUR_S
        await until(lambda: sum(map(events_in, there.arrived)) == 10_000)

    service.while_it_sends(story)
    assert len(there.received) <= at_most + 1


def events_in(message: dict) -> int:
    """How many events a message tells of."""
    return message["data"].get("events", message["data"].get("times"))


def test_a_kill_while_more_is_waited_for_loses_nothing(make_daemon: Callable[..., Daemon], there: Receiver):
    """What came before and after it is one message."""
    more = 'events = ["file_refused"]\ngroup = "10m"\n'
    daemon = make_daemon(f'[[notify]]\nname = "ops"\nurl = "{there.url}"\n{more}')

    def refused(name: str) -> bool:
        """Whether it stands in the ledger."""
        logged = daemon.json("history", "--events", "--last", "9")
        return any(one["event"] == "file_refused" and name in str(one) for one in logged)

    daemon.plan()
    for number, name in enumerate(("a.csv", "b.csv")):
        if number:
            daemon.kill()
        daemon.start()
        (daemon.data / name).write_bytes(b"no data at all \x00\xff" + name.encode() + b"\n")
        wait_for(lambda name=name: refused(name))
    (daemon.faults / "clock").write_text("601")
    wait_for(lambda: there.arrived)
    (one,) = there.about("file_refused")
    assert (one["times"], one["files"]) == (2, ["a.csv", "b.csv"])


def test_an_e_mail_arrives_in_its_own_time_beside_a_webhook(tmp_path, ledger, there):
    """Under the key of its message; who refused it is kept."""
    with mail_receiver() as mail:
        mail.answers = {"rcpt to:<gone@example.com>": "550 nobody"}
        more = f'[[notify]]\nname = "post"\nurl = "smtp://127.0.0.1:{mail.port}"\nto = ["a@example.com", "gone@example.com"]'
        service = Service(tmp_path, ledger, there.url, more)

        async def story() -> None:
            service.log("file_refused", file="a.csv")
            with ledger.connect() as conn:
                (row,) = (row for row in waiting_messages(conn) if row.destination == "post")
            await until(lambda: mail.arrived and service.standing()["waiting"] == 0)
            assert mail.arrived[0]["Message-ID"] == f"<{row.key}@driftd>"
            told = await service.notifying.test("post")
            assert told == "post: arrived, but the mail server refused gone@example.com (550 nobody)"

        service.while_it_sends(story)


def test_a_start_after_a_proper_end_tells_nothing_anew(make_daemon: Callable[..., Daemon], there: Receiver):
    """What was promoted, found and refused is logged once; a test of the running service tells how it went; what a
    server logs by itself is told and kept, but for what is wrong with requests."""
    daemon = make_daemon(f'[[notify]]\nname = "ops"\nurl = "{there.url}"\nevents = ["info", "warning"]\n')
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    (daemon.data / "b.csv").write_bytes(b"no data at all \x00\xff\n")
    daemon.wait("cycle_finished")
    daemon.wait("file_refused")
    wait_for(lambda: there.about("version_promoted") and there.about("model_swapped"))
    for rows_, status in ([{"x": 0.3, "z": 1.0, "colour": "r" * 2_000}], 200), ([], 400):
        asked = {"rows": rows_}
        assert local_http.post(f"{daemon.url}/models/m/predict", json=asked).status_code == status
    wait_for(lambda: there.about("predictions_dropped"))
    kept = [one["event"] for one in daemon.json("history", "--events", "--last", "100")]
    assert kept.count("predictions_dropped") == 1 and "input_rejected" not in kept and daemon.wait("input_rejected")
    assert "ops: arrived" in daemon.cli("notify", "test").stdout
    there.status = 500
    refused = daemon.cli("notify", "test", "ops", check=False)
    assert (refused.returncode, refused.stderr) == (1, "driftd: ops: the receiver answered 500\n")
    there.status = 204
    daemon.stop()
    before = len(daemon.events)
    daemon.start()
    daemon.wait("service_ready", since=before)
    for name in ("file_refused", "version_promoted", "cycle_finished"):
        assert not list(daemon.seen(name, since=before))
    assert len(there.about("version_promoted")) == 1


def test_the_command_sends_where_no_service_runs(make_daemon: Callable[..., Daemon], there: Receiver):
    """And says that nobody is to be notified, or is not there."""
    daemon = make_daemon(f'[[notify]]\nname = "ops"\nurl = "{there.url}"\n')
    done = daemon.cli("notify", "test")
    assert "ops: arrived (sent from here" in done.stdout and there.arrived[0]["data"]["event"] == "test"
    assert daemon.cli("notify", "test", "opps", check=False).stderr.strip().endswith("did you mean 'ops'?")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    other = make_daemon(f'[[notify]]\nname = "ops"\nurl = "http://127.0.0.1:{port}/token"\n')
    failed = other.cli("notify", "test", check=False)
    assert (failed.returncode, failed.stderr.strip()) == (1, "driftd: ops: Connection refused")


def test_a_configuration_without_destinations_costs_nothing(make_daemon: Callable[..., Daemon]):
    """And the command says what is missing."""
    done = make_daemon("").cli("notify", check=False)
    assert done.returncode == 1 and "has no section [[notify]]" in done.stderr
