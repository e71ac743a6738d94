"""Who is woken at night sees in the first screen, without scrolling, what he wants to know."""

import pytest

from browser.seen import IN_BROWSER, where, wider_px

pytestmark = IN_BROWSER
QUESTIONS = ("is serving up", "does anything wait for me", "what changed", "what will it do by itself",
             "how do I undo it")  # fmt: skip
BY_ITSELF = "checks each file as it comes, retrains when that pays"
ANSWERS = {
    "fine": ("yes, 4 of 4 models, by 2 servers", "Nothing waits for you.", "cycle 8 promoted v0002-02ab12cd",
             BY_ITSELF, "driftd rollback returns serves v0001-01ab12cd again"),
    "drift": ("yes, 4 of 4 models", "Nothing waits for you. flights: drift, watched.", "promoted v0002-02ab12cd",
              BY_ITSELF, "driftd rollback returns"),
    "approval": ("yes, 4 of 4 models", "flights needs you: cycle 9 waits for approval.", "cycle 9 waits for approval",
                 BY_ITSELF, "driftd rollback flights"),
    "held": ("yes, 4 of 4 models", "flights needs you: 2 files are held.", "again.csv was held", BY_ITSELF,
             "driftd rollback flights"),
    "rolled_back": ("yes, 4 of 4 models", "Nothing waits for you. flights: rolled back.",
                    "v0002-02ab12cd is undone, v0001-01ab12cd serves again", BY_ITSELF, "driftd rollback"),
    "unreadable": ("4 of 4 models as promoted last: servers need no ledger", "The ledger cannot be read.",
                   "v0002-02ab12cd of flights was promoted last", "what is served stays as it is",
                   "driftd restore DIR brings back a backup"),
}  # fmt: skip
"""By state, in the order of the questions."""


@pytest.mark.parametrize("state", ANSWERS)
def test_all_five_answers_stand_in_the_first_screen(page_of, tab, state):
    """As text, whole and uncovered, within 1280 × 800 of a page that nobody scrolled; and so do all four models."""
    tab.size(1280, 800)
    tab.open(f"{page_of(state)}/")
    for question, words in zip(QUESTIONS, ANSWERS[state], strict=True):
        assert where(tab, words) == "seen", f"{question}: {words!r} in {tab.text()}"
    for name in ("flights", "churn", "fraud", "returns"):
        assert where(tab, name) == "seen"


@pytest.mark.parametrize("state", ANSWERS)
def test_a_phone_shows_the_same_without_scrolling_sideways(page_of, tab, state):
    """360 pixels wide: nothing lies beyond the edge, and who needs somebody stands in the first screen."""
    tab.size(360, 740)
    tab.open(f"{page_of(state)}/")
    assert wider_px(tab) == 0
    assert where(tab, ANSWERS[state][1], 360, 740) == "seen"
    for words in ANSWERS[state]:
        assert where(tab, words, 360, 100_000) == "seen"
