"""What checks compare with: profiles of a version's data, counts of its consecutive parts, and its predictions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.profiles.numeric import MAX_VALUES
from drift.profiles.parts import MAX_PARTS, Parts, count_parts
from drift.profiles.profile import ColumnValues, Profile, profile
from drift.profiles.serialization import pack, pack_parts, unpack, unpack_parts

FORMAT = 3
"""Format 1 had other parts, and formats 1 and 2 no grids or others; they are read without these."""


@dataclass(frozen=True, eq=False)
class Reference:
    """`columns` and `outputs` are profiles by name; `parts` and `output_parts` count them in consecutive rows, oldest
    first; `outputs` come from rows held out from training, since in-sample ones always differ; `recent` are the
    columns' profiles of these held-out rows, the newest ones: after an adaptation older rows differ from today's, and
    what is like the newest is no drift."""

    columns: dict[str, Profile]
    parts: dict[str, Parts]
    outputs: dict[str, Profile]
    recent: dict[str, Profile] = field(default_factory=dict)
    output_parts: dict[str, Parts] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the columns."""
        return max((one.rows for one in self.columns.values()), default=0)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """Plain JSON values, and one array each for "columns", "outputs", "recent", "parts" and "output_parts"."""
        meta: dict[str, Any] = {"format": FORMAT}
        arrays: dict[str, NDArray[np.float64]] = {}
        for name in ("columns", "outputs", "recent"):
            meta[name], arrays[name] = pack(getattr(self, name))
        for name in ("parts", "output_parts"):
            meta[name], arrays[name] = pack_parts(getattr(self, name))
        return meta, arrays

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]]) -> "Reference":
        """The inverse of `to_arrays`; memory-mapped arrays stay so. ValueError on an unknown format."""
        if meta.get("format") not in range(1, FORMAT + 1):
            raise ValueError(f"reference format {meta.get('format')!r}; this driftd reads formats 1 to {FORMAT}")
        grids = meta["format"] == FORMAT
        profiles = [unpack(meta[name], arrays[name], grids) for name in ("columns", "outputs", "recent")]
        if meta["format"] == 1:
            return cls(profiles[0], {}, profiles[1], profiles[2])
        parts = [unpack_parts(meta[name], arrays[name]) for name in ("parts", "output_parts")]
        return cls(profiles[0], parts[0], profiles[1], profiles[2], parts[1])


def build_reference(
    columns: Iterable[tuple[str, ColumnValues]],
    outputs: Iterable[tuple[str, ColumnValues]] = (),
    recent: Iterable[tuple[str, ColumnValues]] = (),
    parts: int = MAX_PARTS,
    max_values: int = MAX_VALUES,
) -> Reference:
    """The reference of named columns of n rows each, oldest row first, consumed one at a time (so a generator
    holds one column in memory), of the predictions' columns (see `output_columns`), and of the held-out rows' columns.

    >>> reference = build_reference([("x", np.arange(1000.0))], parts=10)
    >>> reference.columns["x"].mean, reference.parts["x"].rows[0]
    (499.5, np.int64(100))
    """
    known, counted = _profiles(columns, max_values, parts)
    predicted, output_parts = _profiles(outputs, max_values, parts)
    newest, _ = _profiles(recent, max_values, 0)
    return Reference(known, counted, predicted, newest, output_parts)


def _profiles(
    columns: Iterable[tuple[str, ColumnValues]], max_values: int, parts: int
) -> tuple[dict[str, Profile], dict[str, Parts]]:
    profiles: dict[str, Profile] = {}
    counted: dict[str, Parts] = {}
    for name, values in columns:
        profiles[name] = profile(values, max_values, grid=True)
        part = count_parts(values, parts) if parts else None
        if part is not None:
            counted[name] = part
    return profiles, counted
