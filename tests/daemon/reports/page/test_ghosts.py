"""A model's view draws what would have been, and its versions' view where they come from and when they answered."""

from pathlib import Path
from typing import Any

import pytest
from page_parser import Page
from page_states import asked, seeded

from daemon.reports.page.ghosts import _ghosts
from daemon.reports.page.views import facts_of, html_of


def test_what_would_have_been_stands_beside_what_was(tmp_path: Path) -> None:
    """On files that were assessed, in the chart and in its table; elsewhere nothing is made up."""
    reader = seeded(tmp_path, "fine", names=("flights",), days=12)
    found = facts_of(reader, asked("m", "flights"))
    assert found is not None
    known = [one for one in found["points"] if one["without"] is not None]
    assert 2 <= len(known) < len(found["points"])
    assert all(one["without"] < one["value"] and one["fresh"] is not None for one in known)
    page = Page(html_of(reader, asked("m", "flights")) or "")
    assert page.text.count("without the last retrain") >= 2 and "a fresh small model for each file" in page.text
    assert {"line ghost never", "line ghost every"} <= {one.get("class") for one in page.all("path")}


@pytest.mark.parametrize(
    "found", [None, {"metric": "roc_auc", "score": 0.9, "loss": 0.3, "rival": [0.1, 0.1, 9]}, {"metric": "accuracy"},
              {"metric": "accuracy", "score": 0.8, "loss": 0.2, "rival": None, "gains": {}}],
)  # fmt: skip
def test_what_losses_do_not_tell_is_not_known(found: dict[str, Any] | None) -> None:
    """A metric that is none of rows, another metric, no predecessor, no twin."""
    metric = "accuracy" if found is None else found["metric"]
    assert _ghosts({"metric": metric, "value": 0.8}, found, "all") == {"without": None, "fresh": None}


def test_versions_say_what_taught_them_and_when_they_answered(tmp_path: Path) -> None:
    """The newest first; a version that was rolled back to answered twice."""
    reader = seeded(tmp_path, "rolled_back", names=("flights",), days=6)
    found = facts_of(reader, asked("m", "flights", "versions"))
    assert found is not None
    first, second = (found["served"][name] for name in ("v0001-01ab12cd", "v0002-02ab12cd"))
    assert len(first) == 2 and len(second) == 1
    assert first[0][1] == second[0][0] and second[0][1] == first[1][0] and first[1][1] is None
    text = " ".join(Page(html_of(reader, asked("m", "flights", "versions")) or "").text.split())
    assert text.index("v0002-02ab12cd by cycle 2") < text.index("v0001-01ab12cd by cycle 1")
    assert "serves since" in text and "61,400 rows" in text
