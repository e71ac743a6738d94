"""Which files of labels are of rows of a file: what nothing touched need not be looked at again.

Ids are compared by their 64-bit hashes; two that happen to be alike cost a look, no more."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.records.settings import ColumnKind
from retrain.rows.retype import as_kind

Key = tuple[str, ColumnKind]
"""The id column's name and kind."""
MOST_FILES = 20_000
_FOUND: "OrderedDict[tuple[Path, Key], tuple[tuple[Path, ...], list[int]]]" = OrderedDict()


def touching(rows: Path, labels: Sequence[tuple[int, Path]], key: Key) -> tuple[int, ...]:
    """The seqs of those of the files of labels (seq and snapshot, in order) that name a row of this snapshot. Files
    that came since the last question are looked at, the others are remembered."""
    paths = tuple(path for _, path in labels)
    done, found = _FOUND.pop((rows, key), ((), []))
    if paths[: len(done)] != done:
        done, found = (), []
    ids = _hashes(rows, key)
    found = [*found, *(place for place in range(len(done), len(paths)) if _meet(ids, _hashes(paths[place], key)))]
    _FOUND[rows, key] = (paths, found)
    while len(_FOUND) > MOST_FILES:
        _FOUND.popitem(last=False)
    return tuple(labels[place][0] for place in found)


def _meet(ids: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Whether two ascending arrays have a value in common."""
    if not len(ids) or not len(others):
        return False
    places = np.searchsorted(ids, others).clip(max=len(ids) - 1)
    return bool((ids[places] == others).any())


@lru_cache(maxsize=MOST_FILES)
def _hashes(snapshot: Path, key: Key) -> NDArray[np.int64]:
    """Of the ids of a snapshot, ascending; none where it has no such column."""
    name, kind = key
    if name not in pq.read_schema(snapshot).names:
        return np.zeros(0, dtype=np.int64)
    ids = as_kind(pq.read_table(snapshot, columns=[name], pre_buffer=False).column(name), kind).drop_null().to_pylist()
    return np.sort(np.fromiter(map(hash, ids), np.int64, len(ids)))
