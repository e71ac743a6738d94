"""Counters on disk, so that a server that starts need not count a large log again.

A checkpoint is a folder of arrays that are mapped, not read: several servers share the memory. It only saves time: it
stands under a name that says of what it is, and whoever finds none, or a damaged one, counts anew."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import DecodeError, Struct, ValidationError, json
from numpy.typing import NDArray
from scipy import sparse

from retrain import durable
from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Interactions
from retrain.recommendation.parts import Live
from retrain.recommendation.popularity import Popularity

FORMAT = 1
EVENTS, POPULAR, TABLE = ("user", "item", "time_ms", "weight"), ("tick", "item", "users"), ("data", "indices", "indptr")
TABLES = ("transitions", "together", "shares", "neighbours")
"""The last two are what answers look up."""


class _Head(Struct, forbid_unknown_fields=True):
    format: int
    half_lives_ms: list[float | None]
    longest: int
    users: list[str]
    items: list[str]


def save(counters: Counters, live: Live, folder: Path) -> None:
    """Write a checkpoint, whole or not at all; one that is there already stays. `live` are the tables of these
    counters."""
    staged = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    durable.make_folder(staged, "checkpoint.made")
    for name, array in _arrays(counters, live).items():
        np.save(staged / f"{name}.npy", array, allow_pickle=False)
    events = counters.interactions
    names = [str(name) for name in events.users], [str(name) for name in events.items]
    head = _Head(FORMAT, list(counters.half_lives_ms), counters.longest, *names)
    durable.write_file(staged / "head.json", json.encode(head), "checkpoint.head")
    durable.publish_folder(staged, folder, "checkpoint.published")


def load(folder: Path) -> tuple[Counters, Live] | None:
    """A checkpoint, mapped; None where there is none, or one that cannot be read."""
    try:
        head = json.decode((folder / "head.json").read_bytes(), type=_Head)
        if head.format != FORMAT:
            return None
        return _counters(head, folder)
    except (OSError, ValueError, DecodeError, ValidationError):
        return None


def _arrays(counters: Counters, live: Live) -> dict[str, NDArray[Any]]:
    found = {f"events.{name}": getattr(counters.interactions, name) for name in EVENTS}
    for place, one in enumerate(counters.popularity):
        found |= {f"popularity_{place}.{name}": getattr(one, name) for name in POPULAR}
    tables = counters.transitions, counters.together, live.transitions, live.neighbours
    for name, table in zip(TABLES, tables, strict=True):
        found |= {f"{name}.{part}": getattr(table, part) for part in TABLE}
    return {**found, "support": counters.support}


def _counters(head: _Head, folder: Path) -> tuple[Counters, Live]:
    users, items = np.array(head.users, dtype=object), np.array(head.items, dtype=object)
    events = Interactions(users, items, *_mapped(folder, "events", EVENTS))
    popular = tuple(
        Popularity(half_life, *_mapped(folder, f"popularity_{place}", POPULAR))
        for place, half_life in enumerate(head.half_lives_ms)
    )
    shape = len(items), len(items)
    followed, both, shares, near = (
        sparse.csr_array(tuple(_mapped(folder, name, TABLE)), shape=shape) for name in TABLES
    )
    support = np.load(folder / "support.npy", mmap_mode="r", allow_pickle=False)
    return Counters(events, popular, followed, both, support, head.longest), Live(shares, near)


def _mapped(folder: Path, name: str, parts: Sequence[str]) -> list[NDArray[Any]]:
    """Arrays that are read where they are looked at; empty ones cannot be mapped."""
    paths = [folder / f"{name}.{part}.npy" for part in parts]
    return [np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)) for path in paths]
