"""The blend: one score of an item for a request, a weighted sum of what the parts say.

The weights are those of a conditional logit (McFadden 1974): on newly labelled moments, the item that was chosen
against a sample of candidates from the top of every part. They are learned anew with every labelled file, in a fifth of
a second. Who has no history is answered by popularity alone, with weights of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from msgspec import convert
from numpy.typing import NDArray
from scipy.optimize import minimize

from retrain.recommendation.parts import HALF_LIVES, PERSONAL, names

PENALTY = 1.0
"""L2 penalty on the weights, beside the sum of log-likelihoods."""
FILES = 8
"""Labelled files, the newest, that weights are learned on: with four, NDCG is up to 1 % lower, with one 1 to 4 %."""
FEWEST_COLD = 50
"""Choices without history, from which on they have weights of their own; with fewer, those of all choices serve."""
RARELY, FEW = 0.01, 2
"""The share and the number of people who want again what they had to do with before, below which seen items are left
out of lists: by people, so that one account does not decide for all."""
Features = NDArray[np.float32]
"""(choices, candidates, features): popularities, their logarithms, personal parts, whether the item is seen."""
POPULAR = 2 * len(HALF_LIVES)
"""Features that need no history."""


@dataclass(frozen=True)
class Choices:
    """Labelled choices (n) with candidates (c): `features` (n, c, f), the first candidate was chosen; `valid` (n, c) is
    False where there are fewer candidates; `cold` (n,) marks those of people without history."""

    features: Features
    valid: NDArray[np.bool_]
    cold: NDArray[np.bool_]


@dataclass(frozen=True)
class Blend:
    """The weights by feature for people with history and without, whether seen items are left out, and on how many
    choices it was learned; plain values, to be recorded."""

    warm: Mapping[str, float]
    cold: Mapping[str, float]
    exclude_seen: bool = False
    choices: int = 0

    def __post_init__(self) -> None:
        """Weights in the order of features, however they were stored: JSON sorts names."""
        named = feature_names()
        for name, known in (("warm", named), ("cold", named[:POPULAR])):
            given = getattr(self, name)
            object.__setattr__(self, name, {feature: given.get(feature, 0.0) for feature in known})

    @property
    def says_something(self) -> bool:
        """Whether it orders items, for people with history and without: no weights at all would leave their names."""
        return all(np.isfinite(list(one.values())).all() and any(one.values()) for one in (self.warm, self.cold))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: the `calibration` of a deployment."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Blend":
        """The inverse of `to_json`."""
        return convert(value, cls)


def feature_names() -> tuple[str, ...]:
    """All features, in their order."""
    popular = names()[: len(HALF_LIVES)]
    return (*popular, *(f"log_{name}" for name in popular), *PERSONAL, "seen")


FIRST = Blend(
    {name: float(name in ("log_popularity_2", "ease_recent", "transitions", "neighbours")) for name in feature_names()},
    {name: float(name == "log_popularity_2") for name in feature_names()[:POPULAR]},
)
"""Before anything was learned."""


def popularity_blend(half_life: int, exclude_seen: bool) -> Blend:
    """Popularity alone, with the half-life at a place of HALF_LIVES."""
    only = {names()[half_life]: 1.0}
    return Blend(only, only, exclude_seen)


def learn(choices: Choices, exclude_seen: bool) -> Blend:
    """The blend of labelled choices; FIRST's weights of none."""
    if not len(choices.features):
        return Blend(FIRST.warm, FIRST.cold, exclude_seen)
    warm, cold = ~choices.cold, choices.cold
    for_cold = cold if int(cold.sum()) >= FEWEST_COLD else np.ones(len(cold), bool)
    weights = logit(choices.features[warm], choices.valid[warm])
    popular = logit(choices.features[for_cold][:, :, :POPULAR], choices.valid[for_cold])
    named = feature_names()
    return Blend(_named(named, weights), _named(named[:POPULAR], popular), exclude_seen, len(choices.features))


def logit(features: Features, valid: NDArray[np.bool_], penalty: float = PENALTY) -> NDArray[np.float64]:
    """The weights (f,) of the conditional logit, where the first of the candidates was chosen; zeros without
    choices."""
    count, candidates, size = features.shape
    if not count:
        return np.zeros(size)
    flat = np.ascontiguousarray(features.reshape(-1, size))
    chosen = features[:, 0].sum(axis=0, dtype=np.float64)
    masked = np.where(valid, 0.0, -np.inf)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = (flat @ weights.astype(np.float32)).reshape(count, candidates) + masked
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        total = shares.sum(axis=1, keepdims=True)
        value = float(np.log(total).sum() - scores[:, 0].sum() + penalty / 2 * weights @ weights)
        expected = (shares / total).astype(np.float32).reshape(-1) @ flat
        return value, expected - chosen + penalty * weights

    found = minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-7})
    return np.asarray(found.x)


def excludes_seen(repeaters: int, people: int) -> bool:
    """Whether so few people with a history want again what they had to do with that it is left out of lists.

    >>> excludes_seen(1, 50), excludes_seen(40, 500)
    (True, False)
    """
    return repeaters < max(FEW, RARELY * people)


def joined(parts: Sequence[Choices]) -> Choices:
    """The choices of several files as those of one."""
    return Choices(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("features", "valid", "cold")))


def _named(named: Sequence[str], weights: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(named, map(float, weights), strict=True))
