"""Far tails: a check of many columns decides at p-values of a few in 10,000, where approximations are worst."""

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.calibration import Setting, rates
from drift.check.unseen import unseen_tail, unseen_test
from drift.profiles.categorical import CategoricalProfile
from drift.statistics.chi_squared import chi_squared
from drift.statistics.pearson_tail import pearson_moments, pearson_tail
from drift.statistics.shares import share_test

TOTALS = np.array([440, 220, 110, 110])
ROWS = 40


def _all_tables(totals: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Every way to deal `rows` rows out to four categories, with its Pearson statistic and its probability."""
    grid = np.stack(np.meshgrid(*[np.arange(rows + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = np.column_stack([grid, rows - grid.sum(axis=1)])
    grid = grid[(grid >= 0).all(axis=1) & (grid <= totals).all(axis=1)]
    total = totals.sum()
    off = (grid - totals * rows / total) ** 2
    statistic = (off / totals).sum(axis=1) * total**2 / (rows * (total - rows))
    logs = special.gammaln(totals + 1) - special.gammaln(grid + 1) - special.gammaln(totals - grid + 1)
    logs = logs.sum(axis=1) - special.gammaln(total + 1) + special.gammaln([rows + 1, total - rows + 1]).sum()
    return statistic, np.exp(logs)


@pytest.mark.parametrize(("totals", "rows"), [(TOTALS, ROWS), (np.array([9, 1, 5, 2]), 6), (np.array([3, 3, 3, 3]), 6)])
def test_the_moments_of_pearsons_statistic_are_exact(totals: np.ndarray, rows: int) -> None:
    """Mean, variance and third moment are those of all tables with these margins."""
    statistic, chance = _all_tables(totals, rows)
    mean = chance @ statistic
    centred = statistic - mean
    expected = [mean, chance @ centred**2, chance @ centred**3]
    assert chance.sum() == pytest.approx(1) and pearson_moments(totals, rows) == pytest.approx(expected, rel=1e-9)


def test_the_moments_do_not_cancel_for_many_rows() -> None:
    """Of millions of rows they are those of chi-squared: k − 1, 2 (k − 1) and 8 (k − 1)."""
    found = pearson_moments(np.array([10**8, 3 * 10**7, 2 * 10**7, 10**7]), 10**6)
    assert found == pytest.approx((3, 6, 24), rel=1e-3)


def test_a_sparse_table_is_judged_as_all_its_tables_say() -> None:
    """Where five are expected p-values far out are the exact ones, those by moments are about them down to 0.001, and
    chi-squared's are a third too small there."""
    statistic, chance = _all_tables(TOTALS, ROWS)
    order = np.argsort(-statistic)
    tail = np.cumsum(chance[order])
    for level in (1e-2, 2e-3, 1e-3):
        at = int(np.searchsorted(tail, level))
        assert 0.8 < pearson_tail(float(statistic[order][at]), TOTALS, ROWS) / tail[at] < 1.2
    assert stats.chi2.sf(statistic[order][at], 3) < 0.75 * tail[at]
    for current in ([11, 8, 6, 15], [26, 0, 3, 11], [12, 8, 14, 6]):
        found = chi_squared(TOTALS - current, np.array(current))
        true = chance[statistic >= found.statistic * (1 - 1e-9)].sum()
        assert 0.99 * true < found.p_value < 1.06 * true
    assert found.p_value > 1.3 * stats.chi2.sf(found.statistic, 3)


def test_a_table_too_large_to_add_up_is_judged_by_its_moments() -> None:
    """With hundreds of sparse categories the p-value is by exact moments, not chi-squared's."""
    before, now = np.full(150, 80), np.tile([5, 11], 75)
    now[:12] += 8
    found = chi_squared(before, now)
    expected = pearson_tail(found.statistic, before + now, int(now.sum()))
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert 0 < found.p_value < 0.02 and found.p_value != pytest.approx(stats.chi2.sf(found.statistic, 149), rel=0.02)


def test_a_dense_table_keeps_the_p_value_of_chi_squared() -> None:
    """With 25 rows expected everywhere even a far p-value is scipy.stats.chi2_contingency's."""
    table = np.array([[300, 200, 160], [30, 80, 30]])
    expected = stats.chi2_contingency(table)
    assert expected.pvalue < 1e-6 and chi_squared(*table).p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_two_sparse_categories_far_out_are_fishers() -> None:
    """With fewer than 25 rows expected a decisive p-value of two categories is Fisher's exact one."""
    table = np.array([[940, 60], [85, 15]])
    assert share_test(60, 1_000, 15, 100).p_value == pytest.approx(stats.fisher_exact(table)[1], rel=1e-9)


def test_unseen_categories_are_as_likely_as_dealing_the_rows_out_says() -> None:
    """Among 50 categories of 100 + 100 rows the unseen tail is at most a little too heavy, and never too light; a test
    of two shares says less than half of it."""
    rng = np.random.default_rng(0)
    totals = np.array(
        [44, 22, 15, 11, 9, 7, 6, 6, 5, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2, 2, *[1] * 25, 2, 2, 2, 2, 2, 2, 2]
    )
    rows = int(totals.sum()) // 2
    dealt = rng.multivariate_hypergeometric(totals, rows, size=200_000)
    fresh = np.where(dealt == totals, totals, 0).sum(axis=1)
    for rows_unseen in (16, 20, 24, 27):
        found, true = unseen_tail(rows_unseen, totals, rows), float(np.mean(fresh >= rows_unseen))
        assert 0.95 * true < found < 6 * true + 1e-4


def test_new_categories_in_a_check_are_no_alarm_by_chance() -> None:
    """One check of 100 rows with 14 new names, 2 of the reference's 100 rows being single ones, is judged by both
    sides' single names together."""
    reference = CategoricalProfile({"a": 50, "b": 48, "c": 1, "d": 1}, 0)
    current = CategoricalProfile({"a": 46, "b": 40} | {f"x{k}": 1 for k in range(14)}, 0)
    found = unseen_test(reference, current).p_value
    assert found == pytest.approx(stats.binom.sf(13, 16, 0.5), rel=1e-6)


def test_many_rare_categories_alarm_within_the_budget() -> None:
    """Batches of 100 rows of 20 columns of 50 categories, the reference ten times as long: at 5 % no more than 5 %."""
    setting = Setting(rows=100, ratio=10, numeric=0, categorical=20, categories=50, references=30, checks=10)
    found = rates(setting, (0.05,), seed=1)[0.05]
    assert found.mean <= 0.05 + found.se
