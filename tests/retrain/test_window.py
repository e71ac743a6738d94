"""Splitting in time: who trains, who is held out, and with what weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.errors import Refused
from retrain.settings import WindowSettings
from retrain.window import split

NONE = WindowSettings(kind="all", holdout_min_rows=10)


def parts(times, sequence=None, seen=None, new=None, settings=NONE):
    """A split of rows at these times."""
    times = np.asarray(times, dtype=float)
    sequence = np.ones(len(times), np.int64) if sequence is None else np.asarray(sequence)
    seen = np.zeros(len(times), bool) if seen is None else seen
    new = np.ones(len(times), bool) if new is None else new
    return split(times, sequence, seen, new, settings)


@given(st.lists(st.integers(0, 50), min_size=60, max_size=200), st.floats(0.1, 0.6))
def test_held_out_rows_are_newer_than_all_training_rows(times, share):
    """No training row is as new as a held-out one, whatever the ties; no row is both."""
    if len(set(times)) < 2:
        return
    found = parts(times, settings=WindowSettings(kind="all", holdout_min_rows=10, holdout_share=share))
    times = np.asarray(times)
    assert not (found.train & found.holdout).any()
    assert times[found.train].max() < times[found.holdout].min()
    assert found.cut == times[found.train].max()


def test_a_fifth_is_held_out_without_a_champion():
    """The newest share of all rows."""
    found = parts(np.arange(100.0))
    assert np.flatnonzero(found.holdout).tolist() == list(range(80, 100))


def test_rows_that_taught_the_champion_are_never_held_out():
    """Only rows that it did not see can compare it with anyone."""
    seen = np.arange(100) < 90
    found = parts(np.arange(100.0), seen=seen, new=~seen)
    assert not (found.holdout & seen).any()


def test_half_of_the_new_rows_teach():
    """With a long history the newest file is not held out whole."""
    times, seen = np.arange(1000.0), np.arange(1000) < 900
    found = parts(times, seen=seen, new=~seen)
    assert found.holdout.sum() == 50 and found.train.sum() == 950


def test_too_few_new_rows_are_refused_with_the_way_out():
    """The message has both numbers."""
    seen = np.arange(100) < 95
    with pytest.raises(Refused, match=r"5 labelled rows are new.*10 are needed"):
        parts(np.arange(100.0), seen=seen, new=~seen)


def test_one_time_for_all_rows_is_refused():
    """There is nothing to split by."""
    with pytest.raises(Refused, match="same event time"):
        parts(np.zeros(100))


def test_weights_halve_by_files():
    """decay: a row six files back weighs half."""
    sequence = np.repeat(np.arange(1, 14), 10)
    found = parts(np.arange(130.0), sequence, settings=WindowSettings(holdout_min_rows=10))
    assert found.weight[-1] == 1.0 and found.weight[-61] == 0.5 and found.weight[0] == 0.25


@pytest.mark.parametrize(
    ("settings", "oldest"),
    [
        (WindowSettings(kind="last", last=50, holdout_min_rows=10), 50),
        (WindowSettings(kind="files", files=3, holdout_min_rows=10), 70),
        (WindowSettings(kind="all", max_rows=100, holdout_min_rows=10), 0),
    ],
)
def test_windows_leave_old_rows_out(settings, oldest):
    """last goes by event time, files by arrival, max_rows by number."""
    found = parts(np.arange(100.0), np.repeat(np.arange(10), 10), settings=settings)
    assert np.flatnonzero(found.train)[0] == oldest
