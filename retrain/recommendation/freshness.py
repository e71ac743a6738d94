"""Popularity that follows every event: the counters' popularity at a moment, and each later event added at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Codes, Interactions
from retrain.recommendation.popularity import TICKS, ticks

MOST_DOUBLINGS = 900
"""Half-lives after the counted moment, from which on events weigh alike: more would be too large for a number."""


@dataclass(frozen=True)
class Increments:
    """What events (n,) in order of time change: (half-lives, n) added to the popularity of `item`, in the scale of the
    moment `since_ms`; the scale is the same for all items, and so without meaning for their order."""

    time_ms: Codes
    item: Codes
    change: NDArray[np.float64]


def increments(counters: Counters, events: Interactions, later: NDArray[np.bool_], since_ms: int) -> Increments:
    """Of the events of a mask (n,), which the counters (as of `since_ms`) have not seen. A user who comes back to an
    item counts anew in place of before."""
    order = np.lexsort((events.time_ms, events.item, events.user))
    order = order[events.weight[order] > 0]
    user, item, time_ms = events.user[order], events.item[order], events.time_ms[order]
    again = np.r_[False, (np.diff(user) == 0) & (np.diff(item) == 0)] if len(order) else np.zeros(0, bool)
    weight = _running_most(events.weight[order], again)
    before_ms, before = np.r_[0, time_ms[:-1]][: len(order)], np.r_[0, weight[:-1]][: len(order)] * again
    chosen = np.flatnonzero(later[order])
    chosen = chosen[np.lexsort((user[chosen], item[chosen], time_ms[chosen]))]
    change = np.stack([
        weight[chosen] * _scale(time_ms[chosen], one.half_life_ms, since_ms)
        - before[chosen] * _scale(before_ms[chosen], one.half_life_ms, since_ms)
        for one in counters.popularity
    ])  # fmt: skip
    return Increments(time_ms[chosen], item[chosen], change)


def at_moments(popularity: NDArray[np.float64], found: Increments, moments_ms: Codes) -> Iterator[NDArray[np.float64]]:
    """The popularity (half-lives, items) at each moment, oldest first: with all events strictly before it."""
    current, done = popularity.copy(), 0
    for end in np.searchsorted(found.time_ms, moments_ms):
        for row, change in zip(current, found.change, strict=True):
            np.add.at(row, found.item[done:end], change[done:end])
        yield np.maximum(current, 0.0)
        done = int(end)


def _scale(time_ms: Codes, half_life_ms: float | None, since_ms: int) -> NDArray[np.float64]:
    """What an event weighs beside one at `since_ms`."""
    if half_life_ms is None:
        return np.ones(len(time_ms))
    halvings = (ticks(since_ms, half_life_ms) - ticks(time_ms, half_life_ms)) / TICKS
    return np.asarray(np.exp2(np.minimum(-halvings, MOST_DOUBLINGS)))


def _running_most(weight: Codes, again: NDArray[np.bool_]) -> Codes:
    """The largest weight so far of each user's item."""
    found = weight.copy()
    for place in np.flatnonzero(again):
        found[place] = max(found[place], found[place - 1])
    return found
