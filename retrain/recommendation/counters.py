"""Live layers: exact counts of interactions that follow every event without training.

A user's events give whole numbers; a counter is their sum over users. So counters of two sets of events merge into
those of the union, bit for bit, whatever the order of files: users that both know are counted anew, all others are
added. For the same reason a large set is counted a chunk of users at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation import cooccurrence
from retrain.recommendation.cooccurrence import clean, summed, together, transitions
from retrain.recommendation.interactions import Codes, Interactions, joined, places, recoded
from retrain.recommendation.popularity import Popularity, pairs, placed, popularity, summed_popularity

LONGEST = 50
"""The newest items of one user that occur together, unless told otherwise: a user costs the square of this, and with
200 NDCG is no higher."""
LONGESTS = (LONGEST, 30, 20, 15, 10)
MOST_PAIRS = 250_000_000
"""Pairs of items that all users together may make: about 2 GB where hardly any is made twice."""
CHUNK = 1 << 20
"""Events that are counted at once, in about 0.5 GB."""
Sum = TypeVar("Sum")


@dataclass(frozen=True)
class Counters:
    """What is counted of a set of events. `transitions` (items × items) has what led from an item (row) to another
    (column), `together` how many users had to do with both of two items, of the `longest` newest of each user;
    `support` (items,) how many users had to do with each item."""

    interactions: Interactions
    popularity: tuple[Popularity, ...]
    transitions: sparse.csr_array
    together: sparse.csr_array
    support: Codes
    longest: int = LONGEST

    @cached_property
    def audience(self) -> Codes:
        """Of how many users each item (items,) is among the newest ones: the diagonal of `together`."""
        return np.asarray(self.together.diagonal(), np.int64)

    @property
    def half_lives_ms(self) -> tuple[float | None, ...]:
        """Those of the popularities."""
        return tuple(one.half_life_ms for one in self.popularity)


def count(interactions: Interactions, half_lives_ms: tuple[float | None, ...], longest: int = LONGEST) -> Counters:
    """The counters of a set of events: a rebuild."""
    size = len(interactions.items)
    popular = [_Running[Popularity](lambda a, b: summed_popularity([(a, 1), (b, 1)])) for _ in half_lives_ms]
    followed, both = (_Running[sparse.csr_array](lambda a, b: a + b) for _ in range(2))
    support = np.zeros(size, np.int64)
    for events in _chunks(interactions.positive()):
        found = pairs(events)
        for running, half_life in zip(popular, half_lives_ms, strict=True):
            running.add(popularity(found, half_life))
        followed.add(transitions(events))
        both.add(together(found, size, longest))
        support += np.bincount(found.item, minlength=size)
    return Counters(
        interactions,
        tuple(one.total() for one in popular),
        clean(followed.total()),
        clean(both.total()),
        support,
        longest,
    )


def longest_for(interactions: Interactions) -> int:
    """How many of the newest items of one user are to occur together, so that all users' pairs stay within MOST_PAIRS.
    A version keeps to what it was trained with."""
    size = np.bincount(interactions.user, minlength=1)
    fits = (longest for longest in LONGESTS if int((np.minimum(size, longest) ** 2).sum()) <= MOST_PAIRS)
    return next(fits, LONGESTS[-1])


def at_half_lives(counted: Counters, half_lives_ms: tuple[float | None, ...]) -> Counters:
    """The same with popularities at these half-lives: those that are there already, and others counted now."""
    there = {one.half_life_ms: one for one in counted.popularity}
    lacking = [one for one in half_lives_ms if one not in there]
    if lacking:
        found = pairs(counted.interactions.positive())
        there |= {one: popularity(found, one) for one in lacking}
    return replace(counted, popularity=tuple(there[one] for one in half_lives_ms))


def merge(a: Counters, b: Counters) -> Counters:
    """The counters of the union of the events of both: the same bits as of a rebuild. b may be one event or a million;
    a's bounds are kept."""
    half_lives, longest = a.half_lives_ms, a.longest
    if b.longest != longest:
        b = count(b.interactions, half_lives, longest)
    both = joined(a.interactions, b.interactions)
    parts = [_recoded(one, both) for one in (a, b)]
    shared = np.logical_and(*(_there(one.interactions.user, len(both.users)) for one in parts))
    again = [count(one.interactions.where(shared[one.interactions.user]), half_lives, longest) for one in parts]
    anew = count(both.where(shared[both.user]), half_lives, longest)
    return combined(both, [*((one, 1) for one in (*parts, anew)), *((one, -1) for one in again)])


def combined(events: Interactions, parts: list[tuple[Counters, int]]) -> Counters:
    """The counters of `events` as a sum of counters with signs, all by the places of the same items."""
    popular = tuple(
        summed_popularity([(one.popularity[k], sign) for one, sign in parts])
        for k in range(len(parts[0][0].popularity))
    )
    followed, both = (
        summed([(getattr(one, name), sign) for one, sign in parts]) for name in ("transitions", "together")
    )
    support = sum((sign * one.support for one, sign in parts), np.zeros(len(events.items), np.int64))
    return Counters(events, popular, followed, both, support, parts[0][0].longest)


def recoded_counts(one: Counters, events: Interactions, item: Codes) -> Counters:
    """The same counts for events by other places of items: `item` has the place of each. Users do not matter."""
    size = len(events.items)
    popular = tuple(placed(popular, item) for popular in one.popularity)
    followed, both = (cooccurrence.recoded(table, item, size) for table in (one.transitions, one.together))
    support = np.zeros(size, np.int64)
    support[item] = one.support
    return Counters(events, popular, followed, both, support, one.longest)


def _recoded(one: Counters, both: Interactions) -> Counters:
    """The same counts by the places of their names among more names."""
    events = one.interactions
    if events.items is both.items and events.users is both.users:
        return one
    named = recoded(events, both.users, both.items)
    if events.items is both.items:
        return replace(one, interactions=named)
    return recoded_counts(one, named, places(events.items, both.items))


def _there(codes: Codes, size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, bool)
    found[codes] = True
    return found


def _chunks(events: Interactions) -> Iterator[Interactions]:
    """Whole users, at most about CHUNK events of them at once; one chunk at least."""
    step = max(1, min(CHUNK, cooccurrence.most_users(len(events.items))))
    begin = 0
    while begin < len(events) or begin == 0:
        end = min(begin + step, len(events))
        if end > begin:
            end = int(np.searchsorted(events.user, events.user[end - 1], side="right"))
        yield events.part(slice(begin, end))
        if end >= len(events):
            return
        begin = end


class _Running(Generic[Sum]):
    """A sum of many parts, added in pairs of like sizes: each part is touched a logarithm of times."""

    def __init__(self, plus: Callable[[Sum, Sum], Sum]) -> None:
        self._plus, self._sums = plus, list[tuple[int, Sum]]()

    def add(self, part: Sum) -> None:
        """One more."""
        level = 0
        while self._sums and self._sums[-1][0] == level:
            part, level = self._plus(self._sums.pop()[1], part), level + 1
        self._sums.append((level, part))

    def total(self) -> Sum:
        """Of all that was added, one part at least."""
        total = self._sums.pop()[1]
        while self._sums:
            total = self._plus(self._sums.pop()[1], total)
        return total
