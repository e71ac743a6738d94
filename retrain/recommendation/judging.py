"""What labelled moments say: how well each part and each blend ranks what was chosen, and what the blend learns of
it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.blend import POPULAR, Blend, Choices
from retrain.recommendation.moments import Moments
from retrain.recommendation.parts import PERSONAL, Part, Popular, Scores
from retrain.recommendation.requests import Requests

CANDIDATES = 80
"""Beside the chosen item."""
MOST_OF_ONE = 5
"""Moments of one person in a file that a blend learns from: one account is not to teach it."""


@dataclass(frozen=True)
class Answers:
    """What the parts say at moments (n): `popularity` (half-lives, n or 1, items) and `personal` by name (n, items),
    both scaled; `seen` (n, items) what a person had to do with; `known` (items,) what may be recommended."""

    requests: Requests
    popular: Popular
    personal: Mapping[str, Part]
    seen: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def with_version(self, trained: Mapping[str, Part]) -> "Answers":
        """With what a trained version says."""
        return replace(self, personal={**self.personal, **trained})

    def allowed(self, exclude_seen: bool) -> NDArray[np.bool_]:
        """(n, items): what a list may hold."""
        return self.known & ~self.seen if exclude_seen else np.broadcast_to(self.known, self.seen.shape)


def seen_items(requests: Requests, items: int) -> NDArray[np.bool_]:
    """(rows, items): what each person had to do with."""
    seen = np.zeros((requests.rows, items), bool)
    seen[requests.known] = True
    return seen


def ranks(scores: NDArray[np.floating], allowed: NDArray[np.bool_], moments: Moments) -> NDArray[np.int64]:
    """The rank (m,) of each wanted item among all that is allowed, from 0 on, equal scores by name; -1 where the item
    is not allowed. `scores` is (n, items) or (1, items)."""
    event, target = moments.event, moments.target
    rows = event if len(scores) > 1 else np.zeros(len(event), np.int64)
    found = np.empty(len(event), np.int64)
    for place, (row, at, item) in enumerate(zip(rows, event, target, strict=True)):
        own = scores[row, item]
        better = np.count_nonzero((scores[row] > own) & allowed[at])
        equal = np.count_nonzero((scores[row, :item] == own) & allowed[at, :item])
        found[place] = better + equal if allowed[at, item] else -1
    return found


def top(scores: NDArray[np.floating], allowed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The best allowed items of one request, best first, equal scores by name: at most `count`."""
    places = np.flatnonzero(allowed)
    held = scores[places]
    if len(places) > count:
        least = np.partition(held, -count)[-count]
        places, held = places[held >= least], held[held >= least]
    return places[np.lexsort((places, -held))][:count]


def choices(answers: Answers, moments: Moments, exclude_seen: bool, seed: Sequence[int]) -> Choices:
    """What a blend learns from: each wanted item that is among the candidates, and others drawn from these by
    `seed`."""
    rng = np.random.default_rng(seed)
    allowed, pools = answers.allowed(exclude_seen), _pools(answers)
    kept: list[tuple[int, NDArray[np.int64]]] = []
    teaches = moments.first_of_each(MOST_OF_ONE)
    for at, target in zip(moments.event, moments.target, strict=True):
        pool = pools[at]
        if not teaches[at] or not allowed[at, target] or target not in pool:
            continue
        wanted = moments.target[moments.event == at]
        others = pool[allowed[at, pool] & ~np.isin(pool, wanted)]
        kept.append((int(at), np.r_[target, rng.permutation(others)[:CANDIDATES]]))
    rows = np.array([at for at, _ in kept], np.int64)
    candidates, valid = np.zeros((len(kept), CANDIDATES + 1), np.int64), np.zeros((len(kept), CANDIDATES + 1), bool)
    for place, (_, found) in enumerate(kept):
        candidates[place, : len(found)], valid[place, : len(found)] = found, True
    return Choices(features(answers, rows, candidates), valid, answers.requests.cold[rows])


def features(answers: Answers, rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """(k, c, f) of candidates (k, c) of moments `rows` (k,): popularities and their logarithms, the personal parts, and
    whether the item is seen."""
    at = rows[:, None]
    one = answers.popular.features
    popular = one[:, at if one.shape[1] > 1 else np.zeros_like(at), items]
    own = [answers.personal[name].scores[at, items] for name in PERSONAL]
    rest = np.stack([*own, answers.seen[at, items].astype(np.float32)], axis=-1)
    return np.concatenate([np.moveaxis(popular, 0, -1), rest], axis=-1)


def _pools(answers: Answers) -> list[NDArray[np.int64]]:
    """The candidates of each moment: what is at the top of any part, sorted."""
    own = [answers.personal[name] for name in PERSONAL]
    said = [np.take_along_axis(part.scores, part.top, axis=1) > 0 for part in own]
    pools = []
    for row in range(answers.requests.rows):
        parts = [one.top[row if len(one.top) > 1 else 0] for one in answers.popular.parts]
        parts += [part.top[row][positive[row]] for part, positive in zip(own, said, strict=True)]
        pools.append(np.unique(np.concatenate(parts)))
    return pools


def scores(answers: Answers, blend: Blend) -> Scores:
    """The blend's score (n, items) of every item."""
    cold, warm = (popular_score(answers.popular, named) for named in (blend.cold, blend.warm))
    total = np.where(answers.requests.cold[:, None], cold, warm)
    for name in PERSONAL:
        if blend.warm[name]:
            total += np.float32(blend.warm[name]) * answers.personal[name].scores
    if blend.warm["seen"]:
        total += np.float32(blend.warm["seen"]) * answers.seen
    return total


def popular_score(popular: Popular, named: Mapping[str, float]) -> Scores:
    """The popularities' part (n or 1, items) of the blend, by weights for people with a history or without."""
    weights = np.array(list(named.values())[:POPULAR], np.float32)
    flat = popular.features.reshape(POPULAR, -1)
    return np.asarray((weights @ flat).reshape(popular.features.shape[1:]))
