"""Champion, challenger and popularity on the same held-out moments: what the gate needs to know.

Of the newest two files the events of a fifth of the users are held out: no challenger is trained on them."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.ranking import clustered_error, ndcg
from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Interactions
from retrain.recommendation.judging import Answers, ranks
from retrain.recommendation.moments import Moments
from retrain.recommendation.parts import (
    Scores,
)
from retrain.records.predictions import Floats

HELD_OUT = 5
"""One in so many users."""
NEW = 3
"""A person with at most so many items in the history is new."""
RARE = 0.8
"""The share of all events on the most popular items; others are rare."""
CHUNK = 4_000_000
"""Moments × items that are scored at once: 16 MB a part, about 0.6 GB in all."""


@dataclass(frozen=True)
class Gain:
    """How much NDCG the challenger gains over what it is compared with (negative: loses), the standard error by user,
    and on how many moments; `where` names a slice."""

    gain: float
    se: float | None
    moments: int
    where: str = ""


def held_out(events: Interactions, newest: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which events (n,) a challenger is not trained on: those of `newest` files of one user in HELD_OUT, by name."""
    chosen = np.array([zlib.crc32(str(name).encode()) % HELD_OUT == 0 for name in events.users], bool)
    return np.asarray(newest & chosen[events.user])


def chunks(moments: int, items: int) -> list[slice]:
    """Moments in pieces that fit into memory."""
    step = max(1, CHUNK // max(items, 1))
    return [slice(start, start + step) for start in range(0, moments, step)]


def quality(score: Scores, said: Answers, moments: Moments, exclude_seen: bool) -> Floats:
    """NDCG (moments,) of full rankings by a score (moments or 1, items)."""
    return ndcg(ranks(score, said.allowed(exclude_seen), moments), moments.event, moments.wanted)


def gains(found: Floats, other: Floats, moments: Moments, counters: Counters, least: int) -> tuple[Gain, ...]:
    """Of all moments, of new people and of rare items; slices of fewer than `least` moments are left out."""
    difference, everywhere = found - other, np.ones(len(moments), bool)
    slices = {
        "": everywhere,
        "the person is new": new_people(moments),
        "the item is rare": rare_items(moments, counters),
    }
    return tuple(
        Gain(
            float(difference[mask].mean()),
            clustered_error(difference[mask], moments.user[mask]),
            int(mask.sum()),
            where,
        )
        for where, mask in slices.items()
        if not where or int(mask.sum()) >= least
    )


def new_people(moments: Moments) -> NDArray[np.bool_]:
    """Which moments (n,) are of people with a short history."""
    return np.array([len(one.item) <= NEW for one in moments.histories], bool)


def rare_items(moments: Moments, counters: Counters) -> NDArray[np.bool_]:
    """Which moments (n,) want an item that is not among the most popular ones."""
    support = counters.support
    order = np.lexsort((np.arange(len(support)), -support))
    upto = np.cumsum(support[order]) <= RARE * support.sum()
    rare = np.ones(len(support), bool)
    rare[order[upto]] = False
    return np.bincount(moments.event, rare[moments.target], len(moments)) > 0
