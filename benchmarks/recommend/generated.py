"""A small shop's event log, generated, CC0: a catalogue that turns over, seasons, new users, habits and sequences.

Items come and go: each has a day of launch, after which interest halves every few weeks. Categories have their season.
Users arrive over time, prefer a few categories, view items one after the other from a category, often those next to the
last one, and come back to what they know."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

DAYS, CATEGORIES, ITEMS, USERS, SESSIONS = 240, 12, 900, 4_000, 12_000
START_S = 1_704_067_200
"""2024-01-01, in seconds since 1970."""
DAY_S = 86_400
LIFE_DAYS, REACH, KNOWN, NEXT = 30.0, 40, 0.15, 0.35
"""Half-life of an item's novelty; items of a category that are looked at; shares of events that go back to a known
item, and that go to a neighbour of the last one."""


def events(seed: int = 0) -> pa.Table:
    """The log (60,000 rows) in order of time: user, item, type ("view" or "buy") and time in seconds since 1970."""
    rng = np.random.default_rng(seed)
    category = rng.integers(0, CATEGORIES, ITEMS)
    launch = np.where(rng.random(ITEMS) < 0.4, -rng.integers(0, 60, ITEMS), rng.integers(0, DAYS, ITEMS))
    appeal = rng.lognormal(0, 1, ITEMS)
    joined = np.where(rng.random(USERS) < 0.4, 0, rng.integers(0, DAYS, USERS))
    taste = rng.dirichlet(np.full(CATEGORIES, 0.25), USERS)
    activity = rng.lognormal(0, 1, USERS)
    rows: list[tuple[int, int, float]] = []
    known: dict[int, list[int]] = {}
    for day in np.sort(rng.integers(0, DAYS, SESSIONS)):
        weight = activity * (joined <= day)
        user = int(rng.choice(USERS, p=weight / weight.sum()))
        shown = _interest(appeal, launch, int(day))
        wanted = taste[user] * _season(int(day))
        at = START_S + day * DAY_S + rng.uniform(0, DAY_S)
        for item in _session(rng, category, shown, wanted / wanted.sum(), known.setdefault(user, [])):
            rows.append((user, item, at))
            at += rng.exponential(90) + 1
    rows.sort(key=lambda row: row[2])
    return pa.table({
        "user": [f"u{user:05d}" for user, _, _ in rows],
        "item": [f"sku-{item:04d}" for _, item, _ in rows],
        "type": np.where(rng.random(len(rows)) < 0.08, "buy", "view"),
        "time": pa.array([int(at) for _, _, at in rows]),
    })  # fmt: skip


def write(folder: Path, seed: int = 0) -> Path:
    """The log as Parquet; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shop_{seed}.parquet"
    if not path.exists():
        pq.write_table(events(seed), path, compression="zstd")
    return path


def _interest(appeal: NDArray[np.float64], launch: NDArray[np.int64], day: int) -> NDArray[np.float64]:
    age = day - launch
    return np.where(age >= 0, appeal * (0.1 + np.exp2(-age / LIFE_DAYS)), 0.0)


def _season(day: int) -> NDArray[np.float64]:
    return 1 + 0.8 * np.sin(2 * np.pi * (day / 180 + np.arange(CATEGORIES) / CATEGORIES))


def _session(
    rng: np.random.Generator, category: NDArray[np.int64], shown: NDArray[np.float64], wanted: NDArray[np.float64],
    known: list[int],
) -> list[int]:  # fmt: skip
    """The items of one visit, in their order; they are added to what the user knows."""
    chosen = int(rng.choice(CATEGORIES, p=wanted))
    inside = np.flatnonzero((category == chosen) & (shown > 0))
    if not len(inside):
        return []
    found: list[int] = []
    for _ in range(1 + rng.poisson(4)):
        draw = rng.random()
        if known and draw < KNOWN:
            item = known[-1 - int(min(rng.geometric(0.3) - 1, len(known) - 1))]
        elif found and draw < KNOWN + NEXT:
            near = inside[np.argsort(np.abs(inside - found[-1]))[: REACH // 8]]
            item = int(rng.choice(near))
        else:
            weight = shown[inside]
            item = int(rng.choice(inside, p=weight / weight.sum()))
        found.append(item)
        known.append(item)
    return found
