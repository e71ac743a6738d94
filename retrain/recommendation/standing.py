"""Counters as answers look them up at one moment, by the places of sorted names: of a log that is counted whole, or of
a large one that is followed. Both say the same, bit for bit; what is followed costs its changes."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation import live as following
from retrain.recommendation.changing import ChangingLive, ChangingRows, changed_rows, whole_row
from retrain.recommendation.counters import Counters, at_half_lives, count, merge
from retrain.recommendation.interactions import Codes, Interactions, Names
from retrain.recommendation.live import Events, LiveCounters, absorbed, compacted, live_of
from retrain.recommendation.lookup import cosines, transition_shares
from retrain.recommendation.parts import Live, live_tables, popularities
from retrain.recommendation.popularity import popularity_of_both

NONE = np.zeros(0, np.int64)
MOST_CHANGED = 20
"""What is followed becomes one with its base when the users that changed have more than such a part of all events."""
Lives = tuple[float | None, ...]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True)
class Counted:
    """Counters that each increment is merged with, and their tables."""

    counters: Counters
    live: Live

    @property
    def names(self) -> Names:
        """Of all items (items,), sorted."""
        return self.counters.interactions.items

    @property
    def support(self) -> Codes:
        """How many users had to do with each item (items,)."""
        return self.counters.support

    @property
    def newest_ms(self) -> int:
        """The time of the newest event."""
        return self.counters.interactions.newest_ms

    @property
    def longest(self) -> int:
        """How many of a user's newest items count together."""
        return self.counters.longest

    def __len__(self) -> int:
        return len(self.counters.interactions)

    def popularity_at(self, now_ms: int) -> NDArray[np.float64]:
        """The popularity (half-lives, items) of every item at a moment."""
        return popularities(self.counters, now_ms)

    def events_of(self, user: str) -> Events:
        """Item, time and weight of a user's events, in order of time."""
        events = self.counters.interactions
        place = int(np.searchsorted(events.users, user)) if len(events.users) else 0
        if place >= len(events.users) or events.users[place] != user:
            return NONE, NONE, NONE
        inside = slice(*np.searchsorted(events.user, [place, place + 1]))
        return events.item[inside], events.time_ms[inside], events.weight[inside]

    def covering(self, half_lives_ms: Lives) -> "Counted":
        """With popularities at these half-lives, and no others."""
        return Counted(at_half_lives(self.counters, half_lives_ms), self.live)

    picked = covering

    def with_more(self, events: Interactions) -> "Standing":
        """With more events, some of which may have been there before."""
        before = self.counters
        return standing(merge(before, count(events, before.half_lives_ms, before.longest)))


@dataclass(frozen=True)
class Followed:
    """Counters of a large log: a base with its tables, and what changed since."""

    followed: LiveCounters
    tables: Live
    newest_ms: int
    names: Names
    code: Codes | None = None

    @cached_property
    def place(self) -> Codes | None:
        """The place of each code among the sorted names."""
        return None if self.code is None else np.argsort(self.code)

    @property
    def longest(self) -> int:
        """How many of a user's newest items count together."""
        return self.followed.base.longest

    @cached_property
    def support(self) -> Codes:
        """How many users had to do with each item (items,)."""
        return self._sorted(self.followed.support)

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        base = self.followed.base.interactions
        users = np.fromiter(self.followed.histories, np.int64, len(self.followed.histories))
        before = np.searchsorted(base.user, users + 1) - np.searchsorted(base.user, users)
        return len(base) - int(before.sum()) + self.followed.changed

    def popularity_at(self, now_ms: int) -> NDArray[np.float64]:
        """The popularity (half-lives, items) of every item at a moment."""
        size, live = len(self.names), self.followed
        both = zip(live.base.popularity, live.change.popularity, strict=True)
        return np.stack([self._sorted(popularity_of_both(old, new, now_ms, size)) for old, new in both])

    def events_of(self, user: str) -> Events:
        """Item, time and weight of a user's events, in order of time."""
        code = self.followed.user_code(user)
        if code is None:
            return NONE, NONE, NONE
        item, time_ms, weight = self.followed.events_of(code)
        return (item if self.place is None else self.place[item]), time_ms, weight

    @cached_property
    def live(self) -> ChangingLive:
        """The tables of this moment."""
        size, live = len(self.names), self.followed
        audience = self._sorted(live.audience).astype(np.float64)
        followed, near = changed_rows(live)
        return ChangingLive(
            ChangingRows(
                (size, size), self.tables.transitions, followed, lambda code: whole_row(live, "transitions", code),
                lambda row, _: transition_shares(row), self.code, self.place,
            ),
            ChangingRows(
                (size, size), self.tables.neighbours, near, lambda code: whole_row(live, "together", code),
                lambda row, place: cosines(row, np.array([place]), audience), self.code, self.place,
            ),
        )  # fmt: skip

    def covering(self, half_lives_ms: Lives) -> "Followed":
        """With popularities at these half-lives at least: where one is lacking, all is made one first."""
        if set(half_lives_ms) <= set(self.followed.base.half_lives_ms):
            return self
        lives = dict.fromkeys([*self.followed.base.half_lives_ms, *half_lives_ms])
        whole = at_half_lives(compacted(self.followed), tuple(lives))
        return _followed(whole, self.tables if not self.followed.histories else live_tables(whole))

    def picked(self, half_lives_ms: Lives) -> "Followed":
        """With popularities at these half-lives, which are there, and no others."""
        live = self.followed
        base, change = (_at(one, half_lives_ms) for one in (live.base, live.change))
        return replace(self, followed=replace(live, base=base, change=change))

    def with_more(self, events: Interactions) -> "Standing":
        """With more events, some of which may have been there before; made one with the base when these are many."""
        live = absorbed(self.followed, events)
        if live.changed > max(following.SMALL, len(live.base.interactions) // MOST_CHANGED):
            return standing(compacted(live))
        newest_ms = max(self.newest_ms, events.newest_ms)
        if len(live.names) == len(self.names):
            return replace(self, followed=live, newest_ms=newest_ms)
        code = np.argsort(live.names, kind="stable")
        return Followed(live, self.tables, newest_ms, live.names[code], code)

    def _sorted(self, values: NDArray[Number]) -> NDArray[Number]:
        return values if self.code is None else values[self.code]


Standing = Counted | Followed


def standing(counters: Counters) -> Standing:
    """Of counters of all events: a large log is followed from here on."""
    if len(counters.interactions) <= following.SMALL:
        return Counted(counters, live_tables(counters))
    return _followed(counters, live_tables(counters))


def _followed(counters: Counters, tables: Live) -> Followed:
    return Followed(live_of(counters), tables, counters.interactions.newest_ms, counters.interactions.items)


def _at(one: Counters, half_lives_ms: Lives) -> Counters:
    there = dict(zip(one.half_lives_ms, one.popularity, strict=True))
    return replace(one, popularity=tuple(there[half_life] for half_life in half_lives_ms))
