"""The test of categories never seen before: are there more rows of them than chance explains?"""

from dataclasses import replace

import numpy as np
from scipy import special

from drift.profiles.categorical import CategoricalProfile
from drift.statistics.lattice import binomial_at
from drift.statistics.scores import Counts
from drift.statistics.shares import ShareTest, share_test

MAX_UNSEEN = 20
CERTAIN, REACH, MAX_ROWS = 1e-12, 0.2, 1_000
"""Between these p-values, and up to so many unseen rows, the approximate test is replaced by that of `unseen_tail`."""
NEGLIGIBLE = 1e-18


def unseen_test(reference: CategoricalProfile, current: CategoricalProfile) -> ShareTest:
    """Are there more rows of categories that the reference has not than chance explains?

    Even without drift a category can be new. How often is told by the reference's own rows whose category
    occurs once: each would have been unseen without itself (Good 1953). Their share is `reference`. A p-value within
    reach of a decision is that of `unseen_tail`."""
    if not reference.count or not current.count:
        return ShareTest(None, None, None, "empty")
    if reference.other:
        kept = len(reference.counts)
        return ShareTest(None, None, None, f"the reference keeps only its {kept} most frequent categories")
    fresh = {name: count for name, count in current.counts.items() if name not in reference.counts}
    singles = sum(1 for count in reference.counts.values() if count == 1)
    test = share_test(singles, reference.count, sum(fresh.values()) + current.other, current.count)
    ranked = sorted(fresh, key=lambda name: (-fresh[name], name))
    p_value = test.p_value
    if p_value is not None and test.difference <= 0:
        p_value = 1.0
    elif p_value is not None and CERTAIN < p_value < REACH and sum(fresh.values()) <= MAX_ROWS and not current.other:
        names = reference.counts.keys() | current.counts.keys()
        totals = np.array([reference.counts.get(name, 0) + current.counts.get(name, 0) for name in names])
        p_value = unseen_tail(sum(fresh.values()), totals, current.count)
    return replace(test, p_value=p_value, values=tuple(ranked[:MAX_UNSEEN]))


def unseen_tail(fresh: int, totals: Counts, rows: int) -> float:
    """The chance that `fresh` or more of `rows` rows are of categories that the other rows have not, where nothing
    changed and both together have `totals` of each category, shape (k,).

    A category of c rows is unseen where all of them lie among the `rows`: by dealing all N rows out, (rows)_c/(N)_c
    of the time, and then makes c unseen rows. Categories are taken as independent of each other; they exclude each
    other a little, so the tail is rather too heavy than too light (Joag-Dev and Proschan 1983).

    >>> round(unseen_tail(1, np.array([1, 1, 98]), 10), 3)
    0.19
    """
    total = int(totals.sum())
    below = np.zeros(fresh)
    below[0] = 1.0
    for size, times in zip(*np.unique(totals, return_counts=True), strict=True):
        chance = _all_among(int(size), rows, total)
        if times * chance < NEGLIGIBLE:
            continue
        held = np.zeros(fresh)
        many = np.arange(0, fresh, size)
        held[many] = binomial_at(np.arange(len(many), dtype=np.int64), int(times), chance)
        below = np.convolve(below, held)[:fresh]
    return float(np.clip(1 - below.sum(), 0.0, 1.0))


def _all_among(size: int, rows: int, total: int) -> float:
    """The chance that the `size` rows of a category all lie among `rows` of `total` rows."""
    if size > rows:
        return 0.0
    logs = special.gammaln([rows + 1, total - size + 1, rows - size + 1, total + 1])
    return float(np.exp(logs[0] + logs[1] - logs[2] - logs[3]))
