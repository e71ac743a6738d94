"""What an event counts: by its type, and whether its value is positive."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrain.recommendation.interactions import UNIT, Codes


def type_weights(types: Sequence[str | None], by_type: Mapping[str, float]) -> Codes:
    """Of types of events (n,), in thousandths: 1 where nothing else is configured.

    >>> type_weights(["view", "buy", None], {"buy": 5.0}).tolist()
    [1000, 5000, 1000]
    """
    known = {name: round(UNIT * weight) for name, weight in by_type.items()}
    return np.array([UNIT if one is None else known.get(one, UNIT) for one in types], np.int64)


def where_positive(weight: Codes, values: Any, positive: float | None) -> Codes:
    """The weights (n,), 0 where a value (n,) is missing or below `positive`: such an event is known to its user and
    teaches nothing. All as they are where no values are judged.

    >>> where_positive(np.array([1000, 1000, 1000]), np.array([4.5, 2.0, np.nan]), 4.0).tolist()
    [1000, 0, 0]
    """
    if positive is None:
        return weight
    return np.where(np.asarray(values, np.float64) >= positive, weight, 0)
