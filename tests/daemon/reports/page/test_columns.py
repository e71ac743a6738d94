"""A file's view shows how the columns that matter most are distributed, beside the rows that taught what was served."""

from pathlib import Path

import numpy as np
import pytest
from page_data import flights, keep_snapshot, keep_version
from page_parser import HOSTILE, Page
from page_states import asked, seeded

from daemon.reports.page.asked import PageReader
from daemon.reports.page.views import facts_of, html_of
from drift.profiles.categorical import categorical_profile, encode
from drift.profiles.numeric import numeric_profile
from drift.profiles.side_by_side import side_by_side

DRIFTED = "2025-01-03.csv"


def kept(folder: Path, also: str = "") -> PageReader:
    """Four days of flights, the third of which drifted, with the rows of that day and of the version."""
    reader = seeded(folder, "fine", names=("flights",), days=4)
    keep_version(reader.paths.model("flights"), "v0002-02ab12cd", flights(1, 5000))
    keep_version(reader.paths.model("flights"), "v0001-01ab12cd", flights(1, 5000))
    keep_snapshot(reader, "s/flights/2", flights(2, later=1.0, also=also))
    return reader


def test_columns_are_drawn_beside_the_rows_that_taught(tmp_path: Path) -> None:
    """Shares of both sides sum to 1, as facts and as tables beneath the pictures; the drifted ones stand first."""
    reader = kept(tmp_path)
    found = facts_of(reader, asked("m", "flights", "file", DRIFTED))
    assert found is not None and set(found["distributions"]) == {"carrier", "hour", "distance", "temp"}
    for one in found["distributions"].values():
        assert sum(one["reference"]) == pytest.approx(1) and sum(one["current"]) == pytest.approx(1)
    page = Page(html_of(reader, asked("m", "flights", "file", DRIFTED)) or "")
    assert len(page.all("article")) == 4 and len([one for one in page.all("article") if one.get("class")]) == 2
    assert page.text.index("carrier") < page.text.index("hour") < page.text.index("distance")
    assert "Reference: the rows that taught v0002" in " ".join(page.text.split()) and not page.open


def test_what_a_drifted_column_does_to_predictions_stands_with_its_picture(tmp_path: Path) -> None:
    """In its unit, with a standard error; where the check does not have it, nothing is said."""
    page = Page(html_of(kept(tmp_path), asked("m", "flights", "file", DRIFTED)) or "")
    told = "It moves predictions by +0.31 ± 0.04 on average (log-odds of 'yes'; ± standard error)."
    assert " ".join(page.text.split()).count(told) == 1 == page.text.count("moves predictions")


def test_names_of_categories_are_text(tmp_path: Path) -> None:
    """Whatever a file holds."""
    page = Page(html_of(kept(tmp_path, HOSTILE), asked("m", "flights", "file", DRIFTED)) or "")
    assert HOSTILE[:40] in page.text and page.own_scripts and not page.all("img") and not page.open


@pytest.mark.parametrize("gone", ["s/flights/2", "versions/flights/v0002-02ab12cd/reference/columns.npy"])
def test_what_is_gone_is_not_drawn(tmp_path: Path, gone: str) -> None:
    """Rows that expired, a version that was removed or damaged: the table says what the check found all the same."""
    reader = kept(tmp_path)
    (reader.paths.state / gone).write_bytes(b"no such thing")
    page = Page(html_of(reader, asked("m", "flights", "file", DRIFTED)) or "")
    assert not page.all("article") and "All columns" in page.text and "carrier" in page.text


def test_bins_hold_what_lies_beyond_and_whole_numbers_whole() -> None:
    """The first and the last bin have the tails; whole numbers fall evenly into bins; what cannot be compared is not
    drawn."""
    draw = np.random.default_rng(5)
    wide = side_by_side(numeric_profile(draw.standard_cauchy(2000)), numeric_profile(draw.standard_cauchy(2000)))
    assert len(wide["edges"]) == 21 and sum(wide["current"]) == pytest.approx(1)
    hours = side_by_side(numeric_profile(np.arange(240.0) % 24), numeric_profile(np.arange(24.0)))
    assert hours["edges"] == list(np.arange(0.0, 25.0, 2.0)) and len(set(np.round(hours["reference"], 9))) == 1
    same = side_by_side(numeric_profile(np.full(9, 0.5)), numeric_profile(np.full(3, 0.5)))
    assert sum(same["reference"]) == 1 and max(same["reference"]) == 1
    nothing, words = numeric_profile(np.array([np.nan])), categorical_profile(encode("abcabc"))
    assert side_by_side(nothing, nothing) == {} == side_by_side(words, numeric_profile(np.ones(3)))
    many = side_by_side(categorical_profile(encode(map(str, range(50)))), words)
    assert many["categories"][-1] == "(other)" and sum(many["current"]) == pytest.approx(1)


def test_a_model_says_which_columns_it_relies_on(tmp_path: Path) -> None:
    """Those that its newest version lost by when they were shuffled, the most important first."""
    reader = seeded(tmp_path, "fine", names=("flights",), days=2)
    found = facts_of(reader, asked("m", "flights"))
    assert found is not None
    assert [one["name"] for one in found["importance"]] == ["carrier", "hour", "distance", "temp"]
    text = " ".join(Page(html_of(reader, asked("m", "flights")) or "").text.split())
    assert "Columns that it relies onBy how much balanced accuracy gets worse" in text and "0.0412" in text
    assert "-0.0004" not in text
