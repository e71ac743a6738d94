"""Labelled moments: at some time a person chose one item or several. What an answer just before is judged by.

Events of one person at one moment are one basket: nobody knows their order, so they are wanted together, and the
history ends before them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.interactions import Codes, Interactions
from retrain.recommendation.requests import History, history

MOST = 300
"""Moments of one file that are judged: the standard error of a comparison is about 0.015 then."""

MOST_ALIKE = 5
"""Moments of a file at which one person chose one item, that are judged at most: what an account repeats is not to be
what is measured."""


@dataclass(frozen=True)
class Moments:
    """Moments (n,) in order of time: who, when, and the history before; `event` (m,) and `target` (m,) are the wanted
    items, each with the place of its moment."""

    user: Codes
    time_ms: Codes
    histories: tuple[History, ...]
    event: Codes
    target: Codes

    def __len__(self) -> int:
        return len(self.user)

    def first_of_each(self, most: int) -> NDArray[np.bool_]:
        """Which moments (n,) are among the first so many of their person."""
        order = np.argsort(self.user, kind="stable")
        place = np.empty(len(self), np.int64)
        place[order] = np.arange(len(self)) - np.searchsorted(self.user[order], self.user[order])
        return np.asarray(place < most)

    @property
    def repeaters(self) -> tuple[Codes, Codes]:
        """Who wanted again what they had to do with before, and all who had a history: distinct users."""
        warm = np.array([len(one.known) > 0 for one in self.histories], bool)
        return np.unique(self.user[self.event[self.repeats]]), np.unique(self.user[warm])

    @property
    def wanted(self) -> Codes:
        """How many items each moment wanted (n,)."""
        return np.bincount(self.event, minlength=len(self)).astype(np.int64)

    def part(self, which: slice) -> "Moments":
        """Those of a slice of the moments."""
        begin, end, _ = which.indices(len(self))
        inside = (self.event >= begin) & (self.event < end)
        return Moments(
            self.user[which],
            self.time_ms[which],
            self.histories[which],
            self.event[inside] - begin,
            self.target[inside],
        )

    @property
    def repeats(self) -> NDArray[np.bool_]:
        """Which of the wanted items (m,) the person had to do with before."""
        return np.array(
            [target in self.histories[event].known for event, target in zip(self.event, self.target, strict=True)], bool
        )


def joined(parts: Sequence[Moments]) -> Moments:
    """Those of several files, in their order."""
    begins = np.cumsum([0, *(len(one) for one in parts)])
    empty = np.zeros(0, np.int64)
    return Moments(
        np.concatenate([empty, *(one.user for one in parts)]),
        np.concatenate([empty, *(one.time_ms for one in parts)]),
        tuple(history for one in parts for history in one.histories),
        np.concatenate([empty, *(one.event + begin for one, begin in zip(parts, begins, strict=False))]),
        np.concatenate([empty, *(one.target for one in parts)]),
    )


def sampled(events: Interactions, labelled: NDArray[np.bool_], seed: int, most: int = MOST) -> Moments:
    """At most so many moments with events of a mask (n,), drawn by `seed`; histories come from all events before."""
    wanted = np.flatnonzero(labelled & (events.weight > 0))
    user, time_ms = events.user[wanted], events.time_ms[wanted]
    begins = np.flatnonzero(np.r_[True, (np.diff(user) != 0) | (np.diff(time_ms) != 0)]) if len(wanted) else wanted
    ends = np.r_[begins[1:], len(wanted)].astype(np.int64)
    drawn = _unlike(user[begins], events.item[wanted[begins]], seed)
    if len(drawn) > most:
        drawn = np.random.default_rng(seed).choice(drawn, most, replace=False)
    drawn = drawn[np.lexsort((user[begins[drawn]], time_ms[begins[drawn]]))]
    starts = np.searchsorted(events.user, user[begins[drawn]])
    found = [
        _history(events, int(start), int(wanted[begin])) for start, begin in zip(starts, begins[drawn], strict=True)
    ]
    sizes = ends[drawn] - begins[drawn]
    places = np.concatenate([np.zeros(0, np.int64), *(wanted[begins[one] : ends[one]] for one in drawn)])
    return Moments(
        user[begins[drawn]], time_ms[begins[drawn]], tuple(found), np.repeat(np.arange(len(drawn)), sizes),
        events.item[places.astype(np.int64)],
    )  # fmt: skip


def _unlike(user: Codes, item: Codes, seed: int) -> NDArray[np.int64]:
    """The places of moments (n,), sorted, but of each person and item at most MOST_ALIKE, drawn by `seed`."""
    kept = np.ones(len(user), bool)
    _, pair, count = np.unique(np.stack([user, item]), axis=1, return_inverse=True, return_counts=True)
    rng = np.random.default_rng((seed, 1))
    for often in np.flatnonzero(count > MOST_ALIKE):
        inside = np.flatnonzero(pair == often)
        kept[rng.permutation(inside)[MOST_ALIKE:]] = False
    return np.flatnonzero(kept)


def _history(events: Interactions, start: int, place: int) -> History:
    """Of a user whose events begin at `start`, before the moment of the event at `place`."""
    end = start + int(np.searchsorted(events.time_ms[start:place], events.time_ms[place]))
    return history(events, start, end)
