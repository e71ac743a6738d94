"""Association within files: the right tests, and no more false alarms than stated."""

import numpy as np
from scipy import stats

from retrain.labels.association import class_association, rank_association


def test_of_one_file_it_is_the_rank_sum_test():
    """In one file the test of two classes is Mann-Whitney's, the effect twice its area less one."""
    rng = np.random.default_rng(0)
    lags, classes = rng.integers(0, 6, 300), np.where(rng.random(300) < 0.3, "yes", "no")
    lags = lags + (classes == "yes")
    found = class_association(lags, classes, np.zeros(300))
    yes, no = lags[classes == "yes"], lags[classes == "no"]
    peer = stats.mannwhitneyu(yes, no, use_continuity=False, method="asymptotic")
    assert np.isclose(found.by_class["yes"].p, peer.pvalue, rtol=1e-6)
    assert np.isclose(found.by_class["yes"].effect, 2 * peer.statistic / (len(yes) * len(no)) - 1)
    assert np.isclose(found.p, peer.pvalue, rtol=1e-6)


def test_of_many_classes_it_is_kruskal_wallis():
    """In one file the test of all classes together is Kruskal's and Wallis's."""
    rng = np.random.default_rng(1)
    lags, classes = rng.integers(0, 9, 400), rng.choice(["a", "b", "c"], 400)
    peer = stats.kruskal(*(lags[classes == name] for name in "abc"))
    assert np.isclose(class_association(lags, classes, np.zeros(400)).p, peer.pvalue, rtol=1e-6)


def test_numbers_are_compared_by_their_ranks():
    """In one file the effect is Spearman's correlation."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    assert np.isclose(rank_association(x, y, np.zeros(200)).effect, stats.spearmanr(x, y).statistic)


def test_what_differs_between_files_does_not_count():
    """Class shares and lags that change from file to file, but are independent in each, are no association."""
    rng = np.random.default_rng(3)
    file = np.repeat(np.arange(20), 200)
    classes = np.where(rng.random(4000) < file / 25 + 0.1, "yes", "no")
    lags = file + rng.integers(0, 5, 4000)
    found = class_association(lags, classes, file)
    assert found.p > 0.01
    assert found.surely_within(0.1)


def test_false_alarms_are_as_rare_as_stated():
    """Of independent arrivals five in a hundred are below p = 0.05, also where neighbouring rows are alike."""
    rng = np.random.default_rng(4)
    file, block = np.repeat(np.arange(12), 100), np.repeat(np.arange(120), 10)
    alone, alike = [], []
    for _ in range(200):
        alone.append(class_association(rng.integers(0, 5, 1200), rng.integers(0, 2, 1200), file).p)
        lags, shares = rng.integers(0, 5, 120)[block], rng.random(120)[block]
        alike.append(class_association(lags, (rng.random(1200) < shares).astype(int), file).p)
    assert np.mean(np.array(alone) < 0.05) <= 0.08
    assert np.mean(np.array(alike) < 0.05) <= 0.12


def test_nothing_is_told_where_nothing_varies():
    """One class, one lag or no row: no evidence either way, and independence is not shown."""
    one = class_association(np.arange(5), np.full(5, "yes"), np.zeros(5))
    same = class_association(np.zeros(6), np.array(list("ababab")), np.zeros(6))
    none = rank_association(np.array([]), np.array([]), np.array([]))
    assert not one.surely_within(0.5)
    assert not same.surely_within(0.5)
    assert not none.surely_within(0.5)
    assert one.p == same.p == none.p == 1.0
