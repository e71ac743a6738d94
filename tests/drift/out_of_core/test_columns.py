"""Columns of any length: what is streamed gives the report that all rows at once give."""

import warnings
from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats
from shapes import CHANGES, SHAPES

from drift import profile
from drift.check.column import judge_column
from drift.check.exact import more_numeric
from drift.out_of_core import columns as streams
from drift.out_of_core.columns import Stream, judge_streams
from drift.profiles.parts import count_parts
from drift.statistics.wasserstein import wasserstein


def _stream(values: np.ndarray, pieces: int = 7) -> Stream:
    def chunks() -> Iterable[np.ndarray]:
        return iter(np.array_split(values, pieces))

    return Stream(len(values), chunks)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", ["same", "shifted", "far away", "few", "holes", "infinite"])
def test_streamed_columns_give_the_exact_report(shape: str, change: str) -> None:
    """KS, PSI, Jensen–Shannon and missing shares equal those of all rows at once; Wasserstein within its error."""
    rng = np.random.default_rng(3)
    before = SHAPES[shape](rng, 9_000)
    now = CHANGES[change](SHAPES[shape](rng, 7_000))
    told, parts = judge_streams("x", _stream(before), _stream(now), before[::10])
    expected = judge_column("x", profile(before), profile(now))
    for name in ("ks", "psi", "jensen_shannon"):
        assert told.tests[name].statistic == pytest.approx(expected.tests[name].statistic, abs=1e-12)
    assert told.missing == expected.missing and "error" not in told.tests["ks"].extras
    area, exact = told.tests["wasserstein"], expected.tests["wasserstein"]
    if area.statistic is not None and exact.statistic is not None and area.extras.get("error") is not None:
        off = abs(area.extras["normalized"] - exact.extras["normalized"])
        assert off <= area.extras["error"] * (1 + 1e-6) + 1e-9 * (1 + exact.extras["normalized"])
    whole = count_parts(before)
    assert parts is not None and whole is not None and parts.rows.sum() == whole.rows.sum()


def test_more_undecided_values_than_fit_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the undecided cells hold too many values they are read in turns, and what is left is told as an error."""
    rng = np.random.default_rng(4)
    before, now = rng.normal(size=50_000), rng.normal(size=50_000)
    exact = judge_column("x", profile(before), profile(now)).tests["ks"].statistic
    monkeypatch.setattr(streams, "CELLS", 256)
    monkeypatch.setattr(streams, "MAX_CELLS", 256)
    monkeypatch.setattr(streams, "MAX_OPENED", 3_000)
    monkeypatch.setattr(streams, "MAX_READS", 1)
    told, _ = judge_streams("x", _stream(before), _stream(now), before)
    score = told.tests["ks"]
    assert 0 < score.extras["error"] < 0.02 and score.statistic <= exact <= score.statistic + score.extras["error"]
    monkeypatch.setattr(streams, "MAX_READS", 100)
    told, _ = judge_streams("x", _stream(before), _stream(now), before)
    assert told.tests["ks"].statistic == pytest.approx(exact, abs=1e-12) and not told.tests["ks"].extras


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", ["same", "shifted", "far away", "holes", "infinite"])
def test_exact_statistics_of_groups_are_those_of_all(shape: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wasserstein and what `--exact` adds equal those of all rows at once, however few values a group holds."""
    rng = np.random.default_rng(6)
    before, now = SHAPES[shape](rng, 3_000), CHANGES[change](SHAPES[shape](rng, 2_500))
    monkeypatch.setattr("drift.out_of_core.exact.MAX_GROUP", 3_000)
    told, _ = judge_streams("x", _stream(before), _stream(now), before[::10], exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = profile(before)
        expected = more_numeric(before, now) | {"wasserstein": wasserstein(before, now, known.sd)}  # type: ignore[union-attr]
    for name, score in expected.items():
        found = told.tests[name]
        assert found.reason == score.reason
        for value, other in ((found.statistic, score.statistic), (found.p_value, score.p_value)):
            assert value == (None if other is None else pytest.approx(other, rel=1e-8, abs=1e-12))
    assert told.tests["wasserstein"].extras.get("error") in (0, None)


def test_too_many_distinct_values_in_a_cell_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be held is null with a reason, and Wasserstein keeps its bound; many equal values are no matter."""
    rng = np.random.default_rng(7)
    before, now = np.repeat([0.1, 0.7, 0.9], 2_000), np.repeat([0.1, 0.7, 0.8], 1_500)
    monkeypatch.setattr("drift.out_of_core.exact.MAX_GROUP", 60)
    told, _ = judge_streams("x", _stream(before), _stream(now), before, exact=True)
    assert told.tests["energy_distance"].statistic == pytest.approx(stats.energy_distance(before, now))
    monkeypatch.setattr(streams, "CELLS", 32)
    monkeypatch.setattr(streams, "MAX_CELLS", 32)
    before, now = rng.normal(size=6_000), rng.normal(size=5_000)
    told, _ = judge_streams("x", _stream(before), _stream(now), before, exact=True)
    for name in ("cramer_von_mises", "anderson_darling", "mann_whitney", "energy_distance"):
        assert told.tests[name].statistic is None
        assert "more than 60 distinct values lie too close together" in str(told.tests[name].reason)
    assert told.tests["ks"].statistic == pytest.approx(stats.ks_2samp(before, now).statistic, abs=1e-12)


@pytest.mark.parametrize("values", [np.zeros(0), np.full(5, np.nan), np.full(50, 2.0), np.array([np.inf] * 4)])
def test_degenerate_columns_say_why(values: np.ndarray) -> None:
    """Empty, missing and constant columns are told like any other."""
    rng = np.random.default_rng(5)
    other = rng.normal(size=100)
    for before, now in ((values, other), (other, values), (values, values)):
        told, _ = judge_streams("x", _stream(before, 2), _stream(now, 2), before)
        expected = judge_column("x", profile(before), profile(now))
        assert told.reason == expected.reason
        if expected.reason is None:
            assert told.tests["ks"].statistic == pytest.approx(expected.tests["ks"].statistic)
