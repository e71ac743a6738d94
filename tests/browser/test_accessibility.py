"""Everybody can use it: axe-core finds nothing wrong, in the light and in the dark, on a phone and on a desk."""

import pytest
from chromium import Browser
from page_parts import ADMIN
from page_states import STATES

from browser.seen import IN_BROWSER, violations, wider_px
from browser.story import waiting_cycle

pytestmark = IN_BROWSER
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (360, 1280)]
FIRST = ("", "m/flights")
VIEWS = (*FIRST, "m/flights/cycle/2", "m/flights/file/2025-01-28.csv", "m/flights/versions", "log", "log?show=events",
         "doctor", "m/none", "login")  # fmt: skip


def wrong(tab: Browser, address: str, views: tuple[str, ...]) -> dict[str, list[str]]:
    """By view and look what axe finds, with everything folded open; and by how much a page is wider than its window."""
    found = {}
    for view in views:
        tab.open(f"{address}/{view}")
        tab.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        for scheme, width in LOOKS:
            tab.size(width, 800)
            tab.scheme(scheme)
            wide = wider_px(tab)
            if one := [*violations(tab), *([f"{wide} px wider than its window"] if wide else [])]:
                found[f"/{view} {scheme} {width}"] = one
    return found


@pytest.mark.parametrize("state", [*STATES, "unreadable"])
def test_axe_finds_nothing_wrong_in_any_state(page_of, tab, state):
    """No violation of any of its rules, and no page is wider than its window: all views where files are held, where
    names try to break out and where the ledger is lost; what differs in the other states."""
    assert not wrong(tab, page_of(state), VIEWS if state in ("held", "hostile", "unreadable") else FIRST)


def test_axe_finds_nothing_wrong_where_somebody_acts(daemon, tab):
    """The door, confirmations, what became of what was asked, the way out of a session; of a real service."""
    asking = f"m/asks/cycle/{waiting_cycle(daemon)}"
    assert not wrong(tab, daemon.url, ("m/m",))
    tab.open(f"{daemon.url}/login")
    tab.type_token(ADMIN)
    assert not wrong(tab, daemon.url, ("", "m/m", "m/asks", asking, "m/m/file/a.csv", "m/m/versions", "login"))
    tab.open(f"{daemon.url}/m/m")
    tab.click("Pause…")
    tab.follow("Pause", "form")
    assert not wrong(tab, daemon.url, (tab.run("location.pathname").lstrip("/"),))
    daemon.cli("resume", "m")
