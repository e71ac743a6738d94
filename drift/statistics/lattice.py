"""Exact probabilities of the binomial and the hypergeometric distribution from the ratios of their neighbours.

The same as SciPy's to 1e-12; importing its package of distributions takes longer than a whole comparison of small
files."""

import math

import numpy as np

from drift.statistics.scores import Counts, Floats

REACH = 40
"""So many standard deviations from the mean a probability is below 1e-300."""


def binomial(trials: int, chance: float) -> tuple[int, Floats]:
    """P(k) of k successes in `trials` of `chance` in (0, 1), and the k of the first; what is left out is below 1e-300.

    >>> binomial(2, 0.5)
    (0, array([0.25, 0.5 , 0.25]))
    """
    mode = min(int((trials + 1) * chance), trials)
    reach = int(REACH * math.sqrt(trials * chance * (1 - chance))) + REACH
    first, last = max(mode - reach, 0), min(mode + reach, trials)
    k = np.arange(first, last, dtype=np.float64)
    return first, _from_ratios((trials - k) / (k + 1) * (chance / (1 - chance)), mode - first)


def binomial_at(counts: Counts, trials: int, chance: float) -> Floats:
    """P(k) of whole numbers k ≥ 0, shape (n,).

    >>> binomial_at(np.array([1, 5]), 2, 0.5)
    array([0.5, 0. ])
    """
    first, known = binomial(trials, chance)
    places = counts - first
    inside = (places >= 0) & (places < len(known))
    return np.where(inside, known[np.where(inside, places, 0)], 0.0)


def hypergeometric(total: int, marked: int, drawn: int) -> tuple[int, Floats]:
    """P(k) of k marked ones among `drawn` of `total` of which so many are `marked`, and the least possible k.

    >>> hypergeometric(4, 2, 2)
    (0, array([0.16666667, 0.66666667, 0.16666667]))
    """
    first, last = max(0, drawn + marked - total), min(marked, drawn)
    k = np.arange(first, last, dtype=np.float64)
    mode = min(max((drawn + 1) * (marked + 1) // (total + 2), first), last)
    ratios = (marked - k) * (drawn - k) / ((k + 1) * (total - marked - drawn + k + 1))
    return first, _from_ratios(ratios, mode - first)


def _from_ratios(ratios: Floats, mode: int) -> Floats:
    """Probabilities, shape (n + 1,), whose neighbours have these ratios, the next over the one before, shape (n,)."""
    above = np.cumprod(ratios[mode:])
    below = np.cumprod(1 / ratios[:mode][::-1])[::-1]
    weights = np.concatenate([below, [1.0], above])
    return np.asarray(weights / weights.sum(), dtype=np.float64)
