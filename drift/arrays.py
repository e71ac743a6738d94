"""Profiles as plain JSON values and one array of numbers, and back."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drift.categorical import CategoricalProfile
from drift.numeric import NumericProfile
from drift.profiles import Profile
from drift.scores import Floats

MOMENTS = ("minimum", "maximum", "mean", "m2")


def pack(profiles: Mapping[str, Profile], start: int = 0) -> tuple[dict[str, Any], Floats]:
    """JSON values by column name, and the sorted values of the numeric ones end to end; each column's JSON says
    where its own begin, `start` being added to every such position."""
    meta: dict[str, Any] = {}
    values: list[Floats] = [np.zeros(0)]
    for name, profile in profiles.items():
        if isinstance(profile, NumericProfile):
            meta[name] = _numeric_meta(profile, start)
            values.append(np.asarray(profile.values, dtype=np.float64))
            start += len(profile.values)
        else:
            meta[name] = _categorical_meta(profile)
    return meta, np.concatenate(values)


def unpack(meta: Mapping[str, Any], values: Floats) -> dict[str, Profile]:
    """The inverse of `pack`, whatever the order of the keys. ValueError where values are missing."""
    profiles: dict[str, Profile] = {}
    for name, entry in meta.items():
        if entry["kind"] == "numeric":
            stop = entry["start"] + entry["values"]
            if stop > len(values):
                raise ValueError(f"the reference's values end within column {name!r}")
            profiles[name] = _numeric(entry, values[entry["start"] : stop])
        else:
            profiles[name] = CategoricalProfile(
                dict(sorted(entry["counts"].items())),
                entry["missing"],
                entry["other"],
                entry["max_categories"],
            )
    return profiles


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


def _numeric(entry: Mapping[str, Any], values: Floats) -> NumericProfile:
    moments = {key: math.nan if entry[key] is None else float(entry[key]) for key in MOMENTS}
    return NumericProfile(
        count=entry["count"],
        missing=entry["missing"],
        infinite=entry["infinite"],
        values=values,
        max_values=entry["max_values"],
        **moments,
    )
