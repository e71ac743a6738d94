"""The reservoir: a fifth of the newest labelled files' rows that is never trained on while they are the newest.

Champion, challenger and archive are compared on it. It is made of blocks of consecutive rows, since neighbours resemble
each other, and is a function of the row's place alone, so that every version held out the same rows of a file."""

import numpy as np
from numpy.typing import NDArray

BLOCKS = 20
EVERY = 5
NEWEST_FILES = 2


def in_reservoir(rows: NDArray[np.int64], seq: int) -> NDArray[np.bool_]:
    """Which rows of file `seq` belong to it; `rows` are their numbers in the file, ascending, shape (n,).

    >>> in_reservoir(np.arange(1, 21), 0).nonzero()[0]
    array([ 0,  5, 10, 15])
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    first, last = int(rows.min()), int(rows.max())
    block = (rows - first) * BLOCKS // max(last - first + 1, 1)
    return np.asarray(block % EVERY == seq % EVERY, dtype=bool)
