"""Further statistics of a column equal SciPy's, ties, constants and tiny samples included."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from drift.statistics.anderson_darling import VARIANCE, anderson_darling, anderson_darling_tail
from drift.statistics.cramer_von_mises import cramer_von_mises, cramer_von_mises_tail
from drift.statistics.energy_distance import energy_distance
from drift.statistics.fisher import fisher
from drift.statistics.g_test import g_test
from drift.statistics.hellinger import hellinger
from drift.statistics.kullback_leibler import kullback_leibler
from drift.statistics.mann_whitney import mann_whitney
from drift.statistics.scores import Score

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
        "two rows against many": (np.array([-0.3, 1.1]), rng.normal(size=1000)),
        "few rows": (rng.normal(size=9), rng.normal(1, 1, size=12)),
        "few rows, tied": (rng.integers(0, 4, 9).astype(float), rng.integers(0, 4, 20).astype(float)),
        "eight against many": (rng.normal(0.5, 1, size=8), rng.normal(size=300)),
        "heavy tails": (rng.standard_cauchy(700), rng.standard_cauchy(650) * 2),
        "large offset": (rng.normal(1e9, 1, 900), rng.normal(1e9 + 0.3, 1, 800)),
        "apart": (rng.uniform(0, 1, 100), rng.uniform(5, 6, 90)),
        "many": (rng.normal(size=12_000), rng.normal(0.01, 1, size=3_000)),
        "many, drifted": (rng.normal(size=3_000), rng.normal(0.5, 1, size=15_000)),
    }


PAIRS = _pairs()
AT_LEAST_TWO = [name for name in PAIRS if not name.startswith("one row")]
numbers = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


@pytest.mark.parametrize("name", AT_LEAST_TWO)
def test_cramer_von_mises_equals_scipy(name: str) -> None:
    """Statistic and p-value are those of scipy.stats.cramervonmises_2samp."""
    expected = stats.cramervonmises_2samp(*PAIRS[name])
    _same_cramer_von_mises(cramer_von_mises(*PAIRS[name]), expected.statistic, expected.pvalue)


def _same_cramer_von_mises(score: Score, statistic: float, p_value: float) -> None:
    """SciPy's asymptotic p-values are off by up to 1e-7 where they are below 1e-6."""
    assert score.statistic == pytest.approx(statistic, rel=1e-9, abs=1e-9)
    if p_value > 1e-6:
        assert score.p_value == pytest.approx(min(p_value, 1.0), rel=1e-9, abs=1e-9)
    else:
        assert 0 <= score.p_value < 1.2e-6


@given(numbers, numbers)
@settings(max_examples=100, deadline=None)
def test_cramer_von_mises_of_tied_samples_equals_scipy(left: list[int], right: list[int]) -> None:
    """Any two samples of two values or more give SciPy's Cramér–von Mises test, others a reason."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    score = cramer_von_mises(reference, current)
    if min(len(left), len(right)) < 2:
        assert score.statistic is None and score.reason == "fewer than two values on one side"
        return
    expected = stats.cramervonmises_2samp(reference, current)
    _same_cramer_von_mises(score, expected.statistic, expected.pvalue)


def test_cramer_von_mises_tail_keeps_its_digits() -> None:
    """Far in the tail, where 1 − CDF has no digits left, the first eigenvalue's term is approached, ever closer."""

    def leading(x: float) -> float:
        """P of the first term alone, times the factor of all others at its pole: Π 1/√(1 − 1/j²) = √2."""
        return math.sqrt(2) * 2 * stats.norm.sf(math.pi * math.sqrt(x))

    ratios = [cramer_von_mises_tail(x) / leading(x) for x in (1.0, 5.0, 20.0, 100.0)]
    assert ratios == sorted(ratios, key=lambda ratio: abs(ratio - 1), reverse=True)
    assert ratios[-1] == pytest.approx(1, rel=0.01)
    assert cramer_von_mises_tail(1e-4) == 1.0


@pytest.mark.parametrize("name", [name for name in AT_LEAST_TWO if name != "constant and constant"])
def test_anderson_darling_statistic_equals_scipy(name: str) -> None:
    """The statistic is scipy.stats.anderson_ksamp's; its p-value too, roughly, where SciPy's is not cut off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = stats.anderson_ksamp(PAIRS[name], variant="midrank")
    score = anderson_darling(*PAIRS[name])
    np.testing.assert_allclose(score.statistic, expected.statistic, **CLOSE)
    if 0.001 < expected.pvalue < 0.25:
        assert score.p_value == pytest.approx(expected.pvalue, rel=0.05)
    elif expected.pvalue >= 0.25:
        assert score.p_value > 0.24
    else:
        assert score.p_value < 0.0011


@given(numbers, numbers)
@settings(max_examples=100, deadline=None)
def test_anderson_darling_of_tied_samples_equals_scipy(left: list[int], right: list[int]) -> None:
    """Any two samples with two values give SciPy's statistic and a p-value, others a reason."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    score = anderson_darling(reference, current)
    if len(left) + len(right) < 4 or len({*left, *right}) < 2:
        assert score.statistic is None and score.reason
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = stats.anderson_ksamp([reference, current], variant="midrank").statistic
    assert score.statistic == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert 0 <= score.p_value <= 1


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3, 0.5])
def test_anderson_darling_p_value_is_that_of_permutations(shift: float) -> None:
    """In SciPy's cut-off upper range too the p-value is the permutation p-value, up to the noise of either."""
    rng = np.random.default_rng(3)
    reference, current = rng.normal(size=120), rng.normal(shift, 1, size=100)
    pooled, permuted = np.concatenate([reference, current]), []
    for _ in range(4000):
        rng.shuffle(pooled)
        permuted.append(anderson_darling(pooled[:120], pooled[120:]).statistic)
    score = anderson_darling(reference, current)
    p_value = (1 + np.sum(np.array(permuted) >= score.statistic)) / 4001
    assert score.p_value == pytest.approx(p_value, abs=4 * math.sqrt(p_value * (1 - p_value) / 4000) + 0.01)


def test_anderson_darling_tail_is_the_limit_law() -> None:
    """The tail has Anderson and Darling's critical values, the law's mean and variance, and e^(−x) far out."""
    for probability, value in ((0.10, 1.933), (0.05, 2.492), (0.01, 3.878)):
        assert anderson_darling_tail(value) == pytest.approx(probability, rel=2e-3)
    points = np.linspace(0, 60, 60_001)
    tail = np.array([anderson_darling_tail(x) for x in points[::10]])
    mean, second = np.trapezoid(tail, points[::10]), np.trapezoid(2 * points[::10] * tail, points[::10])
    assert mean == pytest.approx(1, abs=1e-5) and second - mean**2 == pytest.approx(VARIANCE, abs=1e-4)
    assert anderson_darling_tail(300.0) / anderson_darling_tail(299.0) == pytest.approx(math.exp(-1), rel=0.01)


def test_anderson_darling_tail_is_the_sum_of_weighted_squares() -> None:
    """Drawing Σ Z_j²/(j(j + 1)) gives the same probabilities in the body and in the tail."""
    rng = np.random.default_rng(5)
    j = np.arange(1, 201)
    draws = np.concatenate([rng.standard_normal((4000, 200)) ** 2 @ (1 / (j * (j + 1))) for _ in range(25)]) + 1 / 201
    for value in (0.3, 0.6, 1.0, 2.5, 4.0, 6.0):
        p_value = anderson_darling_tail(value)
        assert np.mean(draws > value) == pytest.approx(p_value, abs=4 * math.sqrt(p_value * (1 - p_value) / 1e5))


@pytest.mark.parametrize("name", PAIRS)
def test_mann_whitney_equals_scipy(name: str) -> None:
    """U and its p-value are those of scipy.stats.mannwhitneyu, exact for few rows without ties."""
    reference, current = PAIRS[name]
    expected = stats.mannwhitneyu(reference, current)
    score = mann_whitney(reference, current)
    np.testing.assert_allclose(score.statistic, expected.statistic, **CLOSE)
    np.testing.assert_allclose(score.p_value, expected.pvalue, **CLOSE)
    pairs = np.sign(current[:, None] - reference)
    assert score.extras["superiority"] == pytest.approx(0.5 + pairs.mean() / 2, abs=1e-12)


@given(numbers, numbers)
@settings(max_examples=150, deadline=None)
def test_mann_whitney_of_tied_samples_equals_scipy(left: list[int], right: list[int]) -> None:
    """Any two small samples full of ties give SciPy's Mann–Whitney test."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    expected = stats.mannwhitneyu(reference, current)
    score = mann_whitney(reference, current)
    assert score.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert score.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


@given(st.integers(1, 8), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_exact_mann_whitney_equals_scipy(few: int, many: int, seed: int) -> None:
    """Few rows without ties get SciPy's exact p-value, whichever side is the smaller."""
    values = np.random.default_rng(seed).permutation(few + many).astype(float)
    for reference, current in ((values[:few], values[few:]), (values[few:], values[:few])):
        expected = stats.mannwhitneyu(reference, current)
        assert mann_whitney(reference, current).p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_exact_mann_whitney_of_many_rows_is_fast() -> None:
    """Eight rows against a million take well under a minute and agree with a normal law at the centre."""
    rng = np.random.default_rng(1)
    score = mann_whitney(rng.normal(size=1_000_000), np.array([-1.2, -0.7, -0.3, -0.1, 0.12, 0.31, 0.6, 1.5]))
    assert score.p_value == pytest.approx(
        2 * min(stats.norm.sf(abs(score.extras["superiority"] - 0.5) * math.sqrt(96)), 0.5), abs=0.01
    )


@pytest.mark.parametrize("name", PAIRS)
def test_energy_distance_equals_scipy(name: str) -> None:
    """The distance is scipy.stats.energy_distance, normalized by the mean distance between the two sides."""
    reference, current = PAIRS[name]
    score = energy_distance(reference, current)
    np.testing.assert_allclose(score.statistic, stats.energy_distance(reference, current), **CLOSE)
    apart = np.mean(np.abs(reference[:, None] - current))
    if apart > 0:
        expected = score.statistic / math.sqrt(2 * apart)
        assert score.extras["normalized"] == pytest.approx(expected, rel=1e-9) and 0 <= expected <= 1
    else:
        assert score.extras["normalized"] is None and "constant" in score.reason


@given(numbers, numbers)
@settings(max_examples=100, deadline=None)
def test_energy_distance_of_tied_samples_equals_scipy(left: list[int], right: list[int]) -> None:
    """Any two small samples full of ties give SciPy's energy distance; normalized it is in [0, 1]."""
    reference, current = np.array(left, dtype=float), np.array(right, dtype=float)
    score = energy_distance(reference, current)
    assert score.statistic == pytest.approx(stats.energy_distance(reference, current), rel=1e-9, abs=1e-10)
    assert score.extras["normalized"] is None or 0 <= score.extras["normalized"] <= 1


def test_energy_distance_of_huge_values_has_a_reason() -> None:
    """Values whose differences overflow give a reason, no warning."""
    assert energy_distance(np.array([-1.7e308]), np.array([1.7e308])).reason == "values too large to add up"


@pytest.mark.parametrize("statistic", [cramer_von_mises, anderson_darling, mann_whitney, energy_distance])
def test_nothing_to_compare_has_a_reason(statistic: object) -> None:
    """A side without finite values gives no statistic but a reason."""
    for pair in ((np.array([]), np.arange(9.0)), (np.arange(9.0), np.array([np.nan, np.inf]))):
        score = statistic(*pair)
        assert isinstance(score, Score) and score.statistic is None and score.p_value is None and score.reason


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12)


@given(counts)
@settings(max_examples=150, deadline=None)
def test_category_distances_equal_their_definitions(rows: list[tuple[int, int]]) -> None:
    """Hellinger is √(1 − Σ√pq); Kullback–Leibler is scipy.stats.entropy of the floored shares, current first."""
    reference, current = np.array(rows).T + np.array([[1], [1]]) * (np.arange(len(rows)) == 0)
    p, q = reference / reference.sum(), current / current.sum()
    affinity = min(float(np.sum(np.sqrt(p * q))), 1.0)
    assert hellinger(reference, current).statistic == pytest.approx(math.sqrt(1 - affinity), abs=1e-7)
    expected = stats.entropy(np.maximum(q, 1e-4), np.maximum(p, 1e-4))
    assert kullback_leibler(reference, current).statistic == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "table",
    [
        [[50, 40], [30, 60]],
        [[50, 50], [50, 51]],
        [[100, 200, 300], [90, 210, 310]],
        [[9, 40, 51, 7, 33], [12, 44, 39, 8, 30]],
    ],
)
def test_g_test_equals_scipy(table: list[list[int]]) -> None:
    """Where no count is small the test is scipy.stats.chi2_contingency(lambda_="log-likelihood")."""
    score = g_test(*np.array(table))
    expected = stats.chi2_contingency(table, lambda_="log-likelihood")
    np.testing.assert_allclose(score.statistic, expected.statistic, **CLOSE)
    np.testing.assert_allclose(score.p_value, expected.pvalue, **CLOSE)
    assert score.extras == {"dof": expected.dof, "pooled": 0}


@given(counts)
@settings(max_examples=150, deadline=None)
def test_g_test_pools_as_chi_squared_does(rows: list[tuple[int, int]]) -> None:
    """Whatever the counts, it is SciPy's G of the pooled table, or Fisher's p-value, or a reason."""
    from drift.statistics.chi_squared import chi_squared

    reference, current = np.array(rows).T
    score, other = g_test(reference, current), chi_squared(reference, current)
    assert score.extras == other.extras and score.reason == other.reason
    assert score.p_value is None or 0 <= score.p_value <= 1


def test_g_test_of_rare_categories() -> None:
    """Rare categories are summed before the test; a rare two-way table gets Fisher's exact p-value."""
    score = g_test(np.array([500, 400, 1, 2, 1, 3]), np.array([480, 430, 2, 1, 3, 4]))
    pooled = [[500, 400, 7], [480, 430, 10]]
    assert score.extras == {"dof": 2, "pooled": 3}
    assert score.p_value == pytest.approx(stats.chi2_contingency(pooled, lambda_="log-likelihood").pvalue, rel=1e-9)
    few = np.array([10, 0]), np.array([2, 3])
    assert g_test(*few).p_value == pytest.approx(stats.fisher_exact(np.stack(few))[1], rel=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_fisher_equals_scipy(a: int, b: int, c: int, d: int) -> None:
    """Every 2 × 2 table gives scipy.stats.fisher_exact, one with an empty margin a reason."""
    score = fisher(np.array([a, b]), np.array([c, d]))
    if not (a + b and c + d and a + c and b + d):
        assert score.statistic is None and score.p_value is None and score.reason
        return
    expected = stats.fisher_exact([[a, b], [c, d]])
    assert score.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert score.p_value == pytest.approx(min(expected.pvalue, 1.0), rel=1e-9)


def test_fisher_refuses_other_shapes() -> None:
    """Three categories are refused with a reason; one that nobody has is not counted."""
    refused = fisher(np.array([5, 6, 7]), np.array([5, 6, 8]))
    assert refused.p_value is None and refused.reason == "Fisher's exact test is of two categories; there are 3"
    assert fisher(np.array([5, 6, 0]), np.array([5, 2, 0])).p_value is not None
