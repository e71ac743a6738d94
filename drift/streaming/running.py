"""Running sums and minima that go on where the values before them ended: bit by bit the same in any split."""

import numpy as np

from drift.statistics.scores import Counts, Floats


def running_sum(carry: float, values: Floats) -> Floats:
    """Shape (n + 1,): `carry`, then carry + the sum of the first k of `values`, shape (n,), added one by one.

    >>> running_sum(1.0, np.array([2.0, 3.0]))
    array([1., 3., 6.])
    """
    sums = np.empty(len(values) + 1)
    sums[0], sums[1:] = carry, values
    return np.add.accumulate(sums, out=sums)


def running_argmin(values: Floats) -> Counts:
    """Shape (n,): where the smallest of the first k + 1 of `values` is, the last one of equals.

    >>> running_argmin(np.array([2.0, 1.0, 3.0, 1.0]))
    array([0, 1, 1, 3])
    """
    lowest = np.minimum.accumulate(values)
    places = np.where(values == lowest, np.arange(len(values)), 0)
    return np.maximum.accumulate(places)


def running_count(carry: int, rows: int) -> Counts:
    """Shape (rows + 1,): carry, carry + 1, …

    >>> running_count(5, 2)
    array([5, 6, 7])
    """
    return np.arange(carry, carry + rows + 1, dtype=np.int64)


def first_true(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int | None:
    """Where `mask`, shape (n,), is true for the first time.

    >>> first_true(np.array([False, True, True]))
    1
    """
    place = int(mask.argmax()) if len(mask) else 0
    return place if len(mask) and mask[place] else None
