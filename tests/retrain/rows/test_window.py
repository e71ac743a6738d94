"""Who trains, who is held out, and with what weight."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.records.errors import Refused
from retrain.records.settings import WindowSettings
from retrain.rows import window_reach
from retrain.rows.held_out import in_reservoir
from retrain.rows.window import split
from retrain.rows.window_reach import chosen_window, files_needed

NONE = WindowSettings(kind="all", holdout_min_rows=10)


def parts(sequence, seen=None, settings=NONE, times=None):
    """A split of rows in these files, in their order."""
    sequence = np.asarray(sequence)
    times = np.arange(len(sequence), dtype=float) if times is None else times
    seen = np.zeros(len(sequence), bool) if seen is None else seen
    reserved = np.concatenate([in_reservoir(np.arange((sequence == s).sum()), s) for s in np.unique(sequence)])
    return split(times, sequence, seen, reserved, settings)


@given(st.lists(st.integers(30, 90), min_size=2, max_size=8), st.integers(10, 40))
def test_no_row_is_held_out_and_trained_on(sizes, least):
    """Neither are the other reserved rows of the two newest files: a later version may be compared on them."""
    sequence = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    try:
        found = parts(sequence, settings=WindowSettings(kind="all", holdout_min_rows=least))
    except Refused:
        return
    assert not (found.train & found.holdout).any()
    newest = sequence > len(sizes) - 2
    reserved = np.concatenate([in_reservoir(np.arange(n), s) for s, n in enumerate(sizes, 1)])
    assert not (found.train & reserved & newest).any()
    assert (found.train | found.holdout | (reserved & newest)).all()


@given(st.integers(1, 400), st.integers(0, 50))
def test_the_reservoir_is_about_a_fifth_of_any_file(rows, seq):
    """In blocks of neighbouring rows; which ones is told by the place alone."""
    chosen = in_reservoir(np.arange(7, 7 + rows), seq)
    assert abs(int(chosen.sum()) - rows / 5) <= max(4.0, rows / 20 + 1)
    assert np.array_equal(chosen, in_reservoir(np.arange(rows), seq))


def test_a_fifth_of_the_two_newest_files_is_held_out():
    """Older files teach whole."""
    found = parts(np.repeat([1, 2, 3, 4], 100))
    assert found.holdout.sum() == 40 and found.train.sum() == 360 and not found.holdout[:200].any()


@given(st.lists(st.integers(30, 90), min_size=1, max_size=8), st.integers(10, 60), st.booleans())
def test_what_is_said_of_held_out_rows_holds_for_the_rows(sizes, least, known):
    """The sentence of the model card, read back: how many blocks of how many files, none of which trains, among and not
    after the rows that do."""
    sequence = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    seen = np.zeros(len(sequence), bool)
    if known:
        seen[: sizes[0]] = True
    try:
        found = parts(sequence, seen, WindowSettings(kind="all", holdout_min_rows=least))
    except Refused:
        return
    blocks, of, files = re.search(
        r"are (\d+) of (\d+) blocks .* in (?:each of )?the (\d*) ?newest", found.held_out
    ).groups()
    newest = sequence > len(sizes) - int(files or 1)
    for seq in np.unique(sequence[newest & ~seen]):
        own, places = sequence == seq, np.arange((sequence == seq).sum())
        block = places * int(of) // len(places)
        assert set(block[found.holdout[own]]) == set(block[in_reservoir(places, seq)])
        assert len(set(block[found.holdout[own]])) == int(blocks)
        assert np.flatnonzero(own & found.train).max() > np.flatnonzero(own & found.holdout).min()
    assert not (found.holdout & ~newest).any() and not (found.holdout & found.train).any()


def test_more_files_hold_out_where_two_have_too_few_rows():
    """Small files together give enough rows to compare on."""
    found = parts(np.repeat([1, 2, 3, 4], 20), settings=WindowSettings(kind="all", holdout_min_rows=14))
    assert found.holdout.sum() == 16


def test_rows_that_taught_the_champion_are_never_held_out():
    """Only rows that it did not see can compare it with anyone."""
    seen = np.arange(300) < 150
    found = parts(np.repeat([1, 2, 3], 100), seen=seen)
    assert not (found.holdout & seen).any()


def test_too_few_new_rows_are_refused_with_the_way_out():
    """The message has both numbers."""
    seen = np.arange(100) < 95
    with pytest.raises(Refused, match=r"held-out rows are new.*10 are needed"):
        parts(np.ones(100, dtype=int), seen=seen)


def test_weights_halve_by_files():
    """decay: a row six files back weighs half; a configuration that leaves the choice open decays."""
    sequence = np.repeat(np.arange(1, 14), 30)
    found = parts(sequence, settings=WindowSettings(holdout_min_rows=10))
    assert found.weight[-1] == 1.0 and found.weight[-181] == 0.5 and found.weight[0] == 0.25


@pytest.mark.parametrize(
    ("settings", "oldest"),
    [
        (WindowSettings(kind="last", last=150, holdout_min_rows=10), 150),
        (WindowSettings(kind="files", files=3, holdout_min_rows=10), 210),
        (WindowSettings(kind="all", max_rows=100, holdout_min_rows=10), 200),
    ],
)
def test_windows_leave_old_rows_out(settings, oldest):
    """last goes by event time, files by arrival, max_rows by number."""
    found = parts(np.repeat(np.arange(10), 30), settings=settings)
    assert np.flatnonzero(found.train)[0] == oldest


def test_the_planner_chooses_only_where_the_configuration_leaves_it_open():
    """A window that a person configured stays."""
    choice = {"kind": "files", "files": 3}
    assert chosen_window(NONE, choice).kind == "all"
    assert chosen_window(WindowSettings(), choice).files == 3
    assert chosen_window(WindowSettings(), None).kind == "decay"


@pytest.mark.parametrize(
    "settings",
    [
        WindowSettings(kind="files", files=3, holdout_min_rows=10),
        WindowSettings(kind="files", files=7, holdout_min_rows=10, max_rows=150),
        WindowSettings(kind="decay", half_life_files=0.7, holdout_min_rows=10),
        WindowSettings(kind="decay", half_life_files=1.3, holdout_min_rows=10),
    ],
)
def test_files_that_no_window_reaches_need_not_be_read(settings, monkeypatch):
    """With the newest files that are needed alone, the same rows train and are held out, with the same weights."""
    monkeypatch.setattr(window_reach, "FEWEST_FILES", 2)
    needed = files_needed(settings)
    assert needed is not None and needed < 20
    sequence = np.repeat(np.arange(1, 21), 40)
    few = sequence > 20 - needed
    whole = parts(sequence, settings=settings)
    part = parts(sequence[few], settings=settings, times=np.flatnonzero(few).astype(float))
    assert np.array_equal(whole.train[few], part.train) and not whole.train[~few].any()
    assert np.array_equal(whole.holdout[few], part.holdout) and not whole.holdout[~few].any()
    assert np.array_equal(whole.weight[few][part.train], part.weight[part.train])
