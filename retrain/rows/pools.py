"""Small files are judged and counted together, so that an hour with eight rows, or a file of which one row in twenty
has a label, is no unit of its own: consecutive ones until they have 50 rows that teach, and 200 rows in all. A file
with 50 rows that teach stands alone."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

POOL_ROWS, ALL_ROWS = 50, 200


def pools_of(files: Iterable[tuple[int, int, int]]) -> list[list[int]]:
    """The seqs of each pool, oldest first, of files as (seq, rows that teach, rows); those without rows that teach are
    in none. The newest pool may be smaller: more will come.

    >>> pools_of([(1, 60, 60), (2, 30, 900), (3, 0, 900), (4, 30, 900), (5, 200, 200), (6, 9, 9), (7, 45, 45)])
    [[1], [2, 4], [5], [6, 7]]
    """
    pools: list[list[int]] = []
    teaching, rows = POOL_ROWS, ALL_ROWS
    for seq, more, length in files:
        if not more:
            continue
        if (teaching >= POOL_ROWS and rows >= ALL_ROWS) or more >= POOL_ROWS:
            pools.append([])
            teaching, rows = 0, 0
        pools[-1].append(seq)
        teaching, rows = teaching + more, ALL_ROWS if more >= POOL_ROWS else rows + length
    return pools


def pool_of_each(sequence: NDArray[np.int64], rows: Mapping[int, int]) -> NDArray[np.int64]:
    """For n rows that teach, by their file's seq, the newest seq of its pool (n,); `rows` of each file in all.

    >>> pool_of_each(np.repeat([1, 2, 3], [60, 30, 30]), {1: 60, 2: 90, 3: 30})[[0, 60, 119]]
    array([1, 3, 3])
    """
    seqs, counts = np.unique(sequence, return_counts=True)
    return newest_of_each(
        sequence, pools_of((seq, n, rows[seq]) for seq, n in zip(seqs.tolist(), counts.tolist(), strict=True))
    )


def step_of_each(sequence: NDArray[np.int64], rows: Mapping[int, int]) -> NDArray[np.int64]:
    """For n rows by their file's seq, the newest seq of the files that are one step of time together (n,): small files
    by all of their `rows`, labelled or not, so that a day of few labels is as long as any other.

    >>> step_of_each(np.repeat([1, 2, 3], [9, 30, 30]), {1: 60, 2: 30, 3: 30})[[0, 9, 68]]
    array([1, 3, 3])
    """
    return newest_of_each(sequence, pools_of((seq, rows[seq], rows[seq]) for seq in np.unique(sequence).tolist()))


def newest_of_each(sequence: NDArray[np.int64], pools: list[list[int]]) -> NDArray[np.int64]:
    """For n rows or files, by their file's seq, the newest seq of its pool (n,)."""
    newest = {seq: pool[-1] for pool in pools for seq in pool}
    seqs, place = np.unique(sequence, return_inverse=True)
    found: NDArray[np.int64] = np.array([newest[seq] for seq in seqs.tolist()], dtype=np.int64)[place]
    return found
