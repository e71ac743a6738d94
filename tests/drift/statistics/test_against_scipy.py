"""Every statistic equals SciPy's, ties, constants and tiny samples included."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from drift.check.budget import holm
from drift.statistics.chi_squared import chi_squared
from drift.statistics.jensen_shannon import jensen_shannon
from drift.statistics.ks import ks, ks_p_value
from drift.statistics.wasserstein import wasserstein

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def _pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        "normal": (rng.normal(size=500), rng.normal(0.2, 1, size=300)),
        "equal sizes": (rng.normal(size=200), rng.normal(size=200)),
        "ties": (rng.integers(0, 4, 400).astype(float), rng.integers(0, 5, 250).astype(float)),
        "constant and constant": (np.full(30, 2.0), np.full(20, 2.0)),
        "two constants": (np.full(30, 2.0), np.full(20, 3.0)),
        "one row each": (np.array([1.0]), np.array([2.0])),
        "one row against many": (rng.normal(size=1000), np.array([0.1])),
        "heavy tails": (rng.standard_cauchy(700), rng.standard_cauchy(650) * 2),
        "large offset": (rng.normal(1e9, 1, 900), rng.normal(1e9 + 0.3, 1, 800)),
        "apart": (rng.uniform(0, 1, 100), rng.uniform(5, 6, 90)),
        "beyond exact": (rng.normal(size=12_000), rng.normal(0.01, 1, size=3_000)),
        "beyond exact, drifted": (rng.normal(size=3_000), rng.normal(0.5, 1, size=15_000)),
    }


PAIRS = _pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_ks_equals_scipy(name: str) -> None:
    """KS statistic and p-value are those of scipy.stats.ks_2samp."""
    reference, current = PAIRS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = stats.ks_2samp(reference, current)
    score = ks(reference, current)
    np.testing.assert_allclose(score.statistic, expected.statistic, **CLOSE)
    np.testing.assert_allclose(score.p_value, expected.pvalue, **CLOSE)


@pytest.mark.parametrize("name", PAIRS)
def test_wasserstein_equals_scipy(name: str) -> None:
    """The distance is that of scipy.stats.wasserstein_distance, normalized by the reference's sd."""
    reference, current = PAIRS[name]
    expected = stats.wasserstein_distance(reference, current)
    score = wasserstein(reference, current)
    np.testing.assert_allclose(score.statistic, expected, rtol=1e-9, atol=1e-6 if "offset" in name else 1e-12)
    if np.std(reference) > 0:
        np.testing.assert_allclose(score.extras["normalized"], score.statistic / np.std(reference), rtol=1e-9)
    else:
        assert score.extras["normalized"] is None and "constant" in score.reason


numbers = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


@given(numbers, numbers)
@settings(max_examples=150, deadline=None)
def test_small_tied_samples_equal_scipy(left: list[int], right: list[int]) -> None:
    """Any two small samples full of ties give SciPy's KS and Wasserstein."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = stats.ks_2samp(reference, current)
    score = ks(reference, current)
    assert score.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert score.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    distance = stats.wasserstein_distance(reference, current)
    assert wasserstein(reference, current).statistic == pytest.approx(distance, rel=1e-9, abs=1e-10)


@given(numbers, numbers)
@settings(max_examples=100, deadline=None)
def test_distance_from_points_equals_scipy(left: list[int], right: list[int]) -> None:
    """The distance computed from the current points alone, used for large samples, is the same."""
    from drift.statistics.ks import ks_distance
    from drift.statistics.samples import sample

    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert ks_distance(sample(reference), sample(current)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "table",
    [[[50, 40], [30, 60]], [[100, 200, 300], [90, 210, 310]], [[9, 40, 51, 7, 33], [12, 44, 39, 8, 30]]],
)
def test_chi_squared_equals_scipy(table: list[list[int]]) -> None:
    """Where no count is small the test is scipy.stats.chi2_contingency."""
    score = chi_squared(*np.array(table))
    expected = stats.chi2_contingency(table)
    np.testing.assert_allclose(score.statistic, expected.statistic, **CLOSE)
    np.testing.assert_allclose(score.p_value, expected.pvalue, **CLOSE)
    assert score.extras == {"dof": expected.dof, "pooled": 0}


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
def test_category_distances_equal_scipy(rows: list[tuple[int, int]]) -> None:
    """Jensen–Shannon equals SciPy's with base 2, and a p-value is always one."""
    reference, current = np.array(rows).T + np.array([[1], [1]]) * (np.arange(len(rows)) == 0)
    expected = jensenshannon(reference, current, base=2)
    assert jensen_shannon(reference, current).statistic == pytest.approx(np.nan_to_num(expected), abs=1e-7)
    p_value = chi_squared(reference, current).p_value
    assert p_value is None or 0 <= p_value <= 1


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
