"""The reservoir: a fifth of the newest labelled files' rows that is never trained on while they are the newest.

Champion, challenger and archive are compared on it. It is made of blocks of consecutive rows, since neighbours resemble
each other, and is a function of the row's place alone, so that every version held out the same rows of a file."""

import numpy as np
from numpy.typing import NDArray

BLOCKS = 20
EVERY = 5
NEWEST_FILES = 2


def describe(files: int, alone: bool) -> str:
    """Which rows were held out, for people: of the newest `files` labelled files; `alone`: there was no champion.

    >>> describe(2, True)
    'held out are 4 of 20 blocks of consecutive rows in each of the 2 newest labelled files; this version trained on the
    other rows of these files, as far as its window has them: held-out rows lie among the training rows, not after them'
    """
    where = "the newest labelled file" if files == 1 else f"each of the {files:,} newest labelled files"
    new = "" if alone else ", where the champion was not trained on them"
    return (
        f"held out are {BLOCKS // EVERY} of {BLOCKS} blocks of consecutive rows in {where}{new}; this version trained "
        "on the other rows of these files, as far as its window has them: held-out rows lie among the training rows, "
        "not after them"
    )


def in_reservoir(rows: NDArray[np.int64], seq: int, span: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Which rows of file `seq` belong to it; `rows` are their numbers in the file, ascending, shape (n,), and `span`
    the first and the last number in the file, where these are not all its rows.

    >>> in_reservoir(np.arange(1, 21), 0).nonzero()[0]
    array([ 0,  5, 10, 15])
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    first, last = (int(rows.min()), int(rows.max())) if span is None else span
    block = (rows - first) * BLOCKS // max(last - first + 1, 1)
    return np.asarray(block % EVERY == seq % EVERY, dtype=bool)
