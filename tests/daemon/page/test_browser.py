"""The page in a real Chromium, the short of it: forms act, sessions last, the policy lets in nothing else, and a first
look is light. All views and all actions are in tests/browser/."""

import pytest
from chromium import Browser, has_browser
from helpers import wait_for
from page_parts import ADMIN

pytestmark = [
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(not has_browser(), reason="needs Chromium: apt install chromium"),
]
MOST_BYTES = 100_000


@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without script"])
def test_a_person_logs_in_and_acts(guarded_page, scripts):
    """A token, a button, what became of it, and out again; nothing is refused by the policy, and nobody else is asked
    for anything."""
    url = guarded_page.url
    with Browser(scripts) as browser:
        browser.open(f"{url}/m/m")
        assert browser.run("document.title").startswith("Log in")
        browser.type_token(ADMIN)
        assert browser.run("location.pathname") == "/m/m"
        browser.click("Retrain now…")
        browser.click("Retrain now", "form")
        wait_for(lambda: browser.says("Done"))
        browser.open(f"{url}/login")
        browser.follow("Log out", "main")
        assert browser.open(f"{url}/").size <= MOST_BYTES
        assert browser.run("document.title").startswith("Log in")
        refused = [line for line in browser.log if "401" not in line]
        assert not refused and not browser.dialogs, refused
        assert all(address.startswith(f"{url}/") for address in browser.traffic.addresses)
    asked = [one["by"] for one in guarded_page.json("history", "m") if one["command"] == "retrain"]
    assert asked and asked[-1].startswith("page, admin token ")
