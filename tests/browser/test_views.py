"""Every view, come to by the links that are on the pages: light, from one host, under a strict policy, whole."""

from urllib.parse import unquote, urlsplit

import pytest
from chromium import Browser
from page_parts import ADMIN

from browser.seen import IN_BROWSER
from browser.story import STRANGE, waiting_cycle

pytestmark = IN_BROWSER
MOST_BYTES, MOST_PAGES = 100_000, 150
LINKS = """[...document.querySelectorAll("a[href]")].map(link => new URL(link.href)).map(to => to.origin === origin
  ? to.pathname + to.search : to.href)"""
FOREIGN = """[...document.querySelectorAll("*")].filter(one => one.tagName === "SCRIPT"
  ? one.textContent.trim() || !one.src.startsWith(`${origin}/static/`)
  : /^(STYLE|IMG|IFRAME|OBJECT|EMBED|BASE|VIDEO|AUDIO|I)$/.test(one.tagName) || one.matches("meta[http-equiv]")
    || [...one.attributes].some(given => given.name.startsWith("on")
      || /^\\s*(javascript|data|vbscript):/i.test(given.value))).map(one => one.outerHTML.slice(0, 200))"""
"""Elements and attributes that driftd writes nowhere: whoever named something wrote them."""
CONTROLS = """/[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]/.test(
  document.documentElement.innerText + document.title)"""


def visited(browser: Browser, url: str) -> dict[str, str]:
    """All pages that links lead to, by path with their text; each is what a page must be."""
    texts, left = dict[str, str](), ["/"]
    while left and len(texts) < MOST_PAGES:
        path = left.pop(0)
        traffic = browser.open(url + path)
        status, headers = traffic.answers[browser.run("location.href.replace(/#.*/, '')")]
        policy = headers["content-security-policy"]
        assert status == 200, path
        assert "default-src 'self'" in policy and "unsafe" not in policy and "*" not in policy
        assert all(one.startswith(f"{url}/") for one in traffic.addresses), traffic.addresses
        assert traffic.size <= MOST_BYTES, (path, traffic.size)
        assert browser.run(FOREIGN) == [] and not browser.run(CONTROLS), path
        assert browser.run("document.querySelectorAll('h1').length") == 1, path
        texts[path] = browser.text()
        left += [one for one in browser.run(LINKS) if one not in texts and one not in left]
    assert not left, left
    return texts


def test_every_link_leads_to_a_page_that_stands_by_itself(browser, daemon):
    """Each view of three models, one of which has nothing but names that try to break out: a page of the same server,
    with no foreign element, no control character, no dialog and no complaint; and each kind of view is among them."""
    waiting_cycle(daemon)
    browser.open(daemon.url)
    browser.type_token(ADMIN)
    texts = visited(browser, daemon.url)
    kinds = {kind_of(path) for path in texts}
    assert kinds >= {"/", "/m/*", "/m/*/cycle/*", "/m/*/file/*", "/m/*/versions", "/log", "/doctor", "/login"}
    strange = next(path for path in texts if STRANGE in unquote(path))
    for path in (strange, "/m/strange", "/m/strange/file/moved.csv"):
        assert ("<script>alert(1)" in texts[path] and "\ufffd" in texts[path]) or "\\x1b" in texts[path], path
    assert "<b><script>" in texts["/m/strange/file/moved.csv"] and "<i><script>" in texts["/m/strange/file/moved.csv"]


def kind_of(path: str) -> str:
    """An address without names.

    >>> kind_of("/m/flights/cycle/3"), kind_of("/log?show=events")
    ('/m/*/cycle/*', '/log')
    """
    parts = urlsplit(path).path.split("/")
    return "/".join("*" if at in (2, 4) else part for at, part in enumerate(parts))


def test_a_seeded_page_of_weeks_is_light_too(page_of, tab):
    """Four models and forty files each: the first load of each view, heads and all, as it comes over the wire."""
    address = page_of("held")
    for path in ("/", "/m/flights", "/m/flights/versions", "/log", "/doctor", "/m/flights/cycle/2"):
        with Browser() as fresh:
            assert fresh.open(address + path).size <= MOST_BYTES, path


def test_names_of_all_kinds_stay_text(hostile_page, browser):
    """Models, columns, files, classes, reasons and events of a ledger whose every name tries to break out: text."""
    texts = visited(browser, hostile_page)
    assert len(texts) > 10
    assert all("alert(" in text for path, text in texts.items() if path.startswith("/m/"))


def test_what_somebody_smuggles_in_does_not_run(daemon):
    """The policy's own proof: an inline script, a handler and a foreign picture that are put into the page by force are
    refused by the browser."""
    with Browser() as browser:
        browser.open(f"{daemon.url}/login")
        browser.run("""(() => {
          const script = document.createElement("script");
          script.textContent = "window.smuggled = true";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend",
            "<img src='http://192.0.2.1/x.png' onerror='window.smuggled = true'><p style='color: red'></p>");
        })()""")
        assert browser.run("new Promise(done => setTimeout(() => done(window.smuggled), 200))", waits=True) is None
        assert sum("Content Security Policy" in line for line in browser.log) >= 3, browser.log


@pytest.mark.parametrize("path", ["/m/none", "/m/m/cycle/99", "/m/m/file/%3Cscript%3Ealert(1)%3C%2Fscript%3E"])
def test_what_there_is_not_is_told_as_a_page(browser, daemon, path):
    """With a way back, and nothing of the address in it."""
    browser.open(daemon.url)
    browser.type_token(ADMIN)
    browser.open(daemon.url + path)
    assert browser.says("Not found") and not browser.says("alert(1)")
    browser.log[:] = [line for line in browser.log if "404" not in line]
    browser.follow("Back", "main")
    assert browser.run("location.pathname") == "/"
