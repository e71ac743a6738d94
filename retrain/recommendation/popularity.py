"""How many users had to do with each item and how long ago: popularity at a half-life, as sums of whole numbers.

Each user counts an item once, as of the last time, so that one account cannot buy the top."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.interactions import Codes, Interactions

TICKS = 16
"""Steps of a half-life that times are counted in: a weight is at most 4.4 % off, and the sums are exact."""
REACH = 32
"""Half-lives before the newest event, beyond which nothing is kept: it would weigh less than 1 / 4,000,000,000."""


@dataclass(frozen=True)
class Pairs:
    """Each user with each of its items once, of the events that teach: (k,) sorted by user and item; when last, and the
    largest weight."""

    user: Codes
    item: Codes
    last_ms: Codes
    weight: Codes


@dataclass(frozen=True)
class Popularity:
    """Users by item and tick of the time at which they last had to do with it, for one half-life: (k,) sorted by tick
    and item; `users` in thousandths. A half-life of None is for ever."""

    half_life_ms: float | None
    tick: Codes
    item: Codes
    users: Codes

    def at(self, now_ms: int, items: int) -> NDArray[np.float64]:
        """The popularity (items,) of each item at a moment: each user halved with every half-life since its event."""
        if self.half_life_ms is None or not len(self.tick):
            return self._padded(items)
        now = int(ticks(now_ms, self.half_life_ms))
        if now >= self.tick[-1]:
            return np.asarray(self._padded(items) * np.exp2((int(self.tick[-1]) - now) / TICKS))
        halvings = np.minimum(0.0, (self.tick - now) / TICKS)
        return np.asarray(np.bincount(self.item, self.users * np.exp2(halvings), items))

    @cached_property
    def _newest(self) -> NDArray[np.float64]:
        """The popularity at the newest tick: that of a later moment is a share of it."""
        if self.half_life_ms is None or not len(self.tick):
            return np.asarray(np.bincount(self.item, self.users))
        return np.asarray(np.bincount(self.item, self.users * np.exp2((self.tick - self.tick[-1]) / TICKS)))

    def _padded(self, items: int) -> NDArray[np.float64]:
        found = np.zeros(items)
        found[: len(self._newest)] = self._newest
        return found


def pairs(events: Interactions) -> Pairs:
    """Each user with each of its items once, of events that all teach."""
    if not len(events):
        return Pairs(events.user, events.item, events.user, events.user)
    key = (events.user << len(events.items).bit_length()) | events.item
    order = np.argsort(key)
    key = key[order]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    first = order[begins]
    last, weight = (np.maximum.reduceat(one[order], begins) for one in (events.time_ms, events.weight))
    return Pairs(events.user[first], events.item[first], last, weight)


def ticks(time_ms: Codes | int, half_life_ms: float) -> Codes:
    """The ticks of a half-life in which moments lie."""
    return np.asarray(np.floor_divide(time_ms, max(1, round(half_life_ms / TICKS))), np.int64)


def popularity(found: Pairs, half_life_ms: float | None) -> Popularity:
    """Of users with their items."""
    tick = np.zeros(len(found.item), np.int64) if half_life_ms is None else ticks(found.last_ms, half_life_ms)
    return Popularity(half_life_ms, *_added(tick, found.item, found.weight))


def summed_popularity(parts: Sequence[tuple[Popularity, int]]) -> Popularity:
    """The sum of counts with their signs."""
    tick, item = (np.concatenate([getattr(one, name) for one, _ in parts]) for name in ("tick", "item"))
    users = np.concatenate([sign * one.users for one, sign in parts])
    return Popularity(parts[0][0].half_life_ms, *_added(tick, item, users))


def _added(tick: Codes, item: Codes, users: Codes) -> tuple[Codes, Codes, Codes]:
    """One entry for each tick and item within reach of the newest, those of 0 left out."""
    if not len(tick):
        return tick, item, users
    within = tick >= tick.max() - REACH * TICKS
    tick, item, users = tick[within], item[within], users[within]
    order = _by_tick_and_item(tick, item)
    tick, item, users = tick[order], item[order], users[order]
    begins = np.flatnonzero(np.r_[True, (tick[1:] != tick[:-1]) | (item[1:] != item[:-1])])
    total = np.add.reduceat(users, begins)
    kept = total != 0
    return tick[begins][kept], item[begins][kept], total[kept]


def _by_tick_and_item(tick: Codes, item: Codes) -> NDArray[np.int64]:
    bits = int(item.max()).bit_length()
    return np.argsort(((tick - tick.min()) << bits) | item)
