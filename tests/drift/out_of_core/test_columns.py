"""Columns of any length: what is streamed gives the report that all rows at once give."""

import warnings
from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats
from shapes import CHANGES, SHAPES

from drift.check.column import judge_column
from drift.out_of_core import columns as streams
from drift.out_of_core.columns import Stream, judge_streams
from drift.profiles.parts import count_parts
from drift.profiles.profile import profile
from drift.statistics.registry import STATISTICS, statistics_of
from drift.statistics.statistic import OfSamples
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
def test_exact_wasserstein_of_groups_is_that_of_all(shape: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `exact` it equals that of all rows at once, however few values a group holds; what is not computed of such
    columns says why."""
    rng = np.random.default_rng(6)
    before, now = SHAPES[shape](rng, 3_000), CHANGES[change](SHAPES[shape](rng, 2_500))
    monkeypatch.setattr("drift.out_of_core.exact_area.MAX_GROUP", 3_000)
    report, _ = judge_streams("x", _stream(before), _stream(now), before[::10], exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = wasserstein(before, now, profile(before).sd)  # type: ignore[union-attr]
    found = report.tests["wasserstein"]
    assert found.reason == expected.reason and found.extras.get("error") in (0, None)
    wanted = expected.statistic
    assert found.statistic == (None if wanted is None else pytest.approx(wanted, rel=1e-8, abs=1e-12))
    assert list(report.tests) == [one.name for one in statistics_of("numeric", exact=True)]
    assert all(
        "read in pieces" in str(report.tests[one.name].reason) for one in STATISTICS if isinstance(one, OfSamples)
    )


def test_too_many_distinct_values_in_a_cell_keep_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be held keeps Wasserstein's error bound, and KS is exact; many equal values are no matter."""
    rng = np.random.default_rng(7)
    before, now = np.repeat([0.1, 0.7, 0.9], 2_000), np.repeat([0.1, 0.7, 0.8], 1_500)
    monkeypatch.setattr("drift.out_of_core.exact_area.MAX_GROUP", 60)
    report, _ = judge_streams("x", _stream(before), _stream(now), before, exact=True)
    area = report.tests["wasserstein"]
    assert area.statistic == pytest.approx(stats.wasserstein_distance(before, now)) and area.extras["error"] == 0
    before, now = rng.normal(size=60_000), rng.normal(size=50_000)
    monkeypatch.setattr("drift.out_of_core.exact_area.MAX_GROUP", 1)
    report, _ = judge_streams("x", _stream(before), _stream(now), before, exact=True)
    area, expected = report.tests["wasserstein"], stats.wasserstein_distance(before, now)
    assert 0 < area.extras["error"] <= 1e-3 and abs(area.statistic - expected) <= area.extras["error"] * np.std(before)
    assert report.tests["ks"].statistic == pytest.approx(stats.ks_2samp(before, now).statistic, abs=1e-12)


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
