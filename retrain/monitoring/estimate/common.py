"""What both estimates share: the kind of a metric's expectation, and how many rows are looked at."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats, Predictions

Score = Callable[[Floats, Floats], float]
"""A metric's expectation, given beliefs (n, k) and weights (n,)."""
Numbers = NDArray[Any]


FORMAT = 1
FEWEST_ROWS = 50
MEMBERS = 50
MOST_CELLS = 400_000


def evenly(rows: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions of `rows`, spread evenly.

    >>> evenly(10, 4)
    array([0, 3, 6, 9])
    """
    return np.linspace(0, rows - 1, min(rows, most)).astype(np.int64)


def most_rows(predictions: Predictions) -> int:
    """Rows that are looked at: fewer where classes are many."""
    return max(1000, MOST_CELLS // max(20, len(predictions.classes or ())))


def finite_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
