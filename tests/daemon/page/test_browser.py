"""The page in a real Chromium: forms act, sessions last, and its policy lets in nothing else."""

import pytest
from chromium import Browser, has_browser
from helpers import wait_for
from page_parts import ADMIN

pytestmark = [
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(not has_browser(), reason="needs Chromium: apt install chromium"),
]
ACTIONS = "[...document.forms].map(form => form.getAttribute('action'))"


def test_a_person_logs_in_and_acts_without_script(guarded_page):
    """By the forms alone: a token, a button, what became of it, and out again; nothing is refused by the policy."""
    with Browser() as browser:
        browser.open(f"{guarded_page.url}/m/m")
        assert browser.run("document.title").startswith("Log in")
        browser.type_token(ADMIN)
        assert browser.run("location.pathname") == "/m/m"
        assert "/api/m/m/retrain" in browser.run(ACTIONS)
        browser.leave("document.querySelector('form[action=\"/api/m/m/retrain\"] button').click()")
        assert browser.run("location.pathname").startswith("/asked/")
        wait_for(
            lambda: browser.run("document.querySelector('h1') && document.querySelector('h1').textContent") == "Done"
        )
        browser.open(f"{guarded_page.url}/login")
        browser.leave("document.forms[0].querySelector('button').click()")
        browser.open(f"{guarded_page.url}/")
        assert browser.run("document.title").startswith("Log in")
        refused = [line for line in browser.log if "401" not in line]
        assert not refused, refused
    asked = [one["by"] for one in guarded_page.json("history", "m") if one["command"] == "retrain"]
    assert asked and asked[-1].startswith("page, admin token ")
