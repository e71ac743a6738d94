"""Pages that are open hear what is new."""

import json
from collections.abc import Iterator

import local_http
import pytest
from helpers import wait_for
from page_parts import READ

pytestmark = pytest.mark.xdist_group("page")


def told(lines: Iterator[str]) -> Iterator[dict]:
    """Server-sent events, as a browser takes them apart."""
    event: dict = {}
    for line in lines:
        if not line:
            if "event" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


def test_what_is_done_is_heard_and_what_was_missed_too(open_page):
    """A change at once, the log's events with their numbers, and after a break from the last number on."""
    url = f"{open_page.url}/api/events"
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    with local_http.stream("GET", url) as stream:
        assert stream.status_code == 200 and stream.headers["content-type"] == "text/event-stream"
        heard = told(stream.iter_lines())
        assert next(heard)["event"] == "changed"
        local_http.post(f"{open_page.url}/api/m/m/resume", json={})
        logged = ((one, json.loads(one["data"])) for one in heard if one["event"] == "logged")
        done = (
            one for one, entry in logged if entry["event"] == "command_done" and entry["fields"]["command"] == "resume"
        )
        found = next(done)
        assert next(heard)["event"] in ("changed", "logged")
    before = str(int(found["id"]) - 1)
    with local_http.stream("GET", url, headers={"last-event-id": before}) as stream:
        again = next(one for one in told(stream.iter_lines()) if one["event"] == "logged")
    assert again == found


@pytest.mark.parametrize("last", ["", "-1", "x", "9" * 40, "²"])
def test_a_number_that_is_none_begins_now(open_page, last):
    """Whatever was sent as the last event's number."""
    wait_for(lambda: local_http.get(f"{open_page.url}/").status_code == 200)
    headers = {"last-event-id": last.encode()}
    with local_http.stream("GET", f"{open_page.url}/api/events", headers=headers) as stream:
        assert next(told(stream.iter_lines()))["event"] == "changed"


def test_who_is_not_known_hears_nothing(guarded_page):
    """As at any other address."""
    url = f"{guarded_page.url}/api/events"
    wait_for(lambda: local_http.get(f"{guarded_page.url}/").status_code == 401)
    assert local_http.get(url).status_code == 401
    with local_http.stream("GET", url, headers={"authorization": f"Bearer {READ}"}) as stream:
        assert next(told(stream.iter_lines()))["event"] == "changed"


def test_a_stream_ends_with_the_service(make_daemon):
    """It keeps no server from stopping."""
    daemon = make_daemon(service="").start()
    wait_for(lambda: local_http.get(f"{daemon.url}/").status_code == 200)
    with local_http.stream("GET", f"{daemon.url}/api/events") as stream:
        heard = told(stream.iter_lines())
        next(heard)
        assert daemon.stop() == 0
        list(heard)
    stopping, stopped = (next(daemon.seen(name)) for name in ("service_stopping", "service_stopped"))
    assert stopping["timestamp"] <= stopped["timestamp"] and not any(daemon.seen("server_died"))
