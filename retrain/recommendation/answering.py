"""Answers to one request: the blend's best items for a history, at once.

The order and the scores are those of `judging.scores`, bit for bit: the same sums in the same order, but of one
request, and only of the rows of tables that its history looks up. What all requests of a moment share is computed
once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.blend import Blend
from retrain.recommendation.changing import ChangingLive, ChangingRows, rows_of
from retrain.recommendation.cooccurrence import WINDOW
from retrain.recommendation.counters import Counters
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.interactions import Codes, Names
from retrain.recommendation.judging import popular_score
from retrain.recommendation.lookup import Row
from retrain.recommendation.parts import FAST, SLOW, Live, Popular, Scores, popular_parts
from retrain.recommendation.requests import LONGEST, History
from retrain.recommendation.standing import Counted, Standing

NOTHING = np.zeros(0, np.int64)
NEVER = np.float32(-np.inf)
"""The score of what may not be in a list."""
BLOCKS = 64
"""Scores of which one maximum is taken, so that hardly any are sorted."""
MOST_REASONS = 3
"""Items of the history that an explanation names."""
LOOKED_UP = ("ease", "ease_recent", "transitions", "neighbours")
"""The parts that look up rows of a table, in the order in which they are added."""
TABLE_OF = {"ease_recent": "ease"}
"""Parts that look up what another does: all rows of a history."""
Table: TypeAlias = sparse.csr_array | ChangingRows


@dataclass(frozen=True)
class Basis:
    """What all answers of a moment share: counters' items (names, sorted), which of them may be recommended, tables,
    the version's weights, and the scores (items,) that popularity alone gives people with a history and without."""

    items: Names
    known: NDArray[np.bool_]
    live: Live | ChangingLive
    version: ItemWeights
    blend: Blend
    warm: Scores
    cold: Scores

    @cached_property
    def factors(self) -> Mapping[str, np.float32]:
        """The weights of the personal parts that have one."""
        return {name: np.float32(weight) for name, weight in self.blend.warm.items() if weight}

    def places(self, names: list[str]) -> Codes:
        """Where items are, in their order; those that no counter knows are left out."""
        if not len(self.items):
            return NOTHING
        asked = np.array(names, dtype=object)
        at = np.minimum(np.searchsorted(self.items, asked), len(self.items) - 1).astype(np.int64)
        return at[self.items[at] == asked] if len(asked) else NOTHING


@dataclass(frozen=True)
class Wanted:
    """How many items, which are `left_out` (k,), and which alone are `allowed` (items,) or `candidates` (k,)."""

    count: int = 10
    left_out: Codes = field(default_factory=lambda: NOTHING)
    allowed: NDArray[np.bool_] | None = None
    candidates: Codes | None = None


@dataclass(frozen=True)
class Ranked:
    """The best places, best first, their scores, which of them the history speaks for, and whether there was one."""

    items: Codes
    scores: Scores
    personal: NDArray[np.bool_]
    warm: bool


@dataclass(frozen=True)
class _Taken:
    """Rows of a table, one after the other: of each how many places, these, and what is said for them."""

    rows: Codes
    sizes: list[int]
    indices: NDArray[np.int32]
    data: Scores


@dataclass(frozen=True)
class _Part:
    """What a table says for all items (items,), with the rows that were looked up and what each weighs."""

    name: str
    scores: Scores
    rows: Codes
    weights: Scores
    most: np.float32


def basis(
    counters: Counters, live: Live, version: ItemWeights, blend: Blend, now_ms: int,
    available: NDArray[np.bool_] | None = None,
) -> Basis:  # fmt: skip
    """Of counters at a moment, their tables, and a version by the places of the same items; without those that are not
    `available` (items,)."""
    return basis_of(Counted(counters, live), version, blend, now_ms, available)


def basis_of(
    standing: Standing, version: ItemWeights, blend: Blend, now_ms: int, available: NDArray[np.bool_] | None = None
) -> Basis:
    """The same of counters that are followed."""
    known = standing.support > 0 if available is None else (standing.support > 0) & available
    if not len(standing.names):
        none = np.zeros(0, np.float32)
        return Basis(standing.names, known, standing.live, version, blend, none, none)
    popular: Popular = popular_parts(standing.popularity_at(now_ms)[:, None])
    warm, cold = (np.where(known, popular_score(popular, one)[0], NEVER) for one in (blend.warm, blend.cold))
    return Basis(standing.names, known, standing.live, version, blend, warm, cold)


def rank(base: Basis, history: History, wanted: Wanted) -> Ranked:
    """The best items for a history; without one by popularity alone."""
    warm = len(history.item) > 0 and len(base.items) > 0
    if not warm:
        found = _best(_restricted(base.cold.copy(), wanted), wanted.count)
        return Ranked(found, base.cold[found], np.zeros(len(found), bool), False)
    total, parts = _blended(base, history)
    kept = _restricted(total, wanted)
    found = _best(kept, wanted.count)
    return Ranked(found, kept[found], _spoken_for(base, history, parts, found), True)


def reasons(base: Basis, history: History, items: Codes) -> list[list[tuple[int, float]]]:
    """For each item the others of the history that speak most for it, with their shares of what these say."""
    total = np.zeros((len(history.item), len(items)))
    order = np.argsort(history.item)
    for part in _parts(base, history):
        table = _rows(_table(base, part.name), part.rows)[:, items].toarray()
        said = table * (part.weights * base.factors[part.name] / part.most)[:, None]
        total[order[np.searchsorted(history.item[order], part.rows)]] += np.maximum(said, 0)
    total[history.item[:, None] == items] = 0.0  # no item is its own reason
    whole = total.sum(axis=0)
    best = np.argsort(-total, axis=0, kind="stable")[:MOST_REASONS]
    return [
        [(int(history.item[row]), float(total[row, at] / whole[at])) for row in best[:, at] if total[row, at] > 0]
        for at in range(len(items))
    ]


def similar(base: Basis, item: int, wanted: Wanted) -> Ranked:
    """The items whose audiences are most like one's, by the counters."""
    scores = np.full(len(base.items), NEVER)
    indices, data = _row(base.live.neighbours, item)
    scores[indices] = data
    scores[~base.known] = NEVER
    scores[item] = NEVER
    found = _best(_restricted(scores, wanted), wanted.count)
    return Ranked(found, scores[found], np.ones(len(found), bool), True)


def history_of(items: Codes) -> History:
    """Of places in order of time, the newest last, as an anonymous person names them."""
    distinct, first, count = np.unique(items[::-1], return_index=True, return_counts=True)
    order = np.argsort(first)[:LONGEST]
    return History(distinct[order], count[order].astype(np.int64), distinct)


def _blended(base: Basis, history: History) -> tuple[Scores, list[_Part]]:
    """The score (items,) of every item."""
    total, factors = base.warm.copy(), base.factors
    parts = _parts(base, history)
    for part in parts:
        total += part.scores * factors[part.name]
    recent = (FAST ** np.arange(len(history.item))).astype(np.float32)
    for name, own in (("own_count", history.count.astype(np.float32)), ("own_recent", recent)):
        if name in factors:
            total[history.item] += factors[name] * (own / own.max())
    if "seen" in factors:
        total[history.known] += factors["seen"]
    return total, parts


def _parts(base: Basis, history: History) -> list[_Part]:
    """What the tables say of a history."""
    order = np.argsort(history.item)
    rows, place = history.item[order], order
    weights = {
        "ease": np.ones(len(rows)), "ease_recent": SLOW**place, "neighbours": FAST**place,
        "transitions": np.where(place < WINDOW, 1.0 / (place + 1), 0.0),
    }  # fmt: skip
    found, taken = [], dict[str, _Taken]()
    for name in LOOKED_UP:
        if name in base.factors:
            kept = weights[name] > 0
            of = TABLE_OF.get(name, name)
            if of not in taken:
                taken[of] = _taken(_table(base, name), rows[kept])
            found.append(_looked_up(name, taken[of], weights[name][kept].astype(np.float32), len(base.items)))
    return found


def _table(base: Basis, name: str) -> Table:
    tables: dict[str, Table] = {"transitions": base.live.transitions, "neighbours": base.live.neighbours}
    return tables.get(name, base.version.table)


def _row(table: Table, row: int) -> Row:
    """The places that a row has entries for, and these."""
    return _gathered(table, np.array([row]))[0]


def _gathered(table: Table, rows: Codes) -> list[Row]:
    """The same of several rows."""
    if isinstance(table, ChangingRows):
        return table.rows(rows)
    return rows_of(table, rows)


def _rows(table: Table, rows: Codes) -> sparse.csr_array:
    """Some rows (k, items)."""
    taken = _taken(table, rows)
    indptr = np.cumsum([0, *taken.sizes]).astype(taken.indices.dtype)
    return sparse.csr_array((taken.data, taken.indices, indptr), shape=(len(rows), table.shape[1]))


def _taken(table: Table, rows: Codes) -> _Taken:
    found = _gathered(table, rows)
    indices = np.concatenate([np.zeros(0, np.int32), *(one for one, _ in found)])
    data = np.concatenate([np.zeros(0, np.float32), *(one for _, one in found)])
    return _Taken(rows, [len(one) for one, _ in found], indices, data)


def _looked_up(name: str, taken: _Taken, weights: Scores, items: int) -> _Part:
    """The weighted sum of rows, divided by its maximum; what is negative says nothing."""
    scores = np.zeros(items, np.float32)
    np.add.at(scores, taken.indices, taken.data * np.repeat(weights, taken.sizes))
    np.maximum(scores, 0, out=scores)
    most = scores.max(initial=np.float32(0))
    most = most if most > 0 else np.float32(1)
    scores /= most
    return _Part(name, scores, taken.rows, weights, most)


def _spoken_for(base: Basis, history: History, parts: list[_Part], found: Codes) -> NDArray[np.bool_]:
    """Which of some items a part that needs a history says something for."""
    said = np.zeros(len(found), bool)
    for part in parts:
        if base.factors[part.name] > 0:
            said |= part.scores[found] > 0
    own = max(base.blend.warm["own_count"], base.blend.warm["own_recent"]) > 0
    return said | (found[:, None] == history.item).any(axis=1) if own else said


def _restricted(scores: Scores, wanted: Wanted) -> Scores:
    """Scores with NEVER for what may not be in the list; changed in place."""
    if wanted.candidates is not None:
        kept = scores[wanted.candidates]
        scores.fill(NEVER)
        scores[wanted.candidates] = kept
    if wanted.allowed is not None:
        scores[~wanted.allowed] = NEVER
    scores[wanted.left_out] = NEVER
    return scores


def _best(scores: Scores, count: int) -> Codes:
    """The places of the largest scores, best first, equal ones by name: at most `count`, none with NEVER.

    The count-th largest maximum of blocks is a bound that at least so many scores reach."""
    height = len(scores) // BLOCKS
    least = NEVER
    if height >= 2 * count:
        tops = scores[: height * BLOCKS].reshape(BLOCKS, height).max(axis=0)
        least = np.partition(tops, -count)[-count]
    places = np.flatnonzero(scores >= least) if least > NEVER else np.flatnonzero(scores > NEVER)
    return places[np.lexsort((places, -scores[places]))][:count]
