"""Counters of a large set of events that follow a small one: a base that stays, and what changed since.

Counting anew costs as much as all events, adding to the tables as much as the tables. Here an increment costs what it
and the whole histories of its users cost, beside the changes before it: those are signed sums of their own. Once they
are many, `compacted` makes them one with the base: the same bits as of a rebuild."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.counters import Counters, combined, count, merge, recoded_counts
from retrain.recommendation.interactions import Codes, Interactions, Names, canonical, places

SMALL = 300_000
"""Events of a base, up to which an increment is merged with it at once: a fifth of a second."""
Events = tuple[Codes, Codes, Codes]
"""Of one user: item, time and weight, each (n,), in order of time, of equal times by name."""


@dataclass(frozen=True)
class LiveCounters:
    """Counters of `base` and of all events that came since. `users` and `items` have the codes of names that the base
    does not have; codes of the base stay. `histories` are all events of the users whose events changed, `change` what
    their counts differ by from those in the base."""

    base: Counters
    change: Counters
    users: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    histories: Mapping[int, Events] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """Of all items (items,), by code: sorted but for those that the base does not have."""
        return self.change.interactions.items

    @property
    def changed(self) -> int:
        """Events of the users that changed."""
        return sum(len(item) for item, _, _ in self.histories.values())

    @property
    def audience(self) -> Codes:
        """Of how many users each item (items,) is among the newest ones."""
        found = self.change.audience.copy()
        found[: len(self.base.audience)] += self.base.audience
        return found

    @property
    def support(self) -> Codes:
        """How many users had to do with each item (items,)."""
        found = self.change.support.copy()
        found[: len(self.base.support)] += self.base.support
        return found

    def item_code(self, name: str) -> int | None:
        """The code of an item; None of one that nobody had to do with."""
        return self.items.get(name, _place(self.base.interactions.items, name))

    def user_code(self, name: str) -> int | None:
        """The code of a user; None of one without events."""
        return self.users.get(name, _place(self.base.interactions.users, name))

    def events_of(self, user: int) -> Events:
        """All events of a user, by code."""
        if user in self.histories:
            return self.histories[user]
        events = self.base.interactions
        inside = slice(*np.searchsorted(events.user, [user, user + 1])) if user < len(events.users) else slice(0, 0)
        return events.item[inside], events.time_ms[inside], events.weight[inside]


def live_of(base: Counters) -> LiveCounters:
    """Nothing has changed yet."""
    none = base.interactions.part(slice(0, 0))
    return LiveCounters(base, count(none, base.half_lives_ms, base.longest))


def absorbed(live: LiveCounters, events: Interactions) -> LiveCounters:
    """With more events, some of which may have been there before. A small base is merged with them at once."""
    if len(live.base.interactions) <= SMALL:
        counted = count(events, live.base.half_lives_ms, live.base.longest)
        return live_of(merge(compacted(live), counted))
    wider = _named(live, events)
    user = _codes(events.users, wider.users, live.base.interactions.users)[events.user]
    item = _codes(events.items, wider.items, live.base.interactions.items)[events.item]
    touched = np.unique(user)
    before = _gathered(wider, touched)
    added = [np.concatenate(both) for both in zip(before, (user, item, events.time_ms, events.weight), strict=True)]
    old, new = (_counted(wider, *rows) for rows in (before, added))
    histories = {**live.histories, **_by_user(new[1])}
    different = combined(wider.change.interactions, [(new[0], 1), (old[0], -1)])
    change = combined(wider.change.interactions, [(wider.change, 1), (different, 1)])
    return replace(wider, change=change, histories=histories)


def compacted(live: LiveCounters) -> Counters:
    """The counters of all events, names sorted: the same bits as of a rebuild."""
    if not live.histories:
        return live.base
    events, names = live.base.interactions, live.names
    users = np.array([*events.users, *live.users], dtype=object)
    kept = events.where(~np.isin(events.user, np.fromiter(live.histories, np.int64)))
    rows = zip((kept.user, kept.item, kept.time_ms, kept.weight), _gathered(live, list(live.histories)), strict=True)
    user_order, item_order = (np.argsort(one, kind="stable") for one in (users, names))
    user, item, time_ms, weight = (np.concatenate(both) for both in rows)
    sorted_users, user_place = users[user_order], np.argsort(user_order)
    item_place = np.argsort(item_order)
    whole = canonical(sorted_users, names[item_order], user_place[user], item_place[item], time_ms, weight)
    parts = (recoded_counts(one, whole, item_place[: len(one.support)]) for one in (live.base, live.change))
    return combined(whole, [(one, 1) for one in parts])


def _named(live: LiveCounters, events: Interactions) -> LiveCounters:
    """With codes for the names that are new."""
    base = live.base.interactions
    users, items = _more(live.users, events.users, base.users), _more(live.items, events.items, base.items)
    if len(items) == len(live.items):
        return replace(live, users=users)
    names = np.array([*live.names, *list(items)[len(live.items) :]], dtype=object)
    wide = replace(live.change.interactions, items=names)
    return replace(live, users=users, items=items, change=recoded_counts(live.change, wide, np.arange(len(live.names))))


def _more(known: Mapping[str, int], names: Names, base: Names) -> Mapping[str, int]:
    fresh = [name for name, there in zip(names, _among(names, base), strict=True) if not there and name not in known]
    return {**known, **{name: len(base) + len(known) + place for place, name in enumerate(fresh)}} if fresh else known


def _codes(names: Names, more: Mapping[str, int], base: Names) -> Codes:
    found = places(names, base)
    there = _among(names, base)
    found[~there] = [more[name] for name in names[~there]]
    return found


def _among(names: Names, base: Names) -> NDArray[np.bool_]:
    if not len(base):
        return np.zeros(len(names), bool)
    return np.asarray(base[np.minimum(places(names, base), len(base) - 1)] == names, bool)


def _place(names: Names, name: str) -> int | None:
    found = int(np.searchsorted(names, name)) if len(names) else 0
    return found if found < len(names) and names[found] == name else None


def _gathered(live: LiveCounters, users: Sequence[int] | Codes) -> tuple[Codes, Codes, Codes, Codes]:
    """User, item, time and weight of all events of some users."""
    found = [live.events_of(int(user)) for user in users]
    user = np.repeat(np.asarray(users, np.int64), [len(item) for item, _, _ in found])
    item, time_ms, weight = (
        np.concatenate([np.zeros(0, np.int64), *(one[place] for one in found)]) for place in range(3)
    )
    return user, item, time_ms, weight


def _counted(live: LiveCounters, user: Codes, item: Codes, time_ms: Codes, weight: Codes) -> tuple[Counters, Any]:
    """The counters of some users' events by the codes of `live`, and their events in order. They are counted among
    their own names, sorted, since names decide the order of events of one moment."""
    users, of_user = np.unique(user, return_inverse=True)
    items, of_item = np.unique(item, return_inverse=True)
    order = np.argsort(live.names[items])
    rank = np.argsort(order)
    local = canonical(users.astype(object), live.names[items][order], of_user, rank[of_item], time_ms, weight)
    counted = count(local, live.base.half_lives_ms, live.base.longest)
    coded = replace(local, users=users.astype(object), items=live.names, item=items[order][local.item])
    return recoded_counts(counted, live.change.interactions, items[order]), replace(coded, user=users[local.user])


def _by_user(events: Interactions) -> dict[int, Events]:
    users, begins = np.unique(events.user, return_index=True)
    ends = np.r_[begins, len(events)][1:]
    inside = (slice(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True))
    return {
        user: (events.item[part], events.time_ms[part], events.weight[part])
        for user, part in zip(users.tolist(), inside, strict=True)
    }
