"""How many users had to do with each item and how long ago: popularity at a half-life, as sums of whole numbers.

Each user counts an item once, as of the last time, so that one account cannot buy the top."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.interactions import UNIT, Codes, Interactions

TICKS = 16
"""Steps of a half-life that times are counted in: a weight is at most 4.4 % off, and the sums are exact."""
FEWEST_USERS = 100
"""Of a popularity, halved as they are: fewer say little about items, and a few accounts could buy the top."""
REACH = 32
"""Half-lives before the newest event, beyond which nothing is kept: it would weigh less than 1 / 4,000,000,000."""

Entries = tuple[Codes, Codes, Codes]
"""Tick, item and users, each (k,)."""


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


def borrowed(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Popularities (half-lives, …, items), the longest last, in which `FEWEST_USERS` count at least: what a half-life
    lacks is spread as the shortest longer one counts that has so many, else the longest. After a gap in the log, in
    which all that was before has decayed, the first event else would be all that is popular."""
    total = popularity.sum(axis=-1, keepdims=True)
    lacking = np.maximum(FEWEST_USERS * UNIT - total, 0.0)
    if not lacking[:-1].any():
        return popularity
    found, lender = popularity.copy(), popularity[-1]
    for place in range(len(found) - 2, -1, -1):
        share = lender / np.maximum(lender.sum(axis=-1, keepdims=True), 1.0)
        found[place] += lacking[place] * share
        lender = np.where(lacking[place] > 0, lender, popularity[place])
    return found


def summed_popularity(parts: Sequence[tuple[Popularity, int]]) -> Popularity:
    """The sum of counts with their signs: the smaller ones are added to the largest, which is not sorted again."""
    largest = max(range(len(parts)), key=lambda place: len(parts[place][0].tick))
    rest = [part for place, part in enumerate(parts) if place != largest]
    large, sign = parts[largest]
    none = np.zeros(0, np.int64)
    tick, item = (np.concatenate([none, *(getattr(one, name) for one, _ in rest)]) for name in ("tick", "item"))
    small = _added(tick, item, np.concatenate([none, *(sign * one.users for one, sign in rest)]))
    return Popularity(large.half_life_ms, *_inserted((large.tick, large.item, sign * large.users), small))


def popularity_of_both(large: Popularity, small: Popularity, now_ms: int, items: int) -> NDArray[np.float64]:
    """The popularity (items,) of a sum of counts at a moment, bit for bit that of `summed_popularity`: only items that
    the smaller part has are summed anew. An entry of the smaller part may be negative."""
    if not len(small.tick):
        return large.at(now_ms, items)
    anew = np.zeros(items, bool)
    anew[small.item] = True
    again = anew[large.item]
    apart = Popularity(large.half_life_ms, *(one[again] for one in (large.tick, large.item, large.users)))
    both = summed_popularity([(apart, 1), (small, 1)])
    others = np.flatnonzero(~again)
    last = max([*both.tick[-1:].tolist(), *large.tick[others[-1:]].tolist()], default=0)
    since = last - REACH * TICKS
    kept = np.asarray((large.tick >= since) & ~again)
    found = _weighed(large, kept, last, now_ms, items)
    found[anew] = _weighed(both, both.tick >= since, last, now_ms, items)[anew]
    return found


def _weighed(one: Popularity, kept: NDArray[np.bool_], last: int, now_ms: int, items: int) -> NDArray[np.float64]:
    """The popularity (items,) of some entries, as `at` has it where `last` is the newest tick of all."""
    tick, item, users = one.tick[kept], one.item[kept], one.users[kept]
    if one.half_life_ms is None:
        return np.asarray(np.bincount(item, users, items))
    now = int(ticks(now_ms, one.half_life_ms))
    if now >= last:
        newest = np.bincount(item, users * np.exp2((tick - last) / TICKS), items)
        return np.asarray(newest * np.exp2((last - now) / TICKS))
    return np.asarray(np.bincount(item, users * np.exp2(np.minimum(0.0, (tick - now) / TICKS)), items))


def placed(one: Popularity, item: Codes) -> Popularity:
    """The same counts with each item at another place; nothing is sorted where they stay in their order."""
    if bool(np.all(np.diff(item) > 0)):
        return replace(one, item=item[one.item])
    return Popularity(one.half_life_ms, *_added(one.tick, item[one.item], one.users))


def _added(tick: Codes, item: Codes, users: Codes) -> Entries:
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


def _inserted(large: Entries, small: Entries) -> Entries:
    """The sum of two lists of entries, both in order."""
    if not len(small[0]) or not len(large[0]):
        return _within(*(large if len(large[0]) else small))
    since, bits = min(large[0][0], small[0][0]), int(max(large[1].max(), small[1].max())).bit_length()
    key, more = (((tick - since) << bits) | item for tick, item, _ in (large, small))
    at = np.searchsorted(key, more)
    there = key[np.minimum(at, len(key) - 1)] == more
    users = large[2].copy()
    users[at[there]] += small[2][there]
    added = (np.insert(one, at[~there], new[~there]) for one, new in zip((*large[:2], users), small, strict=True))
    return _within(*added)


def _within(tick: Codes, item: Codes, users: Codes) -> Entries:
    """Entries without those of 0, and those out of reach of the newest."""
    kept = users != 0
    if kept.any():
        kept &= tick >= tick[np.flatnonzero(kept)[-1]] - REACH * TICKS
    return tick[kept], item[kept], users[kept]


def _by_tick_and_item(tick: Codes, item: Codes) -> NDArray[np.int64]:
    bits = int(item.max()).bit_length()
    return np.argsort(((tick - tick.min()) << bits) | item)
