"""The parts of the blend: what each says of every item for a request, between 0 and 1.

Popularities are the same for all requests of a moment; the other parts come from the history. Each is divided by its
maximum for the request, since only the order within a request counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.cooccurrence import WINDOW
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.lookup import similarities, transition_shares
from retrain.recommendation.popularity import borrowed
from retrain.recommendation.requests import Requests

Scores = NDArray[np.float32]
"""(requests, items), single precision."""

HALF_LIVES = (0.125, 0.5, 2.0, 8.0, None)
"""Of the popularities, in batches (files); None is for ever."""
PERSONAL = ("ease", "ease_recent", "transitions", "neighbours", "own_count", "own_recent")
"""The parts that need a history, in the order of features."""
SLOW, FAST = 0.9, 0.7
"""What a place further back in the history weighs: of EASE, of neighbours and own items."""
TOP = 50
"""Items at the top of each part, among which candidates are drawn for what is learned."""
FLOOR = 1e-4
"""The share of the largest popularity that stands for less, in logarithms."""


@dataclass(frozen=True)
class Live:
    """What the live parts look up: of each item of a history (row), what the counters say for others (column)."""

    transitions: sparse.csr_array
    neighbours: sparse.csr_array


def live_tables(counters: Counters) -> Live:
    """Of the counters as they are now."""
    return Live(transition_shares(counters.transitions), similarities(counters))


def popularities(counters: Counters, now_ms: int) -> NDArray[np.float64]:
    """The popularity (half-lives, items) of every item at a moment."""
    size = len(counters.interactions.items)
    return np.stack([one.at(now_ms, size) for one in counters.popularity])


@dataclass(frozen=True)
class Part:
    """What one part says: `scores` (requests or 1, items)."""

    scores: Scores

    @cached_property
    def top(self) -> NDArray[np.int64]:
        """The places (requests or 1, TOP) of the items with the largest scores, in no order."""
        count = min(TOP, self.scores.shape[1])
        return np.asarray(np.argpartition(-self.scores, count - 1, axis=1)[:, :count])


@dataclass(frozen=True)
class Popular:
    """The popularities as parts, by half-life; `features` (features, requests or 1, items) are their values and their
    logarithms."""

    parts: tuple[Part, ...]
    features: NDArray[np.float32]


def popular_parts(popularity: NDArray[np.float64]) -> Popular:
    """Of popularities (half-lives, requests or 1, items) as counted, the longest last."""
    scaled = scaled_popularity(borrowed(popularity))
    logs = 1 + np.log(np.maximum(scaled, np.float32(FLOOR))) / np.float32(-np.log(FLOOR))
    return Popular(tuple(Part(one) for one in scaled), np.concatenate([scaled, logs]))


def live_parts(requests: Requests, live: Live, items: int) -> dict[str, Part]:
    """What the parts say that need a history and no version, by their names."""
    near = np.where(requests.place < WINDOW, 1.0 / (requests.place + 1), 0.0)
    recent = FAST**requests.place
    return {
        "transitions": _looked_up(requests, near, live.transitions),
        "neighbours": _looked_up(requests, recent, live.neighbours),
        "own_count": Part(_scaled(requests.weighted(requests.count, items).toarray())),
        "own_recent": Part(_scaled(requests.weighted(recent, items).toarray())),
    }


def trained_parts(requests: Requests, version: ItemWeights) -> dict[str, Part]:
    """What a trained version says of a history: of all its items alike, and of the recent ones more."""
    return {
        "ease": _looked_up(requests, np.ones(len(requests.place)), version.table),
        "ease_recent": _looked_up(requests, SLOW**requests.place, version.table),
    }


def scaled_popularity(popularity: NDArray[np.float64]) -> Scores:
    """Each popularity (…, items) divided by its maximum, in double precision: counts as of long before their events are
    too large for single precision."""
    most, found = popularity.max(axis=-1, keepdims=True), np.empty(popularity.shape, np.float32)
    return np.divide(popularity, np.where(most > 0, most, 1.0), out=found, casting="same_kind")


def _looked_up(requests: Requests, weights: NDArray[Any], table: sparse.csr_array) -> Part:
    return Part(_scaled((requests.weighted(weights, table.shape[0]) @ table).toarray()))


def _scaled(scores: Scores) -> Scores:
    most = scores.max(axis=1, keepdims=True) if scores.shape[1] else np.ones((len(scores), 1), np.float32)
    np.maximum(scores, 0, out=scores)
    scores /= np.where(most > 0, most, np.float32(1))
    return scores


def names(half_lives: Sequence[float | None] = HALF_LIVES) -> tuple[str, ...]:
    """All parts, as results call them."""
    return (*(f"popularity_{'all' if one is None else f'{one:g}'}" for one in half_lives), *PERSONAL)
