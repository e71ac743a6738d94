"""Rows of the models that the session's daemon serves: see tests/daemon/conftest.py."""

import numpy as np
import pyarrow as pa
from daemon_harness import rows


def identified(seed: int, first: int = 0) -> pa.Table:
    """Rows with ids."""
    table = rows(seed)
    return table.append_column("id", pa.array([f"r{first + i}" for i in range(len(table))]))


def prices(seed: int, n: int = 600) -> pa.Table:
    """A regression with a column of every kind."""
    rng = np.random.default_rng(seed)
    size, rooms = rng.uniform(10, 200, n), rng.integers(1, 9, n)
    garden, city = rng.random(n) < 0.5, rng.choice(["graz", "linz"], n)
    built = np.datetime64("1990-01-01") + rng.integers(0, 10_000, n).astype("timedelta64[D]")
    price = size * np.where(city == "graz", 3.0, 2.0) + 10 * rooms + 50 * garden + rng.normal(0, 5, n)
    columns = {"size": size, "rooms": rooms, "garden": garden, "built": built.astype("datetime64[us]"), "city": city}
    return pa.table(columns | {"price": price})
