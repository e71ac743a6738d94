"""The multivariate tests raise false alarms at their rate, see what they promise to see, and take any columns."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from drift.multivariate.domain_classifier import _ridge, domain_classifier, features, permutations_needed
from drift.multivariate.mmd import mmd
from drift.multivariate.pca import pca_reconstruction

ROOT = Path(__file__).resolve().parents[3]
TESTS = {
    "linear": lambda *pair, seed, **more: domain_classifier(*pair, seed=seed, **{"permutations": 39, **more}),
    "mmd": lambda *pair, seed, **more: mmd(*pair, seed=seed, **{"permutations": 39, **more}),
}
CORRELATED = np.linalg.cholesky([[1, 0.8], [0.8, 1]]).T


def _walk(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Rows that depend on the one before, shape (rows, 2)."""
    steps = rng.normal(size=(rows + 30, 2))
    for row in range(1, len(steps)):
        steps[row] += 0.7 * steps[row - 1]
    return steps[30:]


@pytest.mark.parametrize("name", TESTS)
def test_false_alarm_rate(name: str) -> None:
    """Of 300 pairs without drift, sizes unequal, about 5% have p ≤ 0.05 and half p ≤ 0.5."""
    rng = np.random.default_rng(11)
    p_values = np.array(
        [TESTS[name](rng.normal(size=(70, 3)), rng.normal(size=(35, 3)), seed=seed).p_value for seed in range(300)]
    )
    assert 0.02 <= np.mean(p_values <= 0.05) <= 0.09
    assert 0.42 <= np.mean(p_values <= 0.5) <= 0.58


@pytest.mark.parametrize("name", ["linear", "mmd"])
def test_blocks_keep_dependent_rows_from_alarming(name: str) -> None:
    """Rows that depend on their neighbours alarm in most checks without blocks and seldom with them."""
    rng = np.random.default_rng(12)
    pairs = [(_walk(rng, 300), _walk(rng, 200)) for _ in range(60)]
    alone = np.mean([TESTS[name](*pair, seed=1).p_value <= 0.05 for pair in pairs])
    whole = np.mean([TESTS[name](*pair, seed=1, blocks=20).p_value <= 0.05 for pair in pairs])
    assert alone > 0.4 and whole <= 0.15


@pytest.mark.parametrize("name", TESTS)
def test_a_moved_mean_is_seen(name: str) -> None:
    """A shift by half a standard deviation in each of three columns is seen at the smallest p-value."""
    rng = np.random.default_rng(13)
    score = TESTS[name](rng.normal(size=(300, 3)), rng.normal(0.5, 1, size=(200, 3)), seed=1, permutations=199)
    assert score.p_value == 1 / 200
    assert score.extras["permutations"] == 199 and score.extras["rows"] == 500 and score.extras["blocks"] == 500


def test_changed_dependence_is_seen() -> None:
    """Columns that are alike one by one, but now correlated, are told apart by MMD, not by the linear classifier."""
    rng = np.random.default_rng(14)
    reference, current = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) @ CORRELATED
    assert TESTS["mmd"](reference, current, seed=1, permutations=99).p_value == 0.01
    assert TESTS["linear"](reference, current, seed=1, permutations=99).p_value > 0.05


@pytest.mark.parametrize("name", TESTS)
def test_missing_values_and_categories_are_seen(name: str) -> None:
    """More missing values alone, or other categories alone, are drift."""
    rng = np.random.default_rng(16)
    reference, current = rng.normal(size=(400, 2)), rng.normal(size=(400, 2))
    gaps = np.where(rng.random((400, 2)) < 0.3, np.nan, current)
    assert TESTS[name](reference, gaps, seed=1).p_value == 1 / 40
    codes = rng.integers(-1, 6, 400)[:, None].astype(float), rng.integers(2, 6, 400)[:, None].astype(float)
    pair = np.hstack([reference, codes[0]]), np.hstack([current, codes[1]])
    assert TESTS[name](*pair, seed=1, categorical=[2]).p_value == 1 / 40


@pytest.mark.parametrize("name", TESTS)
def test_same_seed_same_score(name: str) -> None:
    """A score depends on rows and seed only, and not on the units of a column."""
    rng = np.random.default_rng(17)
    reference, current = rng.normal(size=(90, 2)), rng.normal(0.2, 1, size=(80, 2))
    score = TESTS[name](reference, current, seed=4, max_rows=100)
    assert score == TESTS[name](reference.copy(), current.copy(), seed=4, max_rows=100)
    scaled = TESTS[name](reference * 1e6 + 3, current * 1e6 + 3, seed=4, max_rows=100)
    assert scaled.statistic == pytest.approx(score.statistic) and scaled.p_value == score.p_value


def test_rows_are_bounded_fairly() -> None:
    """Of many rows at most `max_rows` are used, and a small side keeps all of its own."""
    rng = np.random.default_rng(18)
    score = domain_classifier(
        rng.normal(size=(5000, 1)), rng.normal(size=(40, 1)), seed=1, permutations=9, max_rows=300
    )
    assert score.extras["rows"] == 300
    blocked = mmd(
        rng.normal(size=(5000, 1)), rng.normal(size=(5000, 1)), seed=1, permutations=9, max_rows=300, blocks=7
    )
    assert blocked.extras["blocks"] == 6 and blocked.extras["rows"] == 6 * 42


def test_linear_classifier_is_ridge_regression() -> None:
    """The closed form is scikit-learn's Ridge, for every column of labels at once, and AUC is its roc_auc_score."""
    rng = np.random.default_rng(19)
    known, asked = rng.normal(size=(80, 4)), rng.normal(size=(30, 4))
    labels = (rng.random((80, 3)) < 0.4).astype(float)
    for column in range(3):
        expected = Ridge(alpha=1.0).fit(known, labels[:, column]).predict(asked)
        found = _ridge(known, labels, asked)[:, column]
        np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), rtol=1e-9, atol=1e-12)
        truth = rng.random(30) < 0.5
        assert roc_auc_score(truth, found) == pytest.approx(roc_auc_score(truth, expected))


def test_auc_is_the_share_of_pairs_within_folds() -> None:
    """Rows told apart by a wide gap have AUC 1; identical sides have exactly ½ where no row differs."""
    apart = domain_classifier(np.arange(50.0)[:, None], np.arange(50.0)[:, None] + 100, seed=1, permutations=19)
    assert apart.statistic == 1.0 and apart.p_value == 0.05
    same = np.repeat([[1.0], [2.0]], 25, axis=0)
    alike = domain_classifier(same, same, seed=1, permutations=19)
    assert 0 <= alike.statistic <= 1 and alike.p_value > 0.05


def test_mmd_is_its_definition() -> None:
    """The statistic is the unbiased estimate summed pair by pair."""
    rng = np.random.default_rng(20)
    rows = features(np.concatenate([rng.normal(size=(9, 2)), rng.normal(1, 1, size=(7, 2))]))
    distances = np.linalg.norm(rows[:, None] - rows, axis=2)
    bandwidth = np.sqrt(np.median(distances[np.triu_indices(16, 1)] ** 2))
    kernel = np.exp(-(distances**2) / (2 * bandwidth**2))
    before, now, cross = kernel[:9, :9], kernel[9:, 9:], kernel[:9, 9:]
    expected = (before.sum() - 9) / 72 + (now.sum() - 7) / 42 - 2 * cross.mean()
    raw = np.random.default_rng(20)
    score = mmd(raw.normal(size=(9, 2)), raw.normal(1, 1, size=(7, 2)), seed=1, permutations=19)
    assert score.statistic == pytest.approx(expected, rel=1e-9)
    assert score.extras["bandwidth"] == pytest.approx(bandwidth, rel=1e-9)


@given(st.floats(1e-4, 0.5), st.integers(1, 500))
def test_permutations_needed(alpha: float, tests: int) -> None:
    """The smallest p-value reaches alpha/tests, and with one permutation less it would not."""
    needed = permutations_needed(alpha, tests)
    assert 1 / (needed + 1) <= alpha / tests
    assert needed == 1 or 1 / needed > alpha / tests * (1 - 1e-9)


def test_pca_false_alarm_rate() -> None:
    """Of 400 pairs without drift about 5% have p ≤ 0.05 and half p ≤ 0.5: the fit favours neither side."""
    rng = np.random.default_rng(21)
    p_values = np.array(
        [pca_reconstruction(rng.normal(size=(80, 4)), rng.normal(size=(40, 4)), seed=s).p_value for s in range(400)]
    )
    assert 0.02 <= np.mean(p_values <= 0.05) <= 0.09
    assert 0.42 <= np.mean(p_values <= 0.5) <= 0.58


def test_pca_sees_lost_dependence() -> None:
    """Rows that left the reference's line are reconstructed worse, missing values among them or not."""
    rng = np.random.default_rng(22)
    reference = rng.normal(size=(500, 1)) + 0.2 * rng.normal(size=(500, 4))
    current = rng.normal(size=(100, 4))
    current[::7, 1] = np.nan
    score = pca_reconstruction(reference, current, seed=1)
    assert score.statistic > 0.9 and score.p_value < 1e-9
    assert score.extras["components"] == 1
    assert score.extras["current_error"] > 5 * score.extras["reference_error"]
    assert pca_reconstruction(reference, current, seed=1, components=1.0).extras["components"] == 3


def test_nothing_to_compare_has_a_reason() -> None:
    """Empty sides, other columns and constants give no statistic but a reason."""
    rows, empty = np.arange(40.0).reshape(20, 2), np.zeros((0, 2))
    for test in (*TESTS.values(), pca_reconstruction):
        for pair in ((rows, empty), (empty, rows), (rows, rows[:, :1])):
            score = test(*pair, seed=1)
            assert score.statistic is None and score.p_value is None and score.reason
    for test in TESTS.values():
        assert test(np.ones((20, 2)), np.ones((20, 2)), seed=1).reason.startswith("constant")
        assert test(rows, rows[:1], seed=1).reason.startswith("fewer than two rows")
    assert pca_reconstruction(rows[:, :1], rows[:, :1], seed=1).reason == "fewer than two columns"


@pytest.mark.parametrize("name", [*TESTS, "pca"])
def test_any_columns_are_taken(name: str) -> None:
    """Infinite, huge, constant and wholly missing columns and unseen codes raise no warning."""
    rng = np.random.default_rng(23)
    rows = rng.normal(size=(60, 6))
    rows[:, 0], rows[:, 1], rows[::5, 2] = 1.0, np.nan, np.inf
    rows[:, 3] *= 1e300
    rows[:, 5] = rng.integers(-1, 80, 60)
    pair = rows[:35], rows[35:]
    score = pca_reconstruction(*pair, seed=1) if name == "pca" else TESTS[name](*pair, seed=1, categorical=[5])
    assert score.statistic is not None and 0 < score.p_value <= 1
    assert all(value is not None for value in score.to_json().values())


def test_categories_of_equal_frequency_keep_one_order() -> None:
    """The same rows give the same report in every process: no order comes from hashes of texts."""
    script = """
import numpy as np
from drift.multivariate.check_rows import judge_together
from drift.profiles.categorical import Codes
names = tuple(f"city {k}" for k in range(8))
rng = np.random.default_rng(0)
pair = [Codes(rng.permutation(np.repeat(np.arange(8), 25)), names) for _ in range(2)]
print(judge_together([("city", *pair), ("x", rng.normal(size=200), rng.normal(size=200))], 0.05))
"""
    reports = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(reports) == 1
