"""Messages by Apprise to a real receiver: what they say, what goes wrong, in words without the URL, and in bounded time."""

import socket

import pytest
from receivers import Receiver, receiver

from daemon.config.config import Config
from daemon.config.notify import NotifySettings, why_no_url
from daemon.config.service import ServiceSettings
from daemon.runtime.notify import by_apprise
from daemon.runtime.notify.attempt import Attempt
from daemon.runtime.notify.by_apprise import send
from daemon.runtime.notify.delivery import deliver, usable
from daemon.runtime.notify.endpoint import Endpoint
from daemon.runtime.notify.messages import message, message_of_test
from daemon.runtime.notify.troubles import Trouble
from retrain.records.errors import Refused

NOW = 1_000_000.0
HOSTILE = "ä\x1b[2J\u202e<script>:smile:\\n\udcff.csv"
TEST = message_of_test("a-key", "/driftd/host", NOW, "ops")


@pytest.fixture
def there():
    """A receiver."""
    with receiver() as running:
        yield running


def url_of(there: Receiver) -> str:
    """Where Apprise finds it, with what nobody else may see."""
    return f"json://hunter:hunter2@127.0.0.1:{there.port}/hunter3/?+X-Token=hunter4"


def test_a_message_says_what_happened_and_what_to_do(there):
    """By title, text and kind; its key is the last line. What users named does nothing."""
    troubles = [
        Trouble("file_refused", "warning", "m", NOW, {"file": HOSTILE}, untold=1, files=(HOSTILE,)),
        Trouble("drift_detected", "warning", "m", NOW, {}, over="drift_cleared", over_fields={}),
    ]
    for trouble in troubles:
        sent = message("a-key", "/driftd/host", NOW, [trouble], "https://d.example/{model}")
        assert send(Endpoint(url_of(there), None), sent) == Attempt()
    first, second = (one.json for one in there.received)
    assert (first["title"], first["type"]) == ("[driftd] m: file_refused", "warning")
    assert (second["title"], second["type"]) == ("[driftd] m: drift_detected is over", "success")
    text = first["message"]
    assert "What to do about file_refused: look at reason" in text and "https://d.example/m" in text
    assert text.endswith("\nid a-key")
    assert "<script>:smile:\\n\\udcff.csv" in text and "\x1b" not in text and "\u202e" not in text
    assert there.received[0].headers["x-token"] == "hunter4"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(500, Attempt("the service answered 500")), (413, Attempt("the service answered 413", only_this=True))],
)
def test_an_answer_other_than_200_is_a_reason(status, expected, there):
    """One that says nothing of other messages lets these pass."""
    there.status = status
    assert send(Endpoint(url_of(there), None), TEST) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("json://hunter:hunter2@127.0.0.1:{port}", "no connection to the service, or no answer in time"),
        ("slack://hunter2", "Apprise cannot read what follows slack://; see https://appriseit.com/services/"),
        ("nobody://hunter2", "Apprise knows no nobody://; see https://appriseit.com/services/"),
    ],
)
def test_nothing_of_a_url_is_told(url, expected, capfd):
    """But for its scheme; whatever the library would print or log is nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert send(Endpoint(url.format(port=port), None), TEST).reason == expected
    assert capfd.readouterr() == ("", "")


def test_a_service_that_hangs_costs_bounded_time(there):
    """Its process is ended with all that it began."""
    there.may_answer.clear()
    assert send(Endpoint(url_of(there), None), TEST, limit_s=0.2).reason == "no answer within 0.2 s"


def test_without_the_extra_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    """By a message's failure as where it is looked whether a destination can be used."""
    monkeypatch.setattr(by_apprise, "find_spec", lambda _: None)
    settings = NotifySettings(name="ops", url="slack://hunter2")
    config = Config(tmp_path / "config.toml", ServiceSettings(), {}, (settings,))
    way_out = 'Apprise is not installed; pip install "driftd[notify]"'
    assert deliver(config, settings, {}, TEST, NOW).reason == way_out
    with pytest.raises(Refused) as refused:
        usable(config, settings, {})
    assert str(refused.value) == way_out


def test_every_scheme_of_apprise_may_be_configured():
    """None is taken for a slip of the keyboard, but those that are ours."""
    from apprise.manager_plugins import NotificationManager

    schemes = set(NotificationManager().schemas()) - {"http", "https"}
    assert len(schemes) > 100 and {one for one in schemes if why_no_url(f"{one}://x/y") is not None} == set()
