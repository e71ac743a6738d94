"""What SciPy says beyond the family's common tests: far p-values, rare categories, many rows."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from drift.check.budget import holm
from drift.statistics.chi_squared import chi_squared
from drift.statistics.jensen_shannon import jensen_shannon
from drift.statistics.ks import ks_distance, ks_p_value
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
