"""A share of answers drawn at random, so that labels come of cases that the model alone would never have let through.

Where only some answers lead to a label (a granted loan, an opened case), the labelled rows say nothing of the others; a
few answers that do not depend on the row do, weighted by how likely they were (inverse propensity: Horvitz and Thompson
1952; as logged bandit feedback, Bottou et al. 2013)."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Labels, Predictions

UNIT = 2**48
RANDOM = secrets.SystemRandom()


@dataclass(frozen=True, eq=False)
class Explored:
    """Of n answered rows, of which classes are drawn for a `share`: `rows` (n,) says for which, `greedy` (n,) are the
    classes that the version answers by itself, and `propensity` (n,) is how likely the answer given was."""

    share: float
    rows: NDArray[np.bool_]
    greedy: Labels
    propensity: NDArray[np.float64]

    @property
    def places(self) -> list[int]:
        """Positions of the rows with a drawn class."""
        return [int(place) for place in np.flatnonzero(self.rows)]

    def take(self, places: list[int]) -> "Explored":
        """Of some rows."""
        index = np.array(places)
        return Explored(self.share, self.rows[index], self.greedy[index], self.propensity[index])

    def to_json(self) -> dict[str, Any]:
        """What an answer says of it: whether a class was drawn, and for which rows."""
        places = self.places
        return {"explored": True, "explored_rows": places} if places else {"explored": False}


def explore(
    share: float, by: str, predictions: Predictions, ids: Sequence[Any] | None
) -> tuple[Predictions, Explored | None]:
    """The answers to n rows, where of a `share` of them the class is drawn uniformly among the version's classes.

    `by` names what answers. A row with an id gets the same answer of it however often it is asked, by every process;
    what is asked without an id is drawn each time. Probabilities stay the model's."""
    classes = predictions.classes
    if not share or classes is None:
        return predictions, None
    draws = [_draw(by, key) for key in ids] if ids is not None else [_fresh() for _ in range(len(predictions))]
    chosen, which = np.array(draws).T
    rows = chosen < share
    drawn = np.array(classes)[np.minimum((which * len(classes)).astype(np.int64), len(classes) - 1)]
    values = np.where(rows, drawn, predictions.values)
    same = values == predictions.values
    propensity = share / len(classes) + (1.0 - share) * same
    explored = Explored(share, rows, predictions.values, propensity)
    return Predictions(values, predictions.probabilities, classes), explored


def _draw(by: str, key: Any) -> tuple[float, float]:
    """Two numbers from 0 to 1 of an id, independent of each other and of other versions'."""
    if key is None:
        return _fresh()
    text = f"{by}\0{key}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=12, person=b"explore").digest()
    return int.from_bytes(digest[:6]) / UNIT, int.from_bytes(digest[6:]) / UNIT


def _fresh() -> tuple[float, float]:
    return RANDOM.random(), RANDOM.random()
