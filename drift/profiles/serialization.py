"""Profiles, parts and files as plain JSON values and arrays of numbers, and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from drift.profiles.categorical import CategoricalProfile
from drift.profiles.files import FileCounts
from drift.profiles.grid import TAIL_CELLS, Grid
from drift.profiles.grid_counts import GridCounts
from drift.profiles.numeric import NumericProfile
from drift.profiles.parts import Parts
from drift.profiles.profile import Profile
from drift.statistics.scores import Floats

MOMENTS = ("minimum", "maximum", "mean", "m2")


def pack(profiles: Mapping[str, Profile]) -> tuple[dict[str, Any], Floats]:
    """JSON values by column name, and end to end the sorted values of the numeric ones, each followed by what its
    grid counted; each column's JSON says where its own begin."""
    meta: dict[str, Any] = {}
    pieces: list[Floats] = [np.zeros(0)]
    start = 0
    for name, profile in profiles.items():
        if isinstance(profile, NumericProfile):
            meta[name] = _numeric_meta(profile, start)
            own = [np.asarray(profile.values, dtype=np.float64)]
            if profile.grid is not None:
                own += [profile.grid.below.astype(np.float64), profile.grid.tail_sums]
            pieces += own
            start += sum(len(piece) for piece in own)
        else:
            meta[name] = _categorical_meta(profile)
    return meta, np.concatenate(pieces)


def unpack(meta: Mapping[str, Any], values: Floats, grids: bool = True) -> dict[str, Profile]:
    """The inverse of `pack`, whatever the order of the keys; without the `grids` where these are of another format.
    ValueError where values are missing."""
    values = np.asarray(values)  # of a memory-mapped array each slice would cost ten times as much
    profiles: dict[str, Profile] = {}
    for name, entry in meta.items():
        if entry["kind"] == "numeric":
            grid = Grid(**entry["grid"]) if grids and entry.get("grid") else None
            stop = entry["start"] + entry["values"]
            if stop + (_stored(grid) if grid else 0) > len(values):
                raise ValueError(f"the reference's values end within column {name!r}")
            counts = _grid_counts(entry, grid, values[stop:]) if grid else None
            profiles[name] = _numeric(entry, values[entry["start"] : stop], counts)
        else:
            profiles[name] = CategoricalProfile(
                dict(sorted(entry["counts"].items())),
                entry["missing"],
                entry["other"],
                entry["max_categories"],
            )
    return profiles


def pack_parts(parts: Mapping[str, Parts]) -> tuple[dict[str, Any], Floats]:
    """The counts of each column's parts, end to end."""
    meta: dict[str, Any] = {}
    pieces: list[Floats] = [np.zeros(0)]
    start = 0
    for name, part in parts.items():
        meta[name] = {"kind": part.kind, "parts": part.counts.shape[0], "bins": part.counts.shape[1], "start": start}
        pieces += [part.counts.ravel().astype(np.float64), part.missing.astype(np.float64)]
        start += part.counts.size + part.missing.size
    return meta, np.concatenate(pieces)


def unpack_parts(meta: Mapping[str, Any], values: Floats) -> dict[str, Parts]:
    """The inverse of `pack_parts`. ValueError where values are missing."""
    found: dict[str, Parts] = {}
    for name, entry in meta.items():
        size = entry["parts"] * entry["bins"]
        own = np.asarray(values[entry["start"] : entry["start"] + size + entry["parts"]]).astype(np.int64)
        if len(own) != size + entry["parts"]:
            raise ValueError(f"the reference's values end within the parts of {name!r}")
        found[name] = Parts(entry["kind"], own[:size].reshape(entry["parts"], entry["bins"]), own[size:])
    return found


def pack_files(files: Mapping[str, FileCounts]) -> tuple[dict[str, Any], Floats]:
    """The edges and the counts of each column's files, end to end."""
    meta: dict[str, Any] = {}
    pieces: list[Floats] = [np.zeros(0)]
    start = 0
    for name, one in files.items():
        edges = 0 if one.edges is None else len(one.edges)
        meta[name] = {"kind": one.kind, "files": len(one.missing), "edges": edges, "names": list(one.names)}
        meta[name] |= {"start": start, "unseen": one.unseen}
        own = [*([] if one.edges is None else [one.edges]), one.counts.ravel(), one.missing]
        pieces += [piece.astype(np.float64) for piece in own]
        start += sum(len(piece) for piece in own)
    return meta, np.concatenate(pieces)


def unpack_files(meta: Mapping[str, Any], values: Floats) -> dict[str, FileCounts]:
    """The inverse of `pack_files`. ValueError where values are missing."""
    found: dict[str, FileCounts] = {}
    for name, entry in meta.items():
        many, edges, numeric = entry["files"], entry["edges"], entry["kind"] == "numeric"
        bins = 1 + (edges if numeric else len(entry["names"]))
        own = np.array(values[entry["start"] : entry["start"] + edges + many * (bins + 1)])
        if len(own) != edges + many * (bins + 1):
            raise ValueError(f"the reference's values end within the files of {name!r}")
        counts = own[edges:].astype(np.int64)
        found[name] = FileCounts(
            counts[: many * bins].reshape(many, bins),
            counts[many * bins :],
            own[:edges] if numeric else None,
            tuple(entry["names"]),
            entry["unseen"],
        )
    return found


def _stored(grid: Grid) -> int:
    """Numbers that its counts take."""
    return grid.size + 1 + 2 * TAIL_CELLS


def _grid_counts(entry: Mapping[str, Any], grid: Grid, values: Floats) -> GridCounts:
    return GridCounts(
        grid=grid,
        below=values[: grid.size + 1],
        tail_sums=values[grid.size + 1 : _stored(grid)],
        missing=entry["missing"],
        infinite=entry["infinite"],
        mean=_number(entry["mean"]),
        m2=_number(entry["m2"]),
        whole=grid.integral,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _numeric_meta(profile: NumericProfile, start: int) -> dict[str, Any]:
    moments = {key: getattr(profile, key) for key in MOMENTS}
    return {
        "kind": profile.kind,
        "count": profile.count,
        "missing": profile.missing,
        "infinite": profile.infinite,
        "start": start,
        "values": len(profile.values),
        "max_values": profile.max_values,
        "rank_error": profile.rank_error,
        "grid": None if profile.grid is None else asdict(profile.grid.grid),
        **{key: value if math.isfinite(value) else None for key, value in moments.items()},
    }


def _categorical_meta(profile: CategoricalProfile) -> dict[str, Any]:
    return {
        "kind": profile.kind,
        "counts": profile.counts,
        "missing": profile.missing,
        "other": profile.other,
        "max_categories": profile.max_categories,
    }


def _numeric(entry: Mapping[str, Any], values: Floats, grid: GridCounts | None) -> NumericProfile:
    moments = {key: _number(entry[key]) for key in MOMENTS}
    return NumericProfile(
        count=entry["count"],
        missing=entry["missing"],
        infinite=entry["infinite"],
        values=values,
        max_values=entry["max_values"],
        rank_error=entry.get("rank_error", 0.0 if len(values) == entry["count"] else 0.5 / max(len(values), 1)),
        grid=grid,
        **moments,
    )
