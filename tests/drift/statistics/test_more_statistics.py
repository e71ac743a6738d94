"""What single statistics keep beyond the family's common tests: limit laws, exact tails, what is normalized."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from shapes import PAIRS

from drift.statistics.anderson_darling import VARIANCE, anderson_darling, anderson_darling_tail
from drift.statistics.chi_squared import chi_squared
from drift.statistics.cramer_von_mises import cramer_von_mises_tail
from drift.statistics.energy_distance import energy_distance
from drift.statistics.fisher import fisher
from drift.statistics.g_test import g_test
from drift.statistics.hellinger import hellinger
from drift.statistics.kullback_leibler import kullback_leibler
from drift.statistics.mann_whitney import mann_whitney


def test_cramer_von_mises_tail_keeps_its_digits() -> None:
    """Far in the tail, where 1 − CDF has no digits left, the first eigenvalue's term is approached, ever closer."""

    def leading(x: float) -> float:
        """P of the first term alone, times the factor of all others at its pole: Π 1/√(1 − 1/j²) = √2."""
        return math.sqrt(2) * 2 * stats.norm.sf(math.pi * math.sqrt(x))

    ratios = [cramer_von_mises_tail(x) / leading(x) for x in (1.0, 5.0, 20.0, 100.0)]
    assert ratios == sorted(ratios, key=lambda ratio: abs(ratio - 1), reverse=True)
    assert ratios[-1] == pytest.approx(1, rel=0.01)
    assert cramer_von_mises_tail(1e-4) == 1.0


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
def test_superiority_is_the_share_of_pairs(name: str) -> None:
    """How often the current value of a pair is larger, ties as half."""
    reference, current = PAIRS[name]
    score = mann_whitney(reference, current)
    pairs = np.sign(current[:, None] - reference)
    assert score.extras["superiority"] == pytest.approx(0.5 + pairs.mean() / 2, abs=1e-12)


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
def test_energy_distance_is_normalized(name: str) -> None:
    """By the mean distance between the two sides; 0 for equal distributions."""
    reference, current = PAIRS[name]
    score = energy_distance(reference, current)
    apart = np.mean(np.abs(reference[:, None] - current))
    if apart > 0:
        expected = score.statistic / math.sqrt(2 * apart)
        assert score.extras["normalized"] == pytest.approx(expected, rel=1e-9) and 0 <= expected <= 1
    else:
        assert score.extras["normalized"] is None and "constant" in score.reason


def test_energy_distance_of_huge_values_has_a_reason() -> None:
    """Values whose differences overflow give a reason, no warning."""
    assert energy_distance(np.array([-1.7e308]), np.array([1.7e308])).reason == "values too large to add up"


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


@given(counts)
@settings(max_examples=150, deadline=None)
def test_g_test_pools_as_chi_squared_does(rows: list[tuple[int, int]]) -> None:
    """Whatever the counts, it is SciPy's G of the pooled table, or Fisher's p-value, or a reason."""
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
