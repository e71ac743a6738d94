"""Which events become messages, and what these say; one attempt to send one."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from functools import cache
from pathlib import Path

import pytest
from helpers import PATIENCE_S
from outboxes import waiting_messages
from receivers import receiver

from daemon.config.config import Config
from daemon.config.events import EVENTS
from daemon.config.notify import NotifySettings
from daemon.config.service import ServiceSettings
from daemon.ledger import open_ledger
from daemon.runtime.notify import delivery
from daemon.runtime.notify.delivery import deliver
from daemon.runtime.notify.endpoint import Endpoint
from daemon.runtime.notify.messages import message, sentence
from daemon.runtime.notify.routing import heard, route
from daemon.runtime.notify.troubles import ENDERS, ENDS, Happened, Trouble
from daemon.runtime.notify.webhook import post

NOW = 1_000_000.0
HOSTILE = "a\x1b[2J\u202e<script>alert(1)</script>'\""
SETTINGS = NotifySettings(name="ops", url="https://example.com/hook")


def event(name: str, at: float = NOW, model: str = "m", **fields: object) -> Happened:
    """A logged event with the level that it is declared with."""
    level = next(one.level for one in EVENTS if one.name == name)
    return Happened(name, level, model, at, fields)


@pytest.fixture
def ledger(tmp_path):
    """One that is new."""
    opened = open_ledger(tmp_path)
    yield opened
    opened.close()


def told(ledger, settings: NotifySettings, *events: Happened, now: float = NOW, minute: int = 0) -> list[dict]:
    """The data of the messages that become of these events now, in a minute of the day."""
    with ledger.begin() as conn:
        before = {row.id for row in waiting_messages(conn)}
        route(conn, [settings], events, now, minute)
        return [row.message["data"] for row in waiting_messages(conn) if row.id not in before]


def texts(messages: list[dict]) -> list[tuple[str, str, int]]:
    """Event, state and number of times of each."""
    return [(one["event"], one["state"], one["times"]) for one in messages]


def test_what_ends_a_trouble_is_declared():
    """Every event that is said to end is one, and says so once the other began."""
    assert set(ENDERS) <= {one.name for one in EVENTS}
    assert "drift_detected" in ENDS["drift_cleared"]


def test_an_episode_is_told_once_and_its_end(ledger):
    """However often it is logged meanwhile, and over restarts, since the ledger knows."""
    begins = event("drift_detected", columns=["x"])
    assert texts(told(ledger, SETTINGS, begins)) == [("drift_detected", "begins", 1)]
    assert told(ledger, SETTINGS, event("drift_detected", NOW + 5), now=NOW + 3_000) == []
    over = told(ledger, SETTINGS, event("drift_cleared", NOW + 9, episode=7), now=NOW + 3_001)
    assert texts(over) == [("drift_detected", "over", 1)]
    assert over[0]["ended_by"] == "drift_cleared" and over[0]["fields"] == {"episode": 7}
    assert told(ledger, SETTINGS, event("drift_cleared", NOW + 10), now=NOW + 3_002) == []


def test_another_episode_is_told_though_the_end_of_the_last_was_missed(ledger):
    """As where a kill kept that from the log; also where the new one comes hours later, of an event without a number."""
    assert len(told(ledger, SETTINGS, event("drift_detected", episode=1))) == 1
    assert told(ledger, SETTINGS, event("drift_detected", NOW + 700, episode=1), now=NOW + 700) == []
    assert len(told(ledger, SETTINGS, event("drift_detected", NOW + 701, episode=2), now=NOW + 701)) == 1
    assert len(told(ledger, SETTINGS, event("disk_low", model=""))) == 1
    assert len(told(ledger, SETTINGS, event("disk_low", NOW + 22_000, model=""), now=NOW + 22_000)) == 1


def test_an_end_without_a_beginning_is_no_news(ledger):
    """Nor is the end of another model's."""
    assert told(ledger, SETTINGS, event("drift_cleared")) == []
    told(ledger, SETTINGS, event("drift_detected", model="a"))
    assert told(ledger, SETTINGS, event("drift_cleared", model="b")) == []
    assert texts(told(ledger, SETTINGS, event("drift_cleared", model="a"))) == [("drift_detected", "over", 1)]


def test_a_trouble_that_comes_and_goes_waits_for_its_cool_down(ledger):
    """What began and ended again meanwhile is one message with its number."""
    told(ledger, SETTINGS, event("drift_detected"))
    told(ledger, SETTINGS, event("drift_cleared"))
    for _ in range(3):
        assert told(ledger, SETTINGS, event("drift_detected", NOW + 1), event("drift_cleared", NOW + 2)) == []
    assert told(ledger, SETTINGS, now=NOW + 599) == []
    assert texts(told(ledger, SETTINGS, now=NOW + 600)) == [("drift_detected", "passed", 3)]
    assert told(ledger, SETTINGS, now=NOW + 1_300) == []


def test_more_of_the_same_is_told_together_after_the_cool_down(ledger):
    """The first at once; of many files some are named."""
    first = told(ledger, SETTINGS, event("file_refused", file="0.csv", reason="no header"))
    assert texts(first) == [("file_refused", "happened", 1)]
    more = [event("file_refused", NOW + n, file=f"{n}.csv") for n in range(1, 20)]
    assert told(ledger, SETTINGS, *more, now=NOW + 20) == []
    (together,) = told(ledger, SETTINGS, now=NOW + 600)
    assert together["times"] == 19 and together["files"] == ["1.csv", "2.csv", "3.csv", "4.csv", "5.csv"]
    assert told(ledger, SETTINGS, event("file_refused", NOW + 9_000), now=NOW + 9_000) != []


@pytest.mark.parametrize(
    ("hours", "before", "within", "after"), [("22:00-07:00", 1319, 419, 420), ("01:00-02:00", 59, 60, 120)]
)
def test_in_quiet_hours_errors_alone_are_told_and_the_rest_after_them(hours, before, within, after, ledger):
    """Also what began and ended meanwhile, with its number."""
    settings = NotifySettings(name="ops", url="https://example.com/hook", quiet=hours)
    assert len(told(ledger, settings, event("file_held"), minute=before)) == 1
    assert told(ledger, settings, event("drift_detected"), event("drift_cleared"), minute=within) == []
    assert texts(told(ledger, settings, event("swap_failed"), minute=within)) == [("swap_failed", "happened", 1)]
    assert told(ledger, settings, now=NOW + 100, minute=within) == []
    assert texts(told(ledger, settings, now=NOW + 101, minute=after)) == [("drift_detected", "passed", 1)]


def test_a_clock_that_is_set_back_delays_nothing(ledger):
    """A cool-down that began in what is the future now is over."""
    told(ledger, SETTINGS, event("file_refused"))
    assert len(told(ledger, SETTINGS, event("file_refused"), now=NOW - 3_600)) == 1


def test_ten_thousand_events_in_a_minute_are_few_messages(ledger):
    """Never more in an hour than configured, and none is forgotten: the last one has all that is left."""
    settings = SETTINGS.model_copy(update={"most_per_hour": 4, "cooldown": 1.0})
    counted = 0
    for second in range(60):
        at = NOW + second
        events = [event("file_refused", at, model=f"m{n % 40}", file=f"{n}.csv") for n in range(167)]
        for one in told(ledger, settings, *events, now=at):
            counted += sum(part["times"] for part in one.get("messages", [one]))
    with ledger.connect() as conn:
        assert len(waiting_messages(conn)) == 4
    (last,) = told(ledger, settings, now=NOW + 3_601)
    assert counted + sum(part["times"] for part in last["messages"]) == 60 * 167


def grouped(**settings: object) -> NotifySettings:
    """A destination that waits a minute for more."""
    return SETTINGS.model_copy(update={"group": 60.0, **settings})


def test_what_comes_within_a_minute_is_one_message_whose_numbers_add_up(ledger):
    """From when the first of it could be told on; the worst first, however many models there are. An end counts as no
    event."""
    settings = grouped(cooldown=0.0)
    told(ledger, settings, event("disk_low", model=""))
    assert texts(told(ledger, settings, now=NOW + 60)) == [("disk_low", "begins", 1)]
    held = [event("file_held", NOW + 100 + n, model="a", file=f"{n}.csv") for n in range(3)]
    assert told(ledger, settings, *held, now=NOW + 103) == []
    rest = event("drift_detected", NOW + 130, model="b"), event("swap_failed", NOW + 140, model="b")
    assert told(ledger, settings, *rest, event("disk_ok", NOW + 150, model=""), now=NOW + 159.5) == []
    (one,) = told(ledger, settings, now=NOW + 160)
    assert (one["events"], one["counts"], one["over"], one["left_out"]) == (
        5, {"file_held": 3, "swap_failed": 1, "drift_detected": 1}, 1, 0,
    )  # fmt: skip
    assert one["level"] == "error" and one["models"] == ["a", "b"] and one["since"] == "1970-01-12T13:48:20.000Z"
    assert [part["event"] for part in one["messages"]] == ["swap_failed", "file_held", "drift_detected", "disk_low"]
    first, *lines = one["text"].splitlines()
    assert first == "5 events (3 file_held, 1 swap_failed, 1 drift_detected); 1 told before is over:"
    assert len(lines) == 4 and told(ledger, settings, now=NOW + 999) == []


def test_each_model_may_have_a_message_of_its_own(ledger):
    """And the service as a whole; none waits for another."""
    settings = grouped(group_by="model")
    told(ledger, settings, event("file_held", model="a"), event("drift_detected", NOW + 1, model="a"))
    told(
        ledger,
        settings,
        event("file_held", NOW + 30, model="b"),
        event("swap_failed", NOW + 30, model=""),
        now=NOW + 30,
    )
    (one,) = told(ledger, settings, now=NOW + 60)
    assert one["model"] == "a" and one["text"].startswith("a: 2 events (1 file_held, 1 drift_detected):\n")
    assert texts(told(ledger, settings, now=NOW + 90)) == [("file_held", "happened", 1), ("swap_failed", "happened", 1)]


def test_a_group_begins_when_the_cool_down_is_over(ledger):
    """What had to wait for that waits for more besides; the clock being set back ends it."""
    settings = grouped()
    told(ledger, settings, event("file_held"))
    assert len(told(ledger, settings, now=NOW + 60)) == 1
    told(ledger, settings, event("file_held", NOW + 70), now=NOW + 70)
    assert told(ledger, settings, event("drift_detected", NOW + 650), now=NOW + 660) == []
    (one,) = told(ledger, settings, now=NOW + 710)
    assert one["counts"] == {"file_held": 1, "drift_detected": 1}
    told(ledger, settings, event("swap_failed", NOW + 800), now=NOW + 800)
    assert texts(told(ledger, settings, now=NOW - 9_000)) == [("swap_failed", "happened", 1)]


def test_each_destination_hears_what_it_asked_for():
    """By level, by name, by model; what concerns the service is for all; nobody hears that he cannot be reached."""
    settings = NotifySettings(name="ops", url="https://a.example", events=("error", "version_promoted"), models=("m",))
    events = [
        event("version_promoted"), event("version_promoted", model="n"), event("drift_detected"),
        event("swap_failed"), event("ledger_failed", model=""), event("notify_given_up", model="", destination="ops"),
    ]  # fmt: skip
    assert set(heard({}, settings, events)) == {("version_promoted", "m"), ("swap_failed", "m"), ("ledger_failed", "")}
    other = settings.model_copy(update={"name": "other"})
    assert ("notify_given_up", "") in heard({}, other, events)


def test_a_start_ends_what_only_the_memory_of_the_service_knew(ledger):
    """A full disk is told anew where it is still full, but not what the ledger knows: an episode of drift."""
    told(ledger, SETTINGS, event("disk_low"), event("drift_detected"))
    assert texts(told(ledger, SETTINGS, event("service_started", model=""))) == [("disk_low", "over", 1)]


def test_a_message_is_a_cloudevent_that_says_what_to_do():
    """With its model as subject, what the event's fields are, and a link."""
    trouble = Trouble("drift_detected", "warning", "m", NOW, {"columns": ["x"]}, untold=1, lasting=True)
    sent = message("key", "/driftd/host", NOW, [trouble], "https://d.example/{model}")
    assert {name: sent[name] for name in ("specversion", "id", "source", "type", "subject", "time")} == {
        "specversion": "1.0", "id": "key", "source": "/driftd/host", "type": "driftd.drift_detected", "subject": "m",
        "time": "1970-01-12T13:46:40.000Z",
    }  # fmt: skip
    data = sent["data"]
    assert (
        data["link"] == "https://d.example/m" and "producer" in data["action"] and data["fields"] == {"columns": ["x"]}
    )
    assert data["help"] == "docs/operations.md#drift_detected"


@pytest.mark.parametrize("declared", EVENTS, ids=lambda declared: declared.name)
def test_every_event_leads_to_the_line_that_helps(declared):
    """Of operations.md where somebody is to do something, else to what it means; as it begins and as it is over."""
    for over in ("", "service_started"):
        trouble = Trouble(declared.name, declared.level, "m", NOW, {}, untold=not over, over=over)
        data = message("key", "/driftd/host", NOW, [trouble], None)["data"]
        page, _, anchor = data["help"].partition("#")
        assert anchor == declared.name and f'<a id="{anchor}">' in docs(page)
        assert ("operations.md" in page) == bool(declared.action) and ("action" in data) == bool(
            declared.action and not over
        )


@cache
def docs(page: str) -> str:
    """A page of the documentation."""
    return (Path(__file__).resolve().parents[3] / page).read_text("utf-8")


def test_what_users_named_does_nothing_to_who_reads_it():
    """Control characters and those that turn the direction of writing are escaped in sentences."""
    trouble = Trouble("file_refused", "warning", "m", NOW, {"file": HOSTILE, "reason": "r"}, untold=1)
    assert "\x1b" not in sentence(trouble) and "\u202e" not in sentence(trouble) and "<script>" in sentence(trouble)


def test_a_message_is_signed_so_that_nobody_else_can():
    """As Standard Webhooks defines it, over the bytes that are sent; the key of a message comes with it."""
    with receiver() as there:
        assert post(Endpoint(there.url, b"k" * 16), {"id": "key", "ä": "\udcff"}, NOW).reason == ""
    (one,) = there.received
    signed = b"key.1000000." + one.body
    expected = base64.b64encode(hmac.new(b"k" * 16, signed, hashlib.sha256).digest()).decode()
    assert one.headers["webhook-signature"] == f"v1,{expected}" and one.path == "/hook?team=ops"
    assert one.headers["idempotency-key"] == one.headers["webhook-id"] == "key"
    assert one.headers["content-type"] == "application/cloudevents+json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "headers", "reason", "again_s", "only_this"),
    [
        (500, {}, "the receiver answered 500", None, False),
        (503, {"Retry-After": "120"}, "the receiver answered 503", 120.0, False),
        (429, {"Retry-After": "999999"}, "the receiver answered 429", 3600.0, False),
        (302, {"Location": "http://169.254.169.254/"}, "the receiver answered 302; it wants", None, False),
        (413, {}, "the receiver answered 413", None, True),
    ],
)
def test_an_answer_other_than_200_is_a_reason(status, headers, reason, again_s, only_this):
    """No redirect is followed; a receiver may say when it wants to be asked again."""
    with receiver() as there:
        there.status, there.answer_headers = status, headers
        attempt = post(Endpoint(there.url, None), {"id": "key"}, NOW)
    assert attempt.reason.startswith(reason) and (attempt.again_s, attempt.only_this) == (again_s, only_this)
    assert "webhook-signature" not in there.received[0].headers


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "no answer within 0.3 s"),
        (b"HTTP/1.1 2", "no answer within 0.3 s"),
        (b"HTTP/1.1 200 OK\r\nX: ", ""),  # it has said that it took the message in
        (b"SSH-2.0-x\r\n", "no proper answer: BadStatusLine"),
    ],
)
def test_who_hangs_or_speaks_otherwise_costs_bounded_time(sent, expected):
    """Also one that sends byte after byte, for ever; the URL is in no reason."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            taken, _ = listening.accept()
            with taken:
                try:
                    taken.sendall(sent)
                    while sent and not ended.wait(0.02):
                        taken.sendall(b"a")
                except OSError:
                    return
                ended.wait(PATIENCE_S)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/token-of-somebody"
        reason = post(Endpoint(url, None), {"id": "key"}, NOW, limit_s=0.3).reason
        ended.set()
        thread.join(PATIENCE_S)
    assert reason == expected


def test_nobody_there_is_a_reason():
    """The words are the system's, without the URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert post(Endpoint(f"http://127.0.0.1:{port}/secret", None), {"id": "k"}, NOW).reason == "Connection refused"
    assert "host name" in post(Endpoint("http://driftd.invalid/secret", None), {"id": "k"}, NOW).reason


def test_an_error_that_nobody_expected_is_a_failed_attempt(tmp_path, monkeypatch):
    """The library's words are not told, for they may have the URL; a number that JSON cannot hold is the message's."""
    monkeypatch.setattr(delivery, "endpoint_of", lambda *_: Endpoint("http://secret..b/x", None))
    config = Config(tmp_path / "config.toml", ServiceSettings(), {})
    assert deliver(config, SETTINGS, {}, {"id": "key"}, NOW).reason == "no proper answer: UnicodeError"
    attempt = deliver(config, SETTINGS, {}, {"id": "key", "value": float("nan")}, NOW)
    assert attempt.only_this and attempt.reason == "the message has a number that JSON cannot hold"


def test_an_endpoint_is_never_shown():
    """Whoever prints it."""
    assert repr(Endpoint("https://a.example/token", b"key")) == "Endpoint()"
    assert json.dumps(str(Endpoint("https://a.example/token", b"key"))) == '"Endpoint()"'
