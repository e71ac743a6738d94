"""What checks compare with: profiles of a version's data, of its consecutive parts and of its predictions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.arrays import pack, unpack
from drift.categorical import Codes
from drift.numeric import MAX_VALUES
from drift.profiles import ColumnValues, Profile, profile

FORMAT = 1
MAX_PARTS = 20
MIN_PART_ROWS = 50
PART_VALUES = 10_000


@dataclass(frozen=True, eq=False)
class Reference:
    """`columns` and `outputs` are profiles by name; `parts` are the columns' profiles of consecutive rows,
    oldest first; `outputs` come from rows held out from training, since in-sample ones always differ; `recent`
    are the columns' profiles of these held-out rows, the newest ones: after an adaptation older rows differ from
    today's, and what is like the newest is no drift."""

    columns: dict[str, Profile]
    parts: tuple[dict[str, Profile], ...]
    outputs: dict[str, Profile]
    recent: dict[str, Profile] = field(default_factory=dict)
    format: int = FORMAT

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """Plain JSON values and one array each for "columns", "outputs", "recent" and "parts"; see `from_arrays`."""
        meta: dict[str, Any] = {"format": self.format}
        arrays: dict[str, NDArray[np.float64]] = {}
        meta["columns"], arrays["columns"] = pack(self.columns)
        meta["outputs"], arrays["outputs"] = pack(self.outputs)
        meta["recent"], arrays["recent"] = pack(self.recent)
        pieces, used = [np.zeros(0)], 0
        meta["parts"] = []
        for part in self.parts:
            part_meta, values = pack(part, used)
            meta["parts"].append(part_meta)
            pieces.append(values)
            used += len(values)
        arrays["parts"] = np.concatenate(pieces)
        return meta, arrays

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]]) -> "Reference":
        """The inverse of `to_arrays`; memory-mapped arrays stay so. ValueError on an unknown format."""
        if meta.get("format") != FORMAT:
            raise ValueError(f"reference format {meta.get('format')!r}; this driftd reads format {FORMAT}")
        return cls(
            unpack(meta["columns"], arrays["columns"]),
            tuple(unpack(part, arrays["parts"]) for part in meta["parts"]),
            unpack(meta["outputs"], arrays["outputs"]),
            unpack(meta["recent"], arrays["recent"]),
        )


def build_reference(
    columns: Iterable[tuple[str, ColumnValues]],
    outputs: Iterable[tuple[str, ColumnValues]] = (),
    recent: Iterable[tuple[str, ColumnValues]] = (),
    parts: int = MAX_PARTS,
    max_values: int = MAX_VALUES,
) -> Reference:
    """The reference of named columns of n rows each, oldest row first, consumed one at a time (so a generator
    holds one column in memory), of the predictions' columns (see `output_columns`), and of the held-out rows' columns.

    >>> reference = build_reference([("x", np.arange(1000.0))], parts=2)
    >>> reference.columns["x"].mean, [part["x"].mean for part in reference.parts]
    (499.5, [249.5, 749.5])
    """
    wholes: dict[str, Profile] = {}
    slices: list[dict[str, Profile]] = []
    for name, values in columns:
        wholes[name] = profile(values, max_values)
        for position, piece in enumerate(_split(values, parts)):
            if position == len(slices):
                slices.append({})
            slices[position][name] = profile(piece, min(PART_VALUES, max_values))
    predicted = {name: profile(values, max_values) for name, values in outputs}
    newest = {name: profile(values, max_values) for name, values in recent}
    return Reference(wholes, tuple(slices), predicted, newest)


def _split(values: ColumnValues, parts: int) -> list[ColumnValues]:
    """At most `parts` consecutive pieces, of at least 50 rows where there is more than one."""
    rows = len(values.codes) if isinstance(values, Codes) else len(values)
    pieces = max(1, min(parts, MAX_PARTS, rows // MIN_PART_ROWS))
    cuts = [rows * position // pieces for position in range(pieces + 1)]
    spans = [slice(start, stop) for start, stop in pairwise(cuts)]
    if isinstance(values, Codes):
        return [Codes(values.codes[span], values.names) for span in spans]
    return [values[span] for span in spans]
