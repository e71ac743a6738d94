"""Open pages follow what happens, in a real Chromium: in place, never under somebody's hands, and in his time zone."""

import json
import re
from collections.abc import Iterator

import local_http
import pytest
from chromium import Browser, has_browser
from helpers import wait_for
from page_parts import READ
from relay import Relay

pytestmark = [
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(not has_browser(), reason="needs Chromium: apt install chromium"),
]
SIGN = "document.querySelector('#live').textContent"
TEXT = "document.querySelector('main').textContent"


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A tab in Kathmandu: UTC and 5:45."""
    with Browser() as made:
        made.zone("Asia/Kathmandu")
        yield made
        assert not made.log, made.log


def ask(daemon, action: str) -> None:
    """Have something done, as another program would: the page process may still start."""
    url = f"{daemon.url}/api/m/m/{action}"
    answer = wait_for(lambda: (told := local_http.post(url, json={})).status_code != 503 and told)
    assert answer.json()["state"] == "done", answer.text


def says(browser: Browser, script: str, word: str) -> bool:
    """Waits until a text of the page has a word."""
    return wait_for(lambda: word in (browser.run(script) or ""))


def test_an_open_page_changes_in_place(open_page, browser: Browser) -> None:
    """What is new is there without loading the page again; place, focus and what is open stay."""
    wait_for(lambda: local_http.get(open_page.url).status_code == 200)
    browser.open(f"{open_page.url}/m/m")
    browser.size(1280, 400)
    says(browser, SIGN, "live")
    browser.run(
        "window.same = true; document.querySelector('main a').focus();"
        "document.querySelector('#files').scrollIntoView({behavior: 'instant'}); window.was = scrollY"
    )
    before = browser.run("document.activeElement.textContent")
    ask(open_page, "pause")
    says(browser, TEXT, "paused")
    assert browser.run("window.same && scrollY > 0 && Math.abs(scrollY - window.was) < 200")
    assert browser.run("document.activeElement.textContent") == before
    ask(open_page, "resume")
    wait_for(lambda: "m: paused" not in browser.run("document.title"))


def test_nothing_moves_while_somebody_decides(open_page, browser: Browser) -> None:
    """A question that is open, and a field that is filled in, hold the news back, and the page says so."""
    wait_for(lambda: local_http.get(open_page.url).status_code == 200)
    browser.open(f"{open_page.url}/m/m")
    says(browser, SIGN, "live")
    browser.run("document.querySelector('details.sure').open = true")
    ask(open_page, "pause")
    says(browser, SIGN, "news waits until you are done")
    assert "m: paused" not in browser.run("document.title")
    browser.run("document.querySelector('details.sure').open = false")
    wait_for(lambda: "m: paused" in browser.run("document.title"))
    browser.run(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<input id=\"typed\">');"
        "document.querySelector('#typed').value = 'half a word'"
    )
    ask(open_page, "resume")
    says(browser, SIGN, "news waits until you are done")
    assert browser.run("document.querySelector('#typed').value") == "half a word"
    browser.run("document.querySelector('#typed').value = ''")
    wait_for(lambda: "m: paused" not in browser.run("document.title"))


def test_the_log_shows_events_as_they_come(open_page, browser: Browser) -> None:
    """The newest first, and a table that was opened keeps its rows."""
    wait_for(lambda: local_http.get(open_page.url).status_code == 200)
    browser.open(f"{open_page.url}/log?show=events")
    says(browser, SIGN, "live")
    count = browser.run(f"{TEXT}.split('command_done').length")
    ask(open_page, "resume")
    wait_for(lambda: browser.run(f"{TEXT}.split('command_done').length") > count)


def test_times_are_the_readers(open_page, browser: Browser) -> None:
    """In the browser's zone, with UTC on hover, and the foot names the zone; updates too."""
    wait_for(lambda: local_http.get(open_page.url).status_code == 200)
    browser.open(f"{open_page.url}/m/m")
    shown = json.loads(browser.run(
        "JSON.stringify([...document.querySelectorAll('time')].map(one => [one.dateTime, one.title, one.textContent]))"
    ))  # fmt: skip
    assert browser.run("document.querySelector('#zone').textContent") in ("Asia/Kathmandu", "Asia/Katmandu")
    for moment, utc, words in shown:
        assert utc == f"{moment[:10]} {moment[11:19]} UTC"
        if found := re.search(r"(\d\d):(\d\d)$", words):
            minutes = 60 * int(found[1]) + int(found[2])
            assert (minutes - 60 * int(moment[11:13]) - int(moment[14:16])) % 1440 == 345


def test_a_lost_connection_is_told_and_its_return(open_page) -> None:
    """While the way to the service is cut the page says as of when it is, and afterwards that it is live again."""
    wait_for(lambda: local_http.get(open_page.url).status_code == 200)
    with Browser() as browser, Relay(open_page.port) as way:
        browser.open(way.url)
        says(browser, SIGN, "live")
        way.cut()
        says(browser, SIGN, "connection lost, as of ")
        way.mend()
        says(browser, SIGN, "connected again")


def test_who_is_logged_out_is_told(guarded_page) -> None:
    """Where the session ended meanwhile, the page says so and stays as it was."""
    with Browser() as browser, Relay(guarded_page.port) as way:
        browser.open(f"{way.url}/m/m")
        browser.type_token(READ)
        says(browser, SIGN, "live")
        browser.forget()
        way.cut()
        way.mend()
        says(browser, SIGN, "logged out: reload the page")
        assert browser.run("document.title").startswith("m")
