"""What every statistic of the registry keeps: a new one is tested here by being listed."""

import warnings
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import CHANGES, PAIRS, SHAPES

from drift.check.column import judge_column, judge_values
from drift.out_of_core.columns import Stream, judge_streams
from drift.profiles.categorical import Codes
from drift.profiles.numeric import numeric_profile
from drift.profiles.profile import merge, profile
from drift.statistics.registry import STATISTICS, statistics_of, statistics_table
from drift.statistics.samples import sample
from drift.statistics.scores import Score
from drift.statistics.statistic import OfCounts, OfSamples, Pair, Statistic

TABLES = {
    "two categories": ([50, 40], [30, 60]),
    "two alike": ([50, 50], [50, 51]),
    "three": ([100, 200, 300], [90, 210, 310]),
    "five": ([9, 40, 51, 7, 33], [12, 44, 39, 8, 30]),
}
OF_COUNTS = [one for one in STATISTICS if isinstance(one, OfCounts)]
OF_VALUES = [one for one in STATISTICS if not isinstance(one, OfCounts)]
CASES = [(one, key) for one in OF_VALUES for key in PAIRS] + [(one, key) for one in OF_COUNTS for key in TABLES]


def _name(value: object) -> str:
    return value.name if isinstance(value, Statistic) else str(value)


def _case(key: str) -> tuple[np.ndarray, np.ndarray]:
    return PAIRS[key] if key in PAIRS else tuple(np.array(side) for side in TABLES[key])


def _score(statistic: Statistic, reference: np.ndarray, current: np.ndarray) -> Score:
    """By the function of the statistic, whose warnings would be errors."""
    return statistic.function(reference, current)  # type: ignore[attr-defined]


def _check(statistic: Statistic, reference: np.ndarray, current: np.ndarray) -> None:
    """The same as the oracle, within the bounds, and what exchanging the sides leaves."""
    score, turned = _score(statistic, reference, current), _score(statistic, current, reference)
    assert score.is_test == statistic.is_test and (score.reason is None or isinstance(score.reason, str))
    if score.statistic is None:
        assert score.p_value is None and score.reason and turned.statistic is None
        return
    size = 1e-15 * max(np.abs(reference).max(), np.abs(current).max()) if not isinstance(statistic, OfCounts) else 0.0
    low, high = statistic.bounds
    assert low <= score.statistic <= high or not np.isfinite(high)
    assert (score.p_value is not None and 0 <= score.p_value <= 1) if statistic.is_test else score.p_value is None
    if statistic.symmetric:
        assert turned.statistic == pytest.approx(score.statistic, rel=1e-9, abs=1e-9 + size)
    if statistic.is_test:
        assert turned.p_value == pytest.approx(score.p_value, rel=1e-9, abs=1e-12)
    if statistic.oracle is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected, p_value = statistic.oracle(reference, current)
        assert score.statistic == pytest.approx(np.nan_to_num(expected, posinf=np.inf), rel=1e-9, abs=1e-9 + size)
        if p_value is not None:
            assert score.p_value == pytest.approx(min(p_value, 1.0), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("statistic", "key"), CASES, ids=_name)
def test_each_equals_its_oracle(statistic: Statistic, key: str) -> None:
    """Value and p-value are SciPy's where there is an oracle, lie within the bounds, and do not ask which side is
    the reference, but for what is declared so."""
    _check(statistic, *_case(key))


numbers = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


@pytest.mark.parametrize("statistic", OF_VALUES, ids=_name)
@given(left=numbers, right=numbers)
@settings(max_examples=100, deadline=None)
def test_any_tied_samples_equal_the_oracle(statistic: Statistic, left: list[int], right: list[int]) -> None:
    """Any two small samples full of ties, constants and single values among them."""
    _check(statistic, np.array(left, dtype=float), np.array(right, dtype=float))


@pytest.mark.parametrize("statistic", OF_COUNTS, ids=_name)
@given(rows=st.lists(st.tuples(st.integers(60, 120), st.integers(60, 120)), min_size=2, max_size=9))
@settings(max_examples=60, deadline=None)
def test_any_dense_counts_equal_the_oracle(statistic: Statistic, rows: list[tuple[int, int]]) -> None:
    """Where no category is rare nothing is pooled, so that SciPy has the same table."""
    _check(statistic, *np.array(rows).T)


@pytest.mark.parametrize("statistic", OF_COUNTS, ids=_name)
@given(rows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
@settings(max_examples=100, deadline=None)
def test_any_sparse_counts_stay_within_bounds(statistic: Statistic, rows: list[tuple[int, int]]) -> None:
    """Zeros, empty sides and rare categories give a value within the bounds and a p-value, or a reason."""
    score = _score(statistic, *np.array(rows).T)
    assert (score.statistic is None) == (score.reason is not None)
    if score.statistic is not None:
        assert statistic.bounds[0] <= score.statistic <= statistic.bounds[1]
        assert (score.p_value is not None) == statistic.is_test and 0 <= (score.p_value or 0.0) <= 1


@pytest.mark.parametrize(("statistic", "key"), CASES, ids=_name)
def test_the_same_rows_are_no_drift(statistic: Statistic, key: str) -> None:
    """A side compared with itself has the value of equality and no small p-value."""
    rows = _case(key)[0]
    score = _score(statistic, rows, rows)
    if score.statistic is not None and statistic.at_equality is not None:
        assert score.statistic == pytest.approx(statistic.at_equality, abs=1e-12)
    assert score.p_value is None or score.p_value > 0.5


@pytest.mark.parametrize("statistic", STATISTICS, ids=_name)
def test_nothing_to_compare_has_a_reason(statistic: Statistic) -> None:
    """A side without a row, or without a finite value, gives no statistic but a reason."""
    some, none = (np.arange(9.0), np.array([])) if statistic in OF_VALUES else (np.array([5, 4]), np.array([0, 0]))
    for pair in ((some, none), (none, some), (none, none)):
        score = _score(statistic, *pair)
        assert score.statistic is None and score.p_value is None and score.reason
        assert score.to_json() == statistic.nothing(score.reason).to_json()
    if statistic in OF_VALUES:
        assert _score(statistic, some, np.array([np.nan, np.inf])).reason
        holed = np.append(some, [np.nan, np.inf, -np.inf])
        assert _score(statistic, holed, some + 1) == _score(statistic, some, some + 1)


@pytest.mark.parametrize("statistic", STATISTICS, ids=_name)
def test_declarations_are_whole(statistic: Statistic) -> None:
    """Names are words for JSON, nothing that people read is missing, and what needs all values is no check's."""
    assert statistic.name.isidentifier() and statistic.name.islower()
    assert statistic.title and statistic.what and "|" not in statistic.what + statistic.source
    assert statistic.kinds and not (isinstance(statistic, OfSamples) and not statistic.with_exact)
    assert [one.name for one in STATISTICS].count(statistic.name) == 1


def test_columns_that_were_read_in_pieces_say_what_they_lack() -> None:
    """Statistics of sorted values are null with a reason where the values are not held, or only some of them."""
    one = next(one for one in STATISTICS if isinstance(one, OfSamples))
    values, counts = sample(np.arange(10.0)), np.array([5, 5])
    assert "read in pieces" in str(one.score(Pair((counts, counts), rows=(10, 10))).reason)
    assert "only a part" in str(one.score(Pair((counts, counts), rows=(20, 10), samples=(values, values))).reason)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", ["same", "shifted", "holes"])
def test_counted_and_streamed_numbers_are_those_in_memory(shape: str, change: str) -> None:
    """Every check's statistics are the same from the values, from counts on a grid, and from a column that is never
    held; what is bounded there is off by no more than its error."""
    rng = np.random.default_rng(3)
    before, now = SHAPES[shape](rng, 24_000), CHANGES[change](SHAPES[shape](rng, 21_000))
    known = numeric_profile(before, grid=True)
    expected = judge_values("x", known, now, exact=True).tests
    streams = (Stream(len(side), lambda side=side: iter(np.array_split(side, 7))) for side in (before, now))
    ways = (judge_values("x", known, now).tests, judge_streams("x", *streams, before[::10])[0].tests)
    for one in statistics_of("numeric"):
        for found in (way[one.name] for way in ways):
            wanted = expected[one.name].statistic
            if found.extras.get("error") is None:
                assert found.reason or found.statistic == pytest.approx(wanted, rel=1e-9, abs=1e-12)
            else:
                off = found.extras["error"] * (known.sd if "normalized" in found.extras else 1.0)
                assert abs(found.statistic - wanted) <= off * (1 + 1e-6) + 1e-9 * (1 + wanted)


def test_merged_profiles_give_the_statistics_of_all_rows() -> None:
    """Profiles of parts, merged, are judged as the profile of the whole: numbers and categories, with all that
    `--exact` adds."""
    rng = np.random.default_rng(8)
    numbers_, codes = rng.integers(0, 50, 900) / 7, Codes(rng.integers(-1, 2, 900), ("a", "b"))
    cuts = list(pairwise([0, 200, 201, 900]))
    for values, parts in (
        (numbers_, [numbers_[a:b] for a, b in cuts]),
        (codes, [Codes(codes.codes[a:b], codes.names) for a, b in cuts]),
    ):
        whole, now = profile(values), profile(parts[-1])
        merged = reduce(merge, map(profile, parts))
        judged, again = (judge_column("x", side, now, exact=True).tests for side in (whole, merged))
        assert judged.keys() == again.keys()
        for name, score in judged.items():
            assert again[name].statistic == pytest.approx(score.statistic, rel=1e-9, abs=1e-12)
            assert again[name].p_value == (score.p_value and pytest.approx(score.p_value, rel=1e-9))


def test_the_table_of_the_docs_has_every_statistic() -> None:
    """One line each, of four cells."""
    lines = statistics_table().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == [one.name for one in STATISTICS]
    assert {line.count("|") for line in lines} == {5}
