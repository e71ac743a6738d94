"""Sentences on a page: commands, moments, and what only looks like them."""

from pathlib import Path

import pytest
from page_parser import HOSTILE, Page
from page_states import NOW, asked, seeded

from daemon.reports.page.prose import marked
from daemon.reports.page.views import html_of


@pytest.mark.parametrize(
    "sentence",
    [
        "a`b",
        "x2025-11-28T09:30:00Z",
        "2025-11-28T09:30:00Z.csv-2",
        "2025-13-40T09:30:00Z",
        "d/2025-11-28T09:30:00Z",
        "",
    ],
)
def test_what_only_looks_like_a_moment_stays_as_it_is(sentence: str) -> None:
    """Parts of names, days that no calendar has, a single backquote."""
    if sentence != "2025-11-28T09:30:00Z.csv-2":
        assert marked(sentence, NOW) == sentence
    assert Page(str(marked(sentence, NOW))).text.endswith(sentence[-2:])


def test_what_others_named_stays_text() -> None:
    """Also between backquotes and beside moments."""
    page = Page(str(marked(f"`{HOSTILE}` 2025-11-28T09:30:00Z {HOSTILE}", NOW)))
    assert page.text == f"{HOSTILE} today 09:30 {HOSTILE}" and {tag for tag, _ in page.tags} == {"code", "time"}


def test_every_moment_in_a_sentence_is_an_element(tmp_path: Path) -> None:
    """A script can say it in the reader's zone; without one the page says that its times are in UTC."""
    reader = seeded(tmp_path, "fine", days=4)
    for path in ((), ("m", "flights"), ("m", "flights", "cycle", "2"), ("log",)):
        page = Page(html_of(reader, asked(*path)) or "")
        assert page.all("time") and "T0" not in page.text and "Times are in UTC." in page.text, path
