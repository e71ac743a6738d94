"""The first Wasserstein distance."""

import numpy as np
import scipy

from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfNumbers, Pair

MAX_ERROR = 1e-3
"""Of a distance that is bounded by counts, in standard deviations of the reference; what is less sure is left out."""


def wasserstein(reference: Floats | Sample, current: Floats | Sample, reference_sd: float | None = None) -> Score:
    """The area between two distribution functions, in the column's unit; shapes (n,) and (m,).

    Equal to `scipy.stats.wasserstein_distance`. `normalized` divides it by the reference's standard deviation
    (`reference_sd` where the caller knows it better); `error` bounds how far that is off: 0, it is exact.

    >>> round(wasserstein(np.arange(100.0), np.arange(100.0) + 50).statistic, 9)
    50.0
    """
    left, right = sample(reference), sample(current)
    if not len(left) or not len(right):
        return nothing("empty", is_test=False)
    with np.errstate(over="ignore", invalid="ignore"):
        distance = _area(left, right)
        sd = left.sd if reference_sd is None else reference_sd
    return normalized(distance, sd)


def normalized(distance: float, sd: float, error: float = 0.0) -> Score:
    """A distance with what it is in standard deviations of the reference; `error`, in the column's unit, bounds how
    far it is off.

    >>> normalized(2.0, 4.0, 0.004).to_json()
    {'statistic': 2.0, 'normalized': 0.5, 'error': 0.001}
    """
    if not np.isfinite(distance):
        return nothing("values too large to add up", is_test=False)
    if not np.isfinite(sd) or sd <= 0:
        reason = "the reference is constant, so the distance has no scale"
        return Score(distance, None, {"normalized": None, "error": None}, reason, is_test=False)
    return Score(distance, None, {"normalized": distance / sd, "error": error / sd}, None, is_test=False)


def _area(reference: Sample, current: Sample) -> float:
    """∫|F − G| from the current points: O(m log n).

    Between two neighbours of the sorted current values G = j/m is constant and F monotone, so they cross
    once, at the reference's order statistic ⌈jn/m⌉. With A(t) = ∫ F up to t = (N(t) t − P(N(t)))/n, P the
    prefix sums of the reference, each piece is two look-ups.
    """
    n, m = len(reference), len(current)
    points = current.values - reference.centre
    ranks = np.searchsorted(reference.values, current.values, side="right")
    at_points = (ranks * points - reference.prefix[ranks]) / n
    steps = np.arange(1, m)
    crossing = -(-steps * n // m)
    crossed = reference.values[crossing - 1] - reference.centre
    at_crossing = (crossing * crossed - reference.prefix[crossing]) / n
    before, after = points[:-1], points[1:]
    middle = np.clip(crossed, before, after)
    at_middle = np.clip(at_crossing, at_points[:-1], at_points[1:])
    level = steps / m
    pieces = level * (2 * middle - before - after) + at_points[1:] + at_points[:-1] - 2 * at_middle
    beyond = (reference.prefix[n] - reference.prefix[ranks[-1]] - (n - ranks[-1]) * points[-1]) / n
    return max(float(at_points[0] + np.sum(pieces) + beyond), 0.0)


def _of_pair(pair: Pair) -> Score:
    if pair.samples is not None:
        return wasserstein(*pair.samples, pair.sd)
    if pair.area_error > MAX_ERROR * pair.sd:
        return nothing("the values spread too far for the bound of 0.001 standard deviations", is_test=False)
    return normalized(pair.area, pair.sd, pair.area_error)


STATISTIC = OfNumbers(
    name="wasserstein",
    title="Wasserstein",
    what="area between the distribution functions, also in standard deviations of the reference (`normalized`); `error`"
    " bounds how far that is off, at most 0.001; 0 with `--exact`",
    source="Vallender 1974",
    function=wasserstein,
    of_pair=_of_pair,
    oracle=lambda reference, current: (scipy.stats.wasserstein_distance(reference, current), None),
)
