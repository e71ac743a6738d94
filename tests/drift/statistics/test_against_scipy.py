"""What SciPy says beyond the family's common tests: far p-values, rare categories, many rows."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats._stats_py import _attempt_exact_2kssamp

from drift.check.budget import holm
from drift.statistics.chi_squared import chi_squared
from drift.statistics.fisher import fisher_p_value
from drift.statistics.jensen_shannon import jensen_shannon
from drift.statistics.ks import ks, ks_distance, ks_p_value
from drift.statistics.ks_exact import MOST_ROWS, exact_p_value
from drift.statistics.lattice import binomial_at, hypergeometric
from drift.statistics.samples import sample

numbers = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


@given(numbers, numbers)
@settings(max_examples=100, deadline=None)
def test_distance_from_points_equals_scipy(left: list[int], right: list[int]) -> None:
    """The distance computed from the current points alone, used for large samples, is the same."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert ks_distance(sample(reference), sample(current)) == pytest.approx(expected, abs=1e-12)


def test_small_counts_are_pooled_or_exact() -> None:
    """Rare categories are summed before the test; a rare two-way table gets Fisher's exact p-value."""
    reference, current = np.array([500, 400, 1, 2, 1, 3]), np.array([480, 430, 2, 1, 3, 4])
    score = chi_squared(reference, current)
    pooled = [[500, 400, 7], [480, 430, 10]]
    assert score.extras == {"dof": 2, "pooled": 3}
    assert score.p_value == pytest.approx(stats.chi2_contingency(pooled).pvalue, rel=1e-9)
    few = np.array([10, 0]), np.array([2, 3])
    assert chi_squared(*few).p_value == pytest.approx(stats.fisher_exact(np.stack(few))[1], rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
@settings(max_examples=150, deadline=None)
def test_jensen_shannon_of_sparse_counts_equals_scipy(rows: list[tuple[int, int]]) -> None:
    """Jensen–Shannon equals SciPy's with base 2, also where a side has none of a category."""
    reference, current = np.array(rows).T + np.array([[1], [1]]) * (np.arange(len(rows)) == 0)
    expected = jensenshannon(reference, current, base=2)
    assert jensen_shannon(reference, current).statistic == pytest.approx(np.nan_to_num(expected), abs=1e-7)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([0.0, 5e-324])
@settings(max_examples=50, deadline=None)
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    """With equal weights, adjusted p-values are the running maximum of p_(i) (k − i + 1)."""
    k = len(p_values)
    order = sorted(range(k), key=lambda i: p_values[i])
    expected, largest = [0.0] * k, 0.0
    for rank, i in enumerate(order):
        largest = max(largest, p_values[i] * (k - rank))
        expected[i] = min(largest, 1.0)
    np.testing.assert_allclose(holm(p_values, [1 / k] * k), expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [20_001, 60_000, 400_000])
def test_the_p_value_of_many_rows_equals_scipy(rows: int) -> None:
    """The series that replaces SciPy's sum over n terms, and the cut below which p is 1, give the same p-value."""
    for t in (0.05, 0.15, 0.19, 0.21, 0.5, 1.0, 1.49, 1.51, 2, 3, 4, 5, 7.9, 8.1, 12):
        found, expected = ks_p_value(t / np.sqrt(rows), 2 * rows, 2 * rows), stats.kstwo.sf(t / np.sqrt(rows), rows)
        assert found == pytest.approx(expected, rel=1e-7 if t < 4 else 1e-3, abs=1e-11)


@given(st.integers(2, 10**7), st.integers(2, 10**7), st.floats(0.21, 1.48))
@settings(max_examples=300, deadline=None)
def test_the_p_value_of_usual_distances_equals_scipy(n: int, m: int, t: float) -> None:
    """Where neither side's rows are so few that it is exact, at 0.2 to 1.5 over the root of the rows, to 1e-12."""
    rows = np.round(n * m / (n + m))
    distance = min(t / np.sqrt(rows), 1.0)
    expected = float(np.clip(stats.kstwo.sf(distance, rows), 0, 1))
    assert ks_p_value(distance, n, m) == pytest.approx(expected, rel=1e-12, abs=1e-9 if t < 0.25 else 0)


@given(st.integers(1, MOST_ROWS), st.integers(1, 10_000), st.floats(0.01, 8))
@example(MOST_ROWS, 10_000, 3.5)
@example(MOST_ROWS, MOST_ROWS, 2.0)
@example(MOST_ROWS, MOST_ROWS - 1, 6.0)
@settings(max_examples=60, deadline=None)
def test_the_exact_p_value_of_few_rows_equals_scipy(few: int, many: int, t: float) -> None:
    """To 1e-12, for any sizes and distances: of paths that leave the band on one side or both, and by reflection."""
    common = math.gcd(few, many)
    steps = few // common * many
    reach = max(round(min(t * math.sqrt((few + many) / (few * many)), 1.0) * steps), 1)
    known, _, expected = _attempt_exact_2kssamp(many, few, common, reach / steps, "two-sided")
    found = exact_p_value(reach / steps, many, few)
    assert 0 <= found <= 1
    assert not known or found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 4), (9, 6), (1, 11), (12, 8)])
def test_the_exact_p_value_is_the_share_of_all_paths(n: int, m: int) -> None:
    """Every distance that two small samples can have, counted in whole numbers."""
    long, short = n // math.gcd(n, m), m // math.gcd(n, m)
    for reach in range(1, long * m + 1):
        inside = np.zeros((m + 1, n + 1), dtype=object)
        for i, j in np.ndindex(m + 1, n + 1):
            if abs(i * long - j * short) < reach:
                inside[i, j] = int(i == j == 0) + (inside[i - 1, j] if i else 0) + (inside[i, j - 1] if j else 0)
        expected = float(1 - Fraction(inside[m, n], math.comb(n + m, n)))
        assert exact_p_value(reach / (long * m), n, m) == pytest.approx(expected, abs=1e-14)


def test_more_rows_and_middling_ones_have_scipys_p_value() -> None:
    """Beyond the rows of the own sum SciPy's exact p-value is taken, and from 10,000 rows on its tail."""
    rng = np.random.default_rng(5)
    for n, m, shift in ((2_400, 2_100, 0.05), (9_000, 3_000, 0.02), (12_000, 700, 0.3), (30_000, 9_000, 0.03)):
        reference, current = rng.normal(size=n), rng.normal(shift, 1, m)
        expected = stats.ks_2samp(reference, current)
        score = ks(reference, current)
        assert score.statistic == pytest.approx(expected.statistic, abs=1e-12)
        assert score.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


@given(st.integers(1, 300_000), st.floats(1e-6, 1 - 1e-6))
@settings(max_examples=60, deadline=None)
def test_binomial_probabilities_equal_scipy(trials: int, chance: float) -> None:
    """To 1e-12, around the mean and in the first counts."""
    mean, spread = int(trials * chance), int(4 * math.sqrt(trials))
    counts = np.unique(np.clip([*range(20), *range(mean - spread, mean + spread, 1 + spread // 50)], 0, trials))
    np.testing.assert_allclose(
        binomial_at(counts, trials, chance), stats.binom.pmf(counts, trials, chance), rtol=1e-7, atol=1e-12
    )


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4), st.sampled_from([1, 7, 500]))
@settings(max_examples=150, deadline=None)
def test_fishers_p_value_equals_scipy(cells: list[int], times: int) -> None:
    """To 1e-12, ties among the tables with it."""
    table = np.array(cells).reshape(2, 2) * times
    if table.sum(axis=0).all() and table.sum(axis=1).all():
        assert fisher_p_value(table) == pytest.approx(min(stats.fisher_exact(table)[1], 1.0), rel=1e-9, abs=1e-12)


def test_hypergeometric_probabilities_are_those_of_whole_numbers() -> None:
    """Compared with fractions, since SciPy's own are off by 7e-11 of their value there."""
    first, found = hypergeometric(400_000, 5_000, 100_000)
    for count in (1_100, 1_200, 1_250, 1_300):
        exact = Fraction(math.comb(5_000, count) * math.comb(395_000, 100_000 - count), math.comb(400_000, 100_000))
        assert found[count - first] == pytest.approx(float(exact), rel=1e-13)
