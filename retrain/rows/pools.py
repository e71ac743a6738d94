"""Small files are judged and counted together: a pool is of consecutive files until they have 50 rows that teach, so
that an hour with eight rows, or a file of which one row in twenty has a label, is no unit of its own. A file with as
many rows stands alone."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

POOL_ROWS = 50


def pools_of(files: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The seqs of each pool, oldest first, of files as (seq, rows that teach); those without rows are in none. The
    newest pool may have fewer rows: more will come.

    >>> pools_of([(1, 60), (2, 30), (3, 0), (4, 30), (5, 200), (6, 9)])
    [[1], [2, 4], [5], [6]]
    """
    pools: list[list[int]] = []
    size = POOL_ROWS
    for seq, rows in files:
        if not rows:
            continue
        if size >= POOL_ROWS or rows >= POOL_ROWS:
            pools.append([])
            size = 0
        pools[-1].append(seq)
        size += rows
    return pools


def pool_of_each(sequence: NDArray[np.int64]) -> NDArray[np.int64]:
    """For n rows that teach, by their file's seq, the newest seq of its pool (n,).

    >>> pool_of_each(np.repeat([1, 2, 3], [60, 30, 30]))[[0, 60, 119]]
    array([1, 3, 3])
    """
    seqs, counts = np.unique(sequence, return_counts=True)
    return _pool_of_each(sequence, dict(zip(seqs.tolist(), counts.tolist(), strict=True)))


def unit_of_each(sequence: NDArray[np.int64], rows: Mapping[int, int]) -> NDArray[np.int64]:
    """For n rows by their file's seq, the newest seq of the files that are one step of time together (n,): small files
    by all of their `rows`, labelled or not, so that a day of few labels is as long as any other.

    >>> unit_of_each(np.repeat([1, 2, 3], [9, 30, 30]), {1: 60, 2: 30, 3: 30})[[0, 9, 68]]
    array([1, 3, 3])
    """
    return _pool_of_each(sequence, {seq: rows[seq] for seq in np.unique(sequence).tolist()})


def _pool_of_each(sequence: NDArray[np.int64], rows: Mapping[int, int]) -> NDArray[np.int64]:
    newest = {seq: pool[-1] for pool in pools_of(sorted(rows.items())) for seq in pool}
    seqs, place = np.unique(sequence, return_inverse=True)
    found: NDArray[np.int64] = np.array([newest[seq] for seq in seqs.tolist()], dtype=np.int64)[place]
    return found
