"""Moments as milliseconds: whether numbers are seconds, milliseconds or less is told by their size, each by its own."""

import numpy as np
from numpy.typing import NDArray

LARGEST_S = 1e11
"""As seconds the year 5138, as milliseconds 1973: what is larger is no number of seconds."""
STEPS = ((LARGEST_S, 1e3), (LARGEST_S * 1e3, 1.0), (LARGEST_S * 1e6, 1e-3), (np.inf, 1e-6))
"""Below each limit, what a number is multiplied with: seconds, milli-, micro- and nanoseconds."""


def milliseconds(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of finite numbers (n,) since 1970.

    >>> milliseconds(np.array([1362062307.0, 1362062307000.0, 1362062307000000.0])).tolist()
    [1362062307000, 1362062307000, 1362062307000]
    """
    size = np.abs(numbers)
    factor = np.select([size < limit for limit, _ in STEPS], [factor for _, factor in STEPS])
    return np.asarray(np.rint(numbers * factor), np.int64)
