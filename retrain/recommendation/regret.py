"""What a fresh version would have gained on a file: small versions of equal size, one as old as the served one, one
trained just before the file. The daemon's assessments and the replay add up the same numbers."""

from dataclasses import replace

from retrain.metrics.ranking import clustered_error
from retrain.recommendation.blend import Blend
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import EaseSettings, ItemWeights, fit
from retrain.recommendation.interactions import Codes
from retrain.recommendation.scene import START, Scene, with_versions
from retrain.records.predictions import Floats

TWIN_ITEMS = 1000
"""The items of the small versions that are trained at every file to see what a fresh one gains: an EASE of them takes
a thirtieth of the time, and NDCG is 0 to 4 % lower."""
LEVEL = 0.1
"""The share of the served NDCG that a retrain's price is a share of, in place of a loss: nobody can earn most of 1 −
NDCG. With the price of 0.5, a retrain pays once a fresh version would have gained 5 % of one file's NDCG in sum."""
SMOOTHED = 0.1
"""The share of a new file in the served NDCG that gains are divided by."""
LEAST = 1e-3
"""Of the served NDCG, so that gains over nothing stay finite."""


def small(counters: Counters, settings: EaseSettings) -> ItemWeights:
    """A small version of what was counted."""
    return fit(counters, replace(settings, items=TWIN_ITEMS))


def served_level(before: float, newest: float) -> float:
    """The smoothed NDCG of what is served, after one more file; `before` is 0 at first.

    >>> served_level(0.0, 0.2), round(served_level(0.2, 0.1), 3)
    (0.2, 0.19)
    """
    return newest if not before else (1 - SMOOTHED) * before + SMOOTHED * newest


def gain(
    scene: Scene,
    fresh: ItemWeights,
    old: ItemWeights,
    blend: Blend,
    exclude_seen: bool,
    level: float,
    clock: str = START,
) -> tuple[float, float, int]:
    """What the fresh one gains over the old one with the served blend: the mean, its standard error by user, both as
    shares of the served NDCG, and the moments."""
    found = with_versions(scene, {"fresh": fresh, "old": old}, blend, exclude_seen, clock)
    return relative(found["fresh"] - found["old"], scene.moments.user, level)


def relative(difference: Floats, users: Codes, level: float) -> tuple[float, float, int]:
    """A difference (n,) of NDCG as a share of what is served."""
    level = max(level, LEAST)
    error = clustered_error(difference, users) or 0.0
    return (float(difference.mean()) if len(difference) else 0.0) / level, error / level, len(difference)
