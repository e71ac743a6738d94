"""A version of a recommender as a server answers with it: loaded, proven, and joined with the counters of a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.answering import Basis, basis_of
from retrain.recommendation.blend import Blend
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.ease import ItemWeights
from retrain.recommendation.interactions import Names
from retrain.recommendation.live import Events
from retrain.recommendation.standing import Standing
from retrain.recommendation.version import LoadedRecommender
from retrain.records.deployment import Deployment
from retrain.records.errors import Refused
from retrain.records.schema import Schema

RUNTIME = "SciPy"


@dataclass(frozen=True)
class Moment:
    """What answers while the counters are as they are: the basis of all answers, the counters, the time of their
    newest event, in milliseconds, and the catalogue, by which what is not available is not known."""

    base: Basis
    counted: Standing
    as_of_ms: int
    catalogue: Catalogue | None = None

    def having(self, attributes: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """Which items (items,) have what is wanted; None where nothing is. Refused for what the catalogue lacks."""
        if not attributes:
            return None
        if self.catalogue is None:
            raise Refused(
                '"filter" needs the attributes of items, and no items file was taken in',
                "name it as items_file in the configuration; `driftd files` says what became of it",
            )
        return self.catalogue.allowed(self.base.items, attributes)

    def events_of(self, user: str) -> Events:
        """Item, time and weight of a user's events, in order of time."""
        return self.counted.events_of(user)


@dataclass(eq=False)
class ServedRecommender:
    """A loaded version, the promotion that put it there (0 for none), the blend that the deployment carries, and the
    moment that it answers with, replaced whole."""

    deployment: Deployment
    promotion: int
    loaded: LoadedRecommender
    blend: Blend
    runtimes: tuple[str, ...] = (RUNTIME,)
    moment: Moment | None = None
    _placed: tuple[Names, ItemWeights] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What answers call `version`."""
        return self.deployment.name

    @property
    def schema(self) -> Schema:
        """By which its files were read."""
        return self.loaded.schema

    @property
    def half_lives_ms(self) -> tuple[float | None, ...]:
        """Of the popularities that its blend weighs."""
        return self.loaded.half_lives_ms

    @property
    def longest(self) -> int:
        """How many of a person's newest items count together."""
        return self.loaded.trained.longest

    def at(self, counted: Standing, now_ms: int, catalogue: Catalogue | None) -> Moment:
        """What it answers with by counters; `now_ms` is the clock's."""
        names, newest_ms = counted.names, counted.newest_ms
        if self._placed is None or self._placed[0] is not names:
            self._placed = names, self.loaded.item_weights(names)
        own = counted.picked(self.half_lives_ms)
        available = None if catalogue is None else catalogue.allowed(names)
        base = basis_of(own, self._placed[1], self.blend, min(newest_ms, now_ms), available)
        return Moment(base, counted, newest_ms, catalogue)


def load_recommender_of(deployment: Deployment, promotion: int, folder: Path) -> ServedRecommender:
    """Load the version of a deployment from a model's folder of versions, and let it prove itself; Refused if it does
    not."""
    from retrain.stages.promote import prove_recommender

    loaded = prove_recommender(folder / deployment.members[0].version)
    blend = loaded.blend if deployment.calibration is None else Blend.from_json(deployment.calibration)
    return ServedRecommender(deployment, promotion, loaded, blend)
