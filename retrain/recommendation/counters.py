"""Live layers: exact counts of interactions that follow every event without training.

A user's events give whole numbers; a counter is their sum over users. So counters of two sets of events merge into
those of the union, bit for bit, whatever the order of files: users that both know are counted anew, all others are
added. Each user counts once an item and once a transition, so that one account cannot buy the top."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.interactions import Codes, Interactions, joined, places, recoded

TICKS = 16
"""Steps of a half-life that times are counted in: a weight is at most 4.4 % off, and the sums are exact."""
WINDOW = 5
"""Events of a user after an item that it leads to."""
NEAR = 60
"""What a transition to the next event counts; one to the d-th counts NEAR / d, a whole number up to WINDOW."""
LONGEST = 200
"""The newest items of one user that occur together: the cost of a user is the square of this."""


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
        if self.half_life_ms is None:
            return np.asarray(np.bincount(self.item, self.users, items))
        halvings = np.minimum(0.0, (self.tick - ticks(now_ms, self.half_life_ms)) / TICKS)
        return np.asarray(np.bincount(self.item, self.users * np.exp2(halvings), items))


@dataclass(frozen=True)
class Counters:
    """What is counted of a set of events. `transitions` (items × items) has what led from an item (row) to another
    (column), `together` how many users had to do with both; on its diagonal: with the item."""

    interactions: Interactions
    popularity: tuple[Popularity, ...]
    transitions: sparse.csr_array
    together: sparse.csr_array

    @property
    def support(self) -> Codes:
        """How many users had to do with each item."""
        return np.asarray(self.together.diagonal())


def count(interactions: Interactions, half_lives_ms: tuple[float | None, ...]) -> Counters:
    """The counters of a set of events: a rebuild."""
    taught = interactions.positive()
    found = pairs(taught)
    popular = tuple(_popularity(found, half_life) for half_life in half_lives_ms)
    return Counters(interactions, popular, _transitions(taught), _together(found, len(taught.users), len(taught.items)))


def merge(a: Counters, b: Counters) -> Counters:
    """The counters of the union of the events of both: the same bits as of a rebuild. b may be one event or a
    million."""
    half_lives = tuple(one.half_life_ms for one in a.popularity)
    both = joined(a.interactions, b.interactions)
    parts = [_recoded(one, both) for one in (a, b)]
    shared = np.logical_and(*(_there(one.interactions.user, len(both.users)) for one in parts))
    again = [count(one.interactions.where(shared[one.interactions.user]), half_lives) for one in parts]
    anew = count(both.where(shared[both.user]), half_lives)
    every = [*((one, 1) for one in (*parts, anew)), *((one, -1) for one in again)]
    popular = tuple(
        _summed_popularity([(one.popularity[k], sign) for one, sign in every]) for k in range(len(half_lives))
    )
    tables = [_summed([(getattr(one, name), sign) for one, sign in every]) for name in ("transitions", "together")]
    return Counters(both, popular, *tables)


def _there(codes: Codes, size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, bool)
    found[codes] = True
    return found


def pairs(events: Interactions) -> Pairs:
    """Each user with each of its items once, of events that all teach."""
    order = np.lexsort((events.time_ms, events.item, events.user))
    user, item = events.user[order], events.item[order]
    if not len(user):
        return Pairs(user, item, user, user)
    begins = np.flatnonzero(np.r_[True, (np.diff(user) != 0) | (np.diff(item) != 0)])
    last = np.maximum.reduceat(events.time_ms[order], begins)
    return Pairs(user[begins], item[begins], last, np.maximum.reduceat(events.weight[order], begins))


def ticks(time_ms: Codes | int, half_life_ms: float) -> Codes:
    """The ticks of a half-life in which moments lie."""
    return np.asarray(np.floor_divide(time_ms, max(1, round(half_life_ms / TICKS))), np.int64)


def _popularity(found: Pairs, half_life_ms: float | None) -> Popularity:
    tick = np.zeros(len(found.item), np.int64) if half_life_ms is None else ticks(found.last_ms, half_life_ms)
    return Popularity(half_life_ms, *_added(tick, found.item, found.weight))


def _added(tick: Codes, item: Codes, users: Codes) -> tuple[Codes, Codes, Codes]:
    """One entry for each tick and item, those of 0 left out."""
    if not len(tick):
        return tick, item, users
    order = np.lexsort((item, tick))
    tick, item, users = tick[order], item[order], users[order]
    begins = np.flatnonzero(np.r_[True, (np.diff(tick) != 0) | (np.diff(item) != 0)])
    total = np.add.reduceat(users, begins)
    kept = total != 0
    return tick[begins][kept], item[begins][kept], total[kept]


def _summed_popularity(parts: list[tuple[Popularity, int]]) -> Popularity:
    tick, item = (np.concatenate([getattr(one, name) for one, _ in parts]) for name in ("tick", "item"))
    users = np.concatenate([sign * one.users for one, sign in parts])
    return Popularity(parts[0][0].half_life_ms, *_added(tick, item, users))


def _transitions(events: Interactions) -> sparse.csr_array:
    """From each item to those of the next WINDOW events at later moments, NEAR / distance; of one user once, the
    nearest."""
    size = len(events.items)
    keys, values = [], []
    for distance in range(1, WINDOW + 1):
        before, after = slice(None, -distance), slice(distance, None)
        follows = (events.user[before] == events.user[after]) & (events.time_ms[before] < events.time_ms[after])
        user, a, b = (array[follows] for array in (events.user[before], events.item[before], events.item[after]))
        keys.append((user * size + a) * size + b)
        values.append(np.full(len(a), NEAR // distance, np.int64))
    key, value = np.concatenate(keys), np.concatenate(values)
    once, at = np.unique(key, return_index=True)
    pair = once % (size * size) if size else once
    return _table(pair // max(size, 1), pair % max(size, 1), value[at], size)


def _together(found: Pairs, users: int, items: int) -> sparse.csr_array:
    """How many users had to do with both of two items, of the newest LONGEST of each user."""
    order = np.lexsort((found.item, -found.last_ms, found.user))
    user, item = found.user[order], found.item[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    kept = place < LONGEST
    ones = np.ones(int(kept.sum()), np.int64)
    had = sparse.csr_array((ones, (user[kept], item[kept])), shape=(users, items))
    return _clean(sparse.csr_array(had.T @ had))


def _table(row: Codes, column: Codes, value: Codes, size: int) -> sparse.csr_array:
    return _clean(sparse.csr_array((value, (row, column)), shape=(size, size)))


def _summed(parts: list[tuple[sparse.csr_array, int]]) -> sparse.csr_array:
    total = parts[0][0] * parts[0][1]
    for table, sign in parts[1:]:
        total = total + table * sign
    return _clean(total)


def _clean(table: sparse.csr_array) -> sparse.csr_array:
    """In the one form that equal tables share."""
    table = sparse.csr_array(table)
    table.sum_duplicates()
    table.eliminate_zeros()
    table.sort_indices()
    return table


def _recoded(one: Counters, both: Interactions) -> Counters:
    """The same counts by the places of their names among more names."""
    events = one.interactions
    if events.items is both.items and events.users is both.users:
        return one
    item, size = places(events.items, both.items), len(both.items)
    popular = tuple(Popularity(p.half_life_ms, p.tick, item[p.item], p.users) for p in one.popularity)
    tables = []
    for table in (one.transitions, one.together):
        found = table.tocoo()
        tables.append(_table(item[found.row], item[found.col], found.data, size))
    return Counters(recoded(events, both.users, both.items), popular, *tables)
