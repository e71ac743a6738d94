"""Interactions: who had to do with which item, and when. A set in canonical order, whatever the order of arrival."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Names = NDArray[np.object_]
"""Texts, sorted and each once; a code is the place of a name."""

COLUMNS = ("user", "item", "time_ms", "weight")
UNIT = 1000
"""A weight of 1, in the whole numbers that weights are kept in: sums of these are exact in any order."""


@dataclass(frozen=True)
class Interactions:
    """Events (n,) sorted by user, then time, then item; of one user, item and moment there is one.

    `user` and `item` are places in `users` and `items`, `time_ms` milliseconds since 1970, `weight` thousandths; an
    event of weight 0, one that was not positive, says that the user knows the item, and teaches nothing else."""

    users: Names
    items: Names
    user: Codes
    item: Codes
    time_ms: Codes
    weight: Codes

    def __len__(self) -> int:
        return len(self.user)

    @property
    def newest_ms(self) -> int:
        """The time of the newest event; 0 of none."""
        return int(self.time_ms.max()) if len(self) else 0

    def where(self, mask: NDArray[np.bool_]) -> "Interactions":
        """The events of a mask (n,), with all names."""
        return self if mask.all() else self.part(mask)

    def part(self, which: NDArray[np.bool_] | slice) -> "Interactions":
        """Some of the events, with all names; a slice copies nothing."""
        kept = {name: getattr(self, name)[which] for name in COLUMNS}
        return replace(self, **kept)

    def positive(self) -> "Interactions":
        """The events that teach."""
        return self.where(self.weight > 0)

    def starts(self) -> Codes:
        """Where each user's events begin, and at last their number: (users + 1,)."""
        return np.searchsorted(self.user, np.arange(len(self.users) + 1)).astype(np.int64)


def interactions_of(users: Sequence[Any], items: Sequence[Any], time_ms: Any, weight: Any = None) -> Interactions:
    """Of names (n,), times and weights (n,) in thousandths, in any order. Repetitions of one event are one event, with
    the largest weight.

    >>> interactions_of(["b", "a", "a"], ["x", "x", "x"], [2, 1, 1]).time_ms.tolist()
    [1, 2]
    """
    user_names, user = coded(users)
    item_names, item = coded(items)
    return canonical(user_names, item_names, user, item, np.asarray(time_ms, np.int64), _weights(weight, len(user)))


def canonical(users: Names, items: Names, user: Codes, item: Codes, time_ms: Codes, weight: Codes) -> Interactions:
    """Of codes in any order: sorted, each event once."""
    order = in_order(user, item, time_ms, weight)
    user, item, time_ms, weight = user[order], item[order], time_ms[order], weight[order]
    fresh = np.ones(len(user), bool)
    fresh[1:] = (user[1:] != user[:-1]) | (time_ms[1:] != time_ms[:-1]) | (item[1:] != item[:-1])
    return Interactions(users, items, user, item, time_ms, weight).where(fresh)


def in_order(user: Codes, item: Codes, time_ms: Codes, weight: Codes) -> NDArray[np.int64]:
    """The order by user, time, item and falling weight. User and time are one number where they fit, which sorts
    several times as fast; only what they leave equal is sorted further."""
    if not len(user):
        return np.zeros(0, np.int64)
    since = int(time_ms.min())
    bits = (int(time_ms.max()) - since).bit_length()
    if bits + int(user.max()).bit_length() > 63:
        return np.lexsort((-weight, item, time_ms, user))
    key = (user << bits) | (time_ms - since)
    order = np.argsort(key)
    key = key[order]
    equal = np.zeros(len(key) + 1, bool)
    equal[1:-1] = key[1:] == key[:-1]
    tied = np.flatnonzero(equal[1:] | equal[:-1])
    among = order[tied]
    order[tied] = among[np.lexsort((-weight[among], item[among], key[tied]))]
    return order


def joined(a: Interactions, b: Interactions) -> Interactions:
    """The union of two sets of events."""
    users, items = union(a.users, b.users), union(a.items, b.items)
    large, small = sorted((recoded(one, users, items) for one in (a, b)), key=len, reverse=True)
    both = np.zeros(len(users), bool)
    both[small.user] = True
    of_both = both[large.user]
    again = [np.concatenate([getattr(large, name)[of_both], getattr(small, name)]) for name in COLUMNS]
    mixed, alone = canonical(users, items, *again), large.where(~of_both)
    at = np.searchsorted(alone.user, mixed.user)
    return Interactions(users, items, *(np.insert(getattr(alone, name), at, getattr(mixed, name)) for name in COLUMNS))


def recoded(one: Interactions, users: Names, items: Names) -> Interactions:
    """The same events by the places of their names among more names."""
    user = one.user if users is one.users else places(one.users, users)[one.user]
    item = one.item if items is one.items else places(one.items, items)[one.item]
    return replace(one, users=users, items=items, user=user, item=item)


def coded(names: Sequence[Any]) -> tuple[Names, Codes]:
    """The distinct names, sorted, and each one's place."""
    distinct, codes = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    return distinct, codes.astype(np.int64)


def union(a: Names, b: Names) -> Names:
    """All names of both; the first array itself where it has all of the second."""
    if a is b or not len(b):
        return a
    at = np.searchsorted(a, b)
    fresh = np.ones(len(b), bool) if not len(a) else np.asarray(a[np.minimum(at, len(a) - 1)] != b, bool)
    return np.insert(a, at[fresh], b[fresh]) if fresh.any() else a


def places(names: Names, among: Names) -> Codes:
    """Where each name is among more names, sorted."""
    if names is among:
        return np.arange(len(names), dtype=np.int64)
    return np.searchsorted(among, names).astype(np.int64)


def _weights(weight: Any, count: int) -> Codes:
    return np.full(count, UNIT, np.int64) if weight is None else np.asarray(weight, np.int64)
