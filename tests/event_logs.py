"""Small event logs for tests: people with tastes, items that come and go."""

import numpy as np
import pyarrow as pa

from retrain.recommendation.interactions import Interactions, interactions_of

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000


def log(events: int = 1500, users: int = 80, items: int = 40, seed: int = 0, fashion: float = 0.4) -> pa.Table:
    """Events in order of time over twenty days: each user likes one half of the items, and each day has its
    fashion, which a share of the events follows."""
    rng = np.random.default_rng(seed)
    time_ms = START_MS + np.sort(rng.integers(0, 20 * DAY_MS, events))
    user = rng.integers(0, users, events)
    day = (time_ms - START_MS) // DAY_MS
    daily = (2 * day + rng.integers(0, 5, events)) % items
    taste = 2 * rng.integers(0, items // 2, events) + user % 2
    item = np.where(rng.random(events) < fashion, daily, taste)
    return pa.table({
        "who": [f"u{one:03d}" for one in user], "what": [f"i{one:02d}" for one in item], "at": time_ms // 1000,
    })  # fmt: skip


def interactions(table: pa.Table) -> Interactions:
    """The events of a log."""
    return interactions_of(table["who"].to_pylist(), table["what"].to_pylist(), table["at"].to_numpy() * 1000)
