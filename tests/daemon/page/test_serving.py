"""The page comes through the server, and takes nothing from it."""

import os
import signal
import subprocess
import sys

import httpx
import local_http
import pytest
from daemon_harness import ROOT, free_port
from helpers import PATIENCE_S, wait_for
from page_parser import Page
from page_parts import page_pid

from daemon.config.config import load_config
from daemon.page.answers import POLICY
from daemon.page.openapi import VIEWS
from daemon.runtime.notify.messages import linked
from daemon.service.notifying import page_link

pytestmark = pytest.mark.xdist_group("page")


def got(daemon, path: str, **arguments) -> httpx.Response:
    """An answer; the page process may take a moment more than the servers to be there, or to answer."""
    asked = lambda: local_http.get(daemon.url + path, **arguments)  # noqa: E731
    return wait_for(lambda: (answer := asked()).status_code != 503 and answer)


def test_the_overview_is_a_page_and_the_same_as_json(open_page):
    """A page for people at /, and its facts below /api."""
    page = wait_for(lambda: (answer := got(open_page, "/")).status_code == 200 and answer)
    assert page.headers["content-type"] == "text/html; charset=utf-8" and "<h1" in page.text
    facts = got(open_page, "/api/")
    assert facts.status_code == 200 and "m" in facts.json()["models"]


def test_the_first_look_costs_at_most_100_kb(open_page):
    """The overview with all that it names, as a browser takes it: compressed, and plain as well."""
    wait_for(lambda: got(open_page, "/").status_code == 200)
    page = Page(got(open_page, "/").text)
    named = [one["src"] for one in page.all("script")] + [one["href"] for one in page.all("link")]
    sizes = {path: len(got(open_page, path).content) for path in ["/", *named]}
    assert len(sizes) == 5 and sum(sizes.values()) <= 100_000, sizes
    with local_http.Client() as client:
        answers = [client.get(open_page.url + path, timeout=60) for path in sizes]
    assert sum(int(answer.headers["content-length"]) for answer in answers) <= 40_000


def test_every_answer_has_the_headers_that_keep_it_from_harm(open_page):
    """Pages, JSON, files and refusals alike."""
    for path in ("/", "/api/", "/static/page.css", "/m/none", "/api/m/none"):
        headers = got(open_page, path).headers
        assert headers["content-security-policy"] == POLICY and "unsafe" not in POLICY
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/m/none", 404),
        ("/api/m/none", 404),
        ("/m/m/../../etc/passwd", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e%2fapp.py", 404),
        ("/static/..%2F__main__.py", 404),
        ("/static/none.css", 404),
        ("/m/%ff%fe", 404),
        ("/m/%00", 404),
        ("/m/" + "a" * 9_000, 404),
        ("/m/m/file/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22'", 404),
        ("/api/m/%E2%80%AEm", 404),
    ],
)
def test_an_address_that_means_nothing_is_told_so_and_no_more(open_page, path, status):
    """As it was sent, and nothing of it comes back."""
    with local_http.Client() as client:
        request = client.build_request("GET", open_page.url)
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = client.send(request)
    assert answer.status_code == status and "root:" not in answer.text
    assert "alert(1)" not in answer.text and Page(answer.text).own_scripts


def test_other_methods_are_refused(open_page):
    """With the ones that are for it."""
    answer = local_http.put(f"{open_page.url}/", content=b"x")
    assert answer.status_code == 405 and "GET" in answer.headers["allow"]


def test_a_body_larger_than_any_form_is_not_taken(open_page):
    """Long before the page process has it."""
    answer = local_http.post(f"{open_page.url}/login", content=b"x" * 100_000)
    assert answer.status_code == 413


def test_a_name_that_was_made_to_point_here_sees_no_page(open_page):
    """DNS rebinding: the page is no more open than predictions are."""
    for path in ("/", "/api/", "/login", "/static/page.css"):
        assert got(open_page, path, headers={"host": "evil.example"}).status_code == 403


def test_a_page_process_that_hangs_keeps_no_prediction_waiting(open_page):
    """Predictions answer while it is stopped; it answers what waits for it when it goes on."""
    pid = wait_for(lambda: page_pid(open_page))
    wait_for(lambda: got(open_page, "/").status_code == 200)
    os.kill(pid, signal.SIGSTOP)
    try:
        with local_http.Client() as client, pytest.raises(httpx.ReadTimeout):
            client.get(f"{open_page.url}/", timeout=0.2)
        assert open_page.predict().status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: got(open_page, "/").status_code == 200)


def test_a_page_process_that_dies_is_started_again(open_page):
    """Told in the log; whoever asks meanwhile waits for the next one, or hears in a word that it does not answer."""
    pid = wait_for(lambda: page_pid(open_page))
    before = len(open_page.events)
    os.kill(pid, signal.SIGKILL)
    open_page.wait("page_died", since=before)
    assert open_page.predict().status_code == 200
    assert wait_for(lambda: got(open_page, "/").status_code == 200)
    assert page_pid(open_page) != pid


def test_without_the_page_nothing_is_there(make_daemon):
    """`page = false`: no process, and / is no address."""
    daemon = make_daemon().start()
    assert got(daemon, "/").status_code == 404 and not page_pid(daemon)


def test_the_links_of_notifications_lead_to_a_page(open_page):
    """To the model's, or where all are for what concerns the service."""
    link = page_link(load_config(open_page.config).service)
    assert link is not None
    assert [got(open_page, linked(link, model).removeprefix(open_page.url)).status_code for model in ("m", "")] == [
        200,
        200,
    ]


def test_each_view_that_is_described_is_there(open_page):
    """As JSON and as a page."""
    for path, _ in VIEWS:
        there = path.replace("{model}", "m").replace("{cycle}", "1").replace("{file}", "a.csv")
        assert got(open_page, there).status_code == 200, there
        assert got(open_page, there.removeprefix("/api")).status_code == 200, there
    badge = got(open_page, "/badge/m.svg")
    assert badge.status_code == 200 and badge.headers["content-type"] == "image/svg+xml"
    assert badge.headers["cross-origin-resource-policy"] == "cross-origin"


def test_servers_without_control_show_the_page_and_pass_on_what_is_asked(open_page):
    """`driftd serve` on the same state: its own page process, and what is asked there the service does."""
    port = free_port()
    only = subprocess.Popen(
        [sys.executable, "-m", "daemon", "-c", str(open_page.config), "serve", "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answered(f"{url}/api/m/m") == 200)
        asked = local_http.post(f"{url}/api/m/m/resume", json={}).json()["asked"]
        assert wait_for(lambda: local_http.get(f"{url}/api/asked/{asked}").json().get("state") == "done")
    finally:
        only.terminate()
        only.wait(PATIENCE_S)


def answered(url: str) -> int:
    """The status; 0 where nobody answers yet."""
    try:
        return local_http.get(url).status_code
    except httpx.TransportError:
        return 0
