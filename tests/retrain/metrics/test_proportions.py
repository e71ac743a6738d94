"""Intervals of shares and of their differences hold as often as they say, also for few rows."""

import numpy as np
import pytest

from retrain.metrics.proportions import Part, Proportion, newcombe, pooled, quantile, wilson


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_differences_are_those_of_the_paper(one, other, expected):
    """The examples a, b, d and h of Newcombe (1998), table II, method 10."""
    shares = [Proportion(hits / rows, rows) for hits, rows in (one, other)]
    assert newcombe(*shares, quantile(0.05)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("share", "rows"), [(0.02, 100), (0.3, 30), (0.5, 200), (0.99, 400)])
def test_a_share_lies_within_its_interval_as_often_as_it_says(share, rows):
    """In 93 to 98 of 100 cases; 4,000 draws."""
    hits = np.random.default_rng(1).binomial(rows, share, 4000)
    ends = [wilson(Proportion(count / rows, rows), quantile(0.05)) for count in hits]
    assert 0.93 <= np.mean([low <= share <= high for low, high in ends]) <= 0.98


def test_files_that_differ_count_as_fewer_rows():
    """Where shares of files differ by more than their rows say, the interval of all holds all the same: with eight files
    whose own shares spread by .08 it covers in 90 of 100 cases at least, where rows alone cover in half."""
    rng = np.random.default_rng(2)
    covered, naive = 0, 0
    for _ in range(500):
        own = np.clip(rng.normal(0.5, 0.08, 8), 0, 1)
        hits = rng.binomial(400, own)
        found = pooled([Part(400, 400, count) for count in hits])
        assert found is not None
        low, high = wilson(found, quantile(0.05))
        covered += low <= 0.5 <= high
        low, high = wilson(Proportion(found.share, 3200), quantile(0.05))
        naive += low <= 0.5 <= high
    assert covered / 500 >= 0.9 and naive / 500 < 0.7


def test_rows_that_count_less_make_less_sure():
    """A hundred rows of which ten count ten times are as good as fewer; without rows there is no share."""
    weights = np.array([10.0] * 10 + [1.0] * 90)
    found = pooled([Part(weights.sum(), (weights**2).sum(), 95.0)])
    assert found is not None and found.rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert pooled([Part(0.0, 0.0, 0.0)]) is None
