"""Which files of labels are of rows of a file: what nothing touched need not be looked at again.

Ids are compared by their 64-bit hashes; two that happen to be alike cost a look, no more."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.records.settings import ColumnKind
from retrain.rows.retype import as_kind

Key = tuple[str, ColumnKind]
"""The id column's name and kind."""
MOST_FILES = 20_000
_FOUND: "OrderedDict[tuple[Path, Key], tuple[int, int, list[int]]]" = OrderedDict()
"""By file of rows how many files of labels were looked at, the digest of their paths, and the places of those found."""


class LabelFiles:
    """The files of labels of a model, as (seq, snapshot) in order; `key` is the id column."""

    def __init__(self, files: Sequence[tuple[int, Path]], key: Key) -> None:
        self.key = key
        self._seqs = [seq for seq, _ in files]
        self._paths = tuple(path for _, path in files)
        self._digests = list(accumulate(self._paths, lambda before, path: hash((before, path)), initial=0))
        self._ids: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def touching(self, rows: Path) -> tuple[int, ...]:
        """The seqs of those that name a row of this snapshot. Files that came since the last question are looked at,
        the others are remembered."""
        done, digest, found = _FOUND.pop((rows, self.key), (0, 0, []))
        if done >= len(self._digests) or self._digests[done] != digest:  # not all of those are the first of these
            done, found = 0, []
        if done < len(self._paths):
            found = [*found, *self._with_any(id_hashes(rows, self.key), done)]
        _FOUND[rows, self.key] = (len(self._paths), self._digests[-1], found)
        while len(_FOUND) > MOST_FILES:
            _FOUND.popitem(last=False)
        return tuple(self._seqs[place] for place in found)

    def _with_any(self, ids: NDArray[np.int64], since: int) -> list[int]:
        """The places, from one on, of the files that have any of these hashes of ids (ascending)."""
        hashes, places = self._since(since)
        if not len(ids) or not len(hashes):
            return []
        if len(hashes) <= len(ids):
            return [int(place) for place in np.unique(places[are_in(ids, hashes)])]
        first, last = (np.searchsorted(hashes, ids, side) for side in ("left", "right"))
        ranges = [places[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True) if b > a]
        return [int(place) for place in np.unique(np.concatenate(ranges))] if ranges else []

    def _since(self, since: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The hashes of the ids of all files from one on, ascending, and the place of the file of each."""
        if since not in self._ids:
            parts = [id_hashes(path, self.key) for path in self._paths[since:]]
            hashes = np.concatenate(parts)
            places = np.repeat(np.arange(since, len(self._paths)), [len(part) for part in parts])
            order = np.argsort(hashes, kind="stable")
            self._ids[since] = hashes[order], places[order]
        return self._ids[since]


@lru_cache(maxsize=MOST_FILES)
def id_hashes(snapshot: Path, key: Key) -> NDArray[np.int64]:
    """Of the ids of a snapshot, ascending; none where it has no such column."""
    name, kind = key
    if name not in pq.read_schema(snapshot).names:
        return np.zeros(0, dtype=np.int64)
    ids = as_kind(pq.read_table(snapshot, columns=[name], pre_buffer=False).column(name), kind).drop_null().to_pylist()
    return hashes_of(ids)


def hashes_of(ids: Collection[Any]) -> NDArray[np.int64]:
    """The ids' hashes, ascending."""
    return np.sort(hash_of_each(ids))


def hash_of_each(ids: Collection[Any]) -> NDArray[np.int64]:
    """The ids' hashes, in their order."""
    return np.fromiter(map(hash, ids), np.int64, len(ids))


def are_in(known: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the `asked` hashes (n,) are among the `known` ones, ascending: (n,)."""
    if not len(known):
        return np.zeros(len(asked), dtype=bool)
    found: NDArray[np.bool_] = known[np.searchsorted(known, asked).clip(max=len(known) - 1)] == asked
    return found


def have_any(some: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Whether two lots of hashes, each ascending, have any in common."""
    few, many = sorted((some, others), key=len)
    return bool(are_in(many, few).any())


def first_files(
    files: Sequence[tuple[int, Path]], key: Key, wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the `wanted` ids (their hashes, ascending) that rows of these files have, given with their seqs in order: the
    hashes, ascending, and the seq of the first file that has each."""
    found = [(seq, hashes[are_in(wanted, hashes)]) for seq, path in files for hashes in [id_hashes(path, key)]]
    hashes = np.concatenate([part for _, part in found]) if found else np.zeros(0, dtype=np.int64)
    seqs = np.repeat([seq for seq, _ in found], [len(part) for _, part in found]).astype(np.int64)
    distinct, places = np.unique(hashes, return_index=True)
    return distinct, seqs[places]
