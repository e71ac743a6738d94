"""The energy distance."""

import math

import numpy as np
import scipy

from drift.statistics.cramer_von_mises import distinct
from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfSamples


def energy_distance(reference: Floats | Sample, current: Floats | Sample) -> Score:
    """√(2E|X − Y| − E|X − X′| − E|Y − Y′|) = √(2 ∫(F − G)²), in the root of the column's unit; shapes (n,), (m,).

    Equal to `scipy.stats.energy_distance` (Székely and Rizzo 2013). `normalized` divides it by √(2E|X − Y|): 0
    for equal distributions, 1 for two different constants.

    >>> round(energy_distance(np.array([0.0]), np.array([2.0])).statistic, 9)
    2.0
    """
    left, right = sample(reference), sample(current)
    if not len(left) or not len(right):
        return nothing("empty", is_test=False)
    points, f, c = distinct(left, right)
    before, now = np.cumsum(f)[:-1] / len(left), np.cumsum(c)[:-1] / len(right)
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.diff(points)
        squared = 2 * float(np.sum((before - now) ** 2 * gaps))
        apart = 2 * float(np.sum((before * (1 - now) + now * (1 - before)) * gaps))
    if not math.isfinite(apart):
        return nothing("values too large to add up", is_test=False)
    if apart == 0:
        reason = "both sides are the same constant, so the distance has no scale"
        return Score(0.0, None, {"normalized": None}, reason, is_test=False)
    normalized = math.sqrt(min(squared / apart, 1.0))
    return Score(math.sqrt(squared), None, {"normalized": normalized}, is_test=False)


STATISTIC = OfSamples(
    name="energy_distance",
    title="energy distance",
    what="√(2 ∫(F − G)²), as in `scipy.stats.energy_distance`; `normalized` is 1 for two different constants",
    source="Székely and Rizzo 2013",
    function=energy_distance,
    oracle=lambda reference, current: (scipy.stats.energy_distance(reference, current), None),
)
