"""What checks compare with: profiles of a version's data, counts of its consecutive parts and of its newest files, and
its predictions."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from drift.profiles.files import FileCounts, count_files, file_groups, one_file
from drift.profiles.numeric import MAX_VALUES
from drift.profiles.parts import MAX_PARTS, Parts, count_parts
from drift.profiles.profile import ColumnValues, Profile, profile
from drift.profiles.serialization import pack, pack_files, pack_parts, unpack, unpack_files, unpack_parts

FORMAT = 4
"""Format 1 had other parts, and formats 1 and 2 no grids or others; they are read without these. Up to format 3 there
were profiles of the newest held-out rows in place of counts by file: they are read as those of a single file."""

META = "reference.json"


@dataclass(frozen=True, eq=False)
class Reference:
    """`columns` and `outputs` are profiles by name; `parts` and `output_parts` count them in consecutive rows, oldest
    first; `outputs` come from rows held out from training, since in-sample ones always differ; `files` and
    `output_files` count both in the newest files: after an adaptation older rows differ from today's, and what is like
    the newest is no drift."""

    columns: dict[str, Profile]
    parts: dict[str, Parts]
    outputs: dict[str, Profile]
    output_parts: dict[str, Parts] = field(default_factory=dict)
    files: dict[str, FileCounts] = field(default_factory=dict)
    output_files: dict[str, FileCounts] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the columns."""
        return max((one.rows for one in self.columns.values()), default=0)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """Plain JSON values, and one array for each of the fields."""
        meta: dict[str, Any] = {"format": FORMAT}
        arrays: dict[str, NDArray[np.float64]] = {}
        for name in ("columns", "outputs"):
            meta[name], arrays[name] = pack(getattr(self, name))
        for name in ("parts", "output_parts"):
            meta[name], arrays[name] = pack_parts(getattr(self, name))
        for name in ("files", "output_files"):
            meta[name], arrays[name] = pack_files(getattr(self, name))
        return meta, arrays

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]]) -> "Reference":
        """The inverse of `to_arrays`; memory-mapped arrays stay so. ValueError on an unknown format."""
        if meta.get("format") not in range(1, FORMAT + 1):
            raise ValueError(f"reference format {meta.get('format')!r}; this driftd reads formats 1 to {FORMAT}")
        version: int = meta["format"]
        columns, outputs = (unpack(meta[name], arrays[name], version >= 3) for name in ("columns", "outputs"))
        names = ("parts", "output_parts") if version > 1 else ()
        parts = [unpack_parts(meta[name], arrays[name]) for name in names] or [{}, {}]
        if version <= 3:
            recent = unpack(meta["recent"], arrays["recent"], grids=False)
            files = [{name: one_file(profile, columns.get(name)) for name, profile in recent.items()}, {}]
        else:
            files = [unpack_files(meta[name], arrays[name]) for name in ("files", "output_files")]
        return cls(columns, parts[0], outputs, parts[1], *files)

    def to_bytes(self) -> bytes:
        """All of it, for a file or a store of one's own; the same reference gives the same bytes."""
        meta, arrays = self.to_arrays()
        stream = BytesIO()
        members: dict[str, Any] = {META: np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays}
        np.savez_compressed(stream, **members)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """The inverse of `to_bytes`. ValueError where these are no such bytes, or of an unknown format."""
        try:
            with np.load(BytesIO(data), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            meta = json.loads(found.pop(META).tobytes())
        except (BadZipFile, zlib.error, KeyError, OSError, EOFError, AttributeError, ValueError) as error:
            raise ValueError("these bytes are no reference of driftd") from error
        return cls.from_arrays(meta, found)


def build_reference(
    columns: Iterable[tuple[str, ColumnValues]],
    outputs: Iterable[tuple[str, ColumnValues]] = (),
    parts: int = MAX_PARTS,
    max_values: int = MAX_VALUES,
) -> Reference:
    """The reference of named columns of n rows each, oldest row first, consumed one at a time (so a generator
    holds one column in memory), and of the predictions' columns (see `output_columns`); `with_files` adds the newest
    files.

    >>> reference = build_reference([("x", np.arange(1000.0))], parts=10)
    >>> reference.columns["x"].mean, reference.parts["x"].rows[0]
    (499.5, np.int64(100))
    """
    known, counted = _profiles(columns, max_values, parts)
    predicted, output_parts = _profiles(outputs, max_values, parts)
    return Reference(known, counted, predicted, output_parts)


def with_files(
    reference: Reference,
    columns: Iterable[tuple[str, ColumnValues]],
    sequence: NDArray[np.int64],
    outputs: Iterable[tuple[str, ColumnValues]] = (),
    output_sequence: NDArray[np.int64] | None = None,
) -> Reference:
    """With the newest files of columns of n rows, whose file each row of `sequence` says (by order of arrival),
    consumed one at a time, and of the outputs; more rows than the reference's profiles are of, where there are more.

    >>> reference = build_reference([("x", np.arange(1000.0))])
    >>> with_files(reference, [("x", np.arange(1000.0))], np.repeat([1, 2], 500)).files["x"].rows
    array([500, 500])
    """
    groups = file_groups(sequence)
    said = groups if output_sequence is None else file_groups(output_sequence)
    files = {name: count_files(values, groups, reference.columns.get(name)) for name, values in columns}
    output_files = {name: count_files(values, said, reference.outputs.get(name)) for name, values in outputs}
    return replace(reference, files=files, output_files=output_files)


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
