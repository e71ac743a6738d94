"""Everything that a person may do, done in a browser: by the mouse and by the keys, with script and without."""

from chromium import Browser
from daemon_harness import Daemon
from helpers import wait_for
from page_parts import ADMIN, READ

from browser.seen import IN_BROWSER
from browser.story import drop_small, waiting_cycle

pytestmark = IN_BROWSER


def enter(browser: Browser, daemon: Daemon, view: str, token: str = ADMIN) -> None:
    """Log in at the door, and go on to a view."""
    browser.open(f"{daemon.url}/{view}")
    browser.type_token(token)
    wait_for(lambda: browser.run("location.pathname") == f"/{view}")


def do(browser: Browser, *clicks: str) -> None:
    """Click on one after the other, the last one a form's button, until the page says that it is done."""
    for words in clicks:
        browser.click(words, "form" if words is clicks[-1] else "main")
    wait_for(lambda: browser.says("Done"), what=f"done: {clicks}")


def served(daemon: Daemon) -> str:
    """The version that `m` serves."""
    version: str = daemon.json("status")["models"]["m"]["champion"]["version"]
    return version


def asked(daemon: Daemon, command: str) -> str:
    """Who asked for a command last."""
    found = [one["by"] for one in daemon.json("history") if one.get("command") == command]
    return found[-1] if found else ""


def test_roll_back_says_what_comes_and_promote_brings_it_again(browser, daemon):
    """The confirmation names what will be served and what both came to; a stored version is promoted from the list."""
    enter(browser, daemon, "m/m")
    newer, before = served(daemon), daemon.json("status")["models"]["m"]["champion"]["before"]
    assert not browser.says(f"{before} answers instead of {newer}")
    browser.click(f"Roll back to {before}…", "main")
    assert browser.says(f"{before} answers instead of {newer} within seconds; nothing is trained.")
    do(browser, f"Roll back to {before}")
    assert served(daemon) == before and asked(daemon, "rollback").startswith("page, admin token ")
    browser.follow("Back", "main")
    browser.follow("versions", "main")
    browser.click("Promote…", "main")
    assert browser.says(f"{newer} answers within seconds")
    do(browser, "Promote")
    assert served(daemon) == newer and asked(daemon, "promote").startswith("page, admin token ")


def test_retrain_opens_a_cycle_whose_story_can_be_read(browser, daemon):
    """What it costs is told first; the cycle stands in what happened, and its link leads to its story."""
    enter(browser, daemon, "m/m")
    since = len(daemon.events)
    browser.click("Retrain now…", "main")
    assert browser.says("It costs a training, and promotes only what is better.")
    do(browser, "Retrain now")
    number = daemon.wait("cycle_opened", since=since, trigger="manual")["cycle_id"]
    daemon.wait("cycle_finished", since=since, cycle_id=number)
    browser.open(f"{daemon.url}/m/m")
    browser.open(f"{daemon.url}/m/m/cycle/{number}")
    assert browser.says("Why it was opened") and browser.says("How it ended")
    daemon.cli("pause", "m")  # what it came to is judged by nobody meanwhile
    daemon.cli("resume", "m")


def test_pause_and_resume(browser, daemon):
    """The page tells that it is paused, and offers the way back."""
    enter(browser, daemon, "m/m")
    do(browser, "Pause…", "Pause")
    assert daemon.json("status")["models"]["m"]["paused"]
    browser.follow("Back", "main")
    assert browser.says("m: paused")
    do(browser, "Resume")
    assert not daemon.json("status")["models"]["m"]["paused"]


def test_a_file_is_held_released_and_forgotten(browser, daemon, request):
    """From its own view and from what waits on the overview; what cannot be undone says so."""
    name = drop_small(daemon)
    enter(browser, daemon, f"m/m/file/{name}")
    do(browser, "Hold…", "Hold")
    assert state_of(daemon, name) == "held"
    browser.open(f"{daemon.url}/")
    assert browser.says("m · 1 file is held")
    browser.follow("Look at the rows", "main")
    do(browser, "Release")
    assert state_of(daemon, name) == "accepted"
    browser.open(f"{daemon.url}/m/m/file/{name}")
    browser.click("Forget…", "main")
    assert browser.says("this cannot be undone")
    do(browser, "Forget")
    assert state_of(daemon, name) == "forgotten"


def state_of(daemon: Daemon, name: str) -> str:
    """Of a file of `m`."""
    return str(next(one["state"] for one in daemon.json("files", "m") if one["path"] == name))


def test_a_challenger_is_compared_and_approved(browser, daemon):
    """From the overview: look at the comparison first, then approve."""
    cycle, since = waiting_cycle(daemon), len(daemon.events)
    enter(browser, daemon, "")
    assert browser.says(f"cycle {cycle} waits for approval")
    browser.follow("Compare", "main")
    assert browser.says("The comparison") and browser.run("location.pathname") == f"/m/asks/cycle/{cycle}"
    do(browser, "Approve")
    daemon.wait("version_promoted", since=since, model="asks")


def test_the_changed_configuration_is_applied(browser, daemon):
    """From the doctor's view, where somebody looks who has changed it."""
    enter(browser, daemon, "doctor")
    since, text = len(daemon.events), daemon.config.read_text()
    other = text.replace('mode = "approve"', 'mode = "approve"\ncheck_window = "20d"')
    daemon.config.write_text(
        other if other != text and "20d" not in text else text.replace('check_window = "20d"\n', "")
    )
    do(browser, "Reload the configuration…", "Reload the configuration")
    assert daemon.wait("config_reloaded", since=since)["changed"] == ["asks"]


def test_what_is_refused_says_why(browser, daemon):
    """A file that was held meanwhile cannot be released twice; nothing changes, and the reason is told."""
    name = drop_small(daemon)
    daemon.cli("hold", name)
    enter(browser, daemon, f"m/m/file/{name}")
    daemon.cli("forget", name)
    browser.follow("Release", "form")
    wait_for(lambda: browser.says("Not done"))
    assert browser.says(name) and state_of(daemon, name) == "forgotten"


def test_a_read_token_sees_all_and_does_nothing(browser, daemon):
    """Commands stand where the buttons would; a forged form is refused."""
    enter(browser, daemon, "m/m", READ)
    for view in ("", "m/m", "m/m/versions", "m/m/file/a.csv", "doctor"):
        browser.open(f"{daemon.url}/{view}")
        assert browser.run("document.forms.length") == 0, view
    browser.open(f"{daemon.url}/m/m")
    assert browser.says("driftd retrain m") and browser.says("driftd pause m")
    browser.run("""(() => {
      const form = document.createElement("form");
      form.method = "post"; form.action = "/api/m/m/pause";
      document.body.append(form); form.submit();
    })()""")
    wait_for(lambda: browser.says("this needs an admin token; the one given only sees"))
    browser.log[:] = [line for line in browser.log if "403" not in line]
    assert not daemon.json("status")["models"]["m"]["paused"]


def test_a_session_begins_with_a_token_and_ends_by_a_click(browser, daemon):
    """A wrong token is told so; a known one leads to where somebody wanted to go; after the end the door is shut."""
    browser.open(f"{daemon.url}/m/m/versions")
    browser.type_token("no-such-token-0123456789")
    assert browser.says("This token is not known.")
    browser.log[:] = [line for line in browser.log if "403" not in line]
    browser.type_token(ADMIN)
    assert browser.run("location.pathname") == "/m/m/versions"
    assert browser.run("document.cookie") == ""  # no script of any page can read it
    browser.follow("Access", "header")
    assert browser.says("You may see and act.")
    browser.follow("Log out", "main")
    browser.open(f"{daemon.url}/m/m/versions")
    assert browser.run("document.title").startswith("Log in")


def test_the_keys_alone_do_it(browser, daemon):
    """From the top: past the navigation by the first link, to a confirmation, through it, without the mouse."""
    enter(browser, daemon, "m/m")
    browser.press("Tab")
    assert browser.run("document.activeElement.innerText") == "To the content"
    box = browser.run("(box => [box.x, box.y])(document.activeElement.getBoundingClientRect())")
    assert min(box) >= 0
    browser.press("Enter")
    for words in ("Pause…", "Pause"):
        tab_to(browser, words)
        browser.press("Enter")
    wait_for(lambda: browser.says("Done"))
    assert daemon.json("status")["models"]["m"]["paused"]
    daemon.cli("resume", "m")


def tab_to(browser: Browser, words: str) -> None:
    """Press Tab until the focus is on what says so; wherever it is on the way, one sees it."""
    for _ in range(100):
        browser.press("Tab")
        assert browser.run("""(element => element === document.body || element.matches(":focus-visible")
          && getComputedStyle(element).outlineStyle !== "none")(document.activeElement)""")
        if browser.run("document.activeElement.innerText.trim()") == words:
            return
    raise AssertionError(f"Tab never comes to {words!r}")
