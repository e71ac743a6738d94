"""Lists for people: what one version answers with at one moment, for all that are asked for in one request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.server.recommendation.asked import Asked
from daemon.server.recommendation.live import Own
from daemon.server.recommendation.served import Moment, ServedRecommender
from drift.notation import agreed, counted
from retrain.recommendation.answering import Basis, Ranked, Wanted, history_of, rank, reasons, similar
from retrain.recommendation.interactions import Codes
from retrain.recommendation.requests import History, history_of_events

PERSONAL, POPULARITY, AUDIENCE = "personal", "popularity", "audience"
NOBODY = "no events of this user are known: what is popular"
NOTHING_KNOWN = "no item of this history is known: what is popular"
UNKNOWN_ITEM = "nobody had to do with this item yet"


@dataclass(frozen=True)
class One:
    """A list: for whom, names and scores, the source of each item and of all, why it is as it is, and reasons."""

    name: str | None
    items: list[str]
    scores: list[float]
    sources: list[str]
    source: str
    reason: str | None = None
    because: list[list[tuple[str, float]]] | None = None


@dataclass(frozen=True)
class Lists:
    """All lists of an answer, with the time of the newest event that was counted."""

    lists: tuple[One, ...]
    as_of_ms: int

    def __len__(self) -> int:
        return len(self.lists)

    def difference(self, other: "Lists") -> float:
        """The sum over lists of the share of items that the other does not have in its list."""
        return sum(
            1 - len(set(one.items) & set(two.items)) / max(len(one.items), len(two.items), 1)
            for one, two in zip(self.lists, other.lists, strict=True)
            if one.items or two.items
        )


@dataclass(frozen=True)
class Seen:
    """Whether and for how long items that a person had to do with are left out of lists: True, False or for so many
    seconds; "auto" is as the blend learned."""

    rule: Any

    def of(self, moment: Moment, item: Codes, time_ms: Codes, now_ms: int) -> Codes:
        """The items that are left out, of a person's events."""
        rule = moment.base.blend.exclude_seen if self.rule == "auto" else self.rule
        if isinstance(rule, bool):
            return np.unique(item) if rule else item[:0]
        return np.unique(item[time_ms > now_ms - rule * 1e3])


@dataclass(frozen=True)
class Asking:
    """What all lists of a request share: which version at which moment, what may be in a list."""

    moment: Moment
    asked: Asked
    seen: Seen
    now_ms: int
    allowed: NDArray[np.bool_] | None = None

    @property
    def base(self) -> Basis:
        """Of all answers of the moment."""
        return self.moment.base

    def all(self, own: Own) -> Lists:
        """For all people, the anonymous one, or all items of the request."""
        asked = self.asked
        if asked.history is not None:
            found = [self._anonymous()]
        else:
            found = [self._person(user, own) for user in asked.users] + [self._similar(item) for item in asked.items]
        return Lists(tuple(found), self.moment.as_of_ms)

    def _person(self, user: str, own: Own) -> One:
        item, time_ms, weight = with_own(self.moment, user, own)
        return self._list(
            user, history_of_events(item, weight), self.seen.of(self.moment, item, time_ms, self.now_ms), NOBODY
        )

    def _anonymous(self) -> One:
        assert self.asked.history is not None
        item = self.base.places(list(self.asked.history))
        now = np.full(len(item), self.now_ms)
        return self._list(None, history_of(item), self.seen.of(self.moment, item, now, self.now_ms), NOTHING_KNOWN)

    def _list(self, name: str | None, history: History, seen: Codes, cold: str) -> One:
        wanted = self._wanted(seen)
        found = rank(self.base, history, wanted)
        because = None
        if self.asked.explain:
            because = [
                [(str(self.base.items[place]), share) for place, share in of_item]
                for of_item in (reasons(self.base, history, found.items) if found.warm else [[] for _ in found.items])
            ]
        sources = [PERSONAL if personal else POPULARITY for personal in found.personal]
        reasons_why = [] if found.warm else [cold]
        if len(found.items) < self.asked.k:
            reasons_why.append(self._too_few(len(found.items), wanted, len(seen)))
        return One(
            name,
            self._names(found),
            found.scores.tolist(),
            sources,
            PERSONAL if found.warm else POPULARITY,
            "; ".join(reasons_why) or None,
            because,
        )

    def _similar(self, item: str) -> One:
        place = self.base.places([item])
        if not len(place):
            return One(item, [], [], [], AUDIENCE, UNKNOWN_ITEM)
        found = similar(self.base, int(place[0]), self._wanted(place))
        names = self._names(found)
        few = f"fewer than k: {len(names):,} known items share people with this one and may be in the list"
        return One(
            item,
            names,
            found.scores.tolist(),
            [AUDIENCE] * len(names),
            AUDIENCE,
            few if len(names) < self.asked.k else None,
        )

    def _names(self, found: Ranked) -> list[str]:
        return [str(name) for name in self.base.items[found.items]]

    def _wanted(self, seen: Codes) -> Wanted:
        excluded = self.base.places(list(self.asked.exclude)) if self.asked.exclude else seen[:0]
        candidates = None if self.asked.candidates is None else self.base.places(list(self.asked.candidates))
        return Wanted(self.asked.k, np.concatenate([seen, excluded]), self.allowed, candidates)

    def _too_few(self, count: int, wanted: Wanted, seen: int) -> str:
        """Why a list is shorter than asked for: what left items out."""
        asked, limits = self.asked, []
        if wanted.candidates is not None:
            unknown = len(set(asked.candidates or ())) - len(np.unique(wanted.candidates))
            of_none = f" ({unknown:,} of them {agreed(unknown, 'are')} of no event)" if unknown else ""
            limits.append(f"candidates{of_none}")
        if self.allowed is not None:
            limits.append("filter and availability")
        if len(wanted.left_out) > seen:
            limits.append("exclude")
        if seen:
            limits.append("what was seen")
        known = f"{int(self.base.known.sum()):,} known items"
        if not limits:
            return f"fewer than k: {counted(int(self.base.known.sum()), 'known item')} in all may be recommended"
        return f"fewer than k: {count:,} of {known} {agreed(count, 'are')} left by {', '.join(limits)}"


def with_own(moment: Moment, user: str, own: Own) -> tuple[Codes, Codes, Codes]:
    """Item, time and weight of a person's events in order of time, those too that are not counted yet; of items that
    nobody else had to do with nothing can be said."""
    item, time_ms, weight = moment.events_of(user)
    waiting = own.get(user)
    if not waiting:
        return item, time_ms, weight
    codes = {name: moment.base.places([name]) for _, name, _ in waiting}
    known = [(time, int(codes[name][0]), worth) for time, name, worth in waiting if len(codes[name])]
    more = np.array(known, np.int64).reshape(-1, 3)
    time_ms, item, weight = (np.concatenate([one, more[:, place]]) for place, one in enumerate((time_ms, item, weight)))
    order = np.lexsort((-weight, item, time_ms))
    fresh = np.r_[True, (np.diff(time_ms[order]) != 0) | (np.diff(item[order]) != 0)] if len(order) else []
    order = order[np.asarray(fresh, bool)]
    return item[order], time_ms[order], weight[order]


def asking(served: ServedRecommender, asked: Asked, seen: Seen, now_ms: int, allowed: Any = None) -> Asking | None:
    """What a version is asked at its moment; None where it has none yet."""
    return None if served.moment is None else Asking(served.moment, asked, seen, now_ms, allowed)


def to_json(one: One, key: str) -> Mapping[str, Any]:
    """As the answer has it; `key` says whom the list is for."""
    entries: list[Mapping[str, Any]] = [
        {"item": item, "score": score, "source": source}
        for item, score, source in zip(one.items, one.scores, one.sources, strict=True)
    ]
    if one.because is not None:
        entries = [
            {**entry, "because": [{"item": item, "share": round(share, 4)} for item, share in because]}
            for entry, because in zip(entries, one.because, strict=True)
        ]
    who: dict[str, Any] = {} if one.name is None else {key: one.name}
    why = {} if one.reason is None else {"reason": one.reason}
    return {**who, "items": entries, "source": one.source, **why}


def names(lists: Sequence[One]) -> list[list[str]]:
    """The items of all lists."""
    return [one.items for one in lists]
