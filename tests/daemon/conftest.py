"""One daemon with served versions for all tests of its HTTP side."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop, rows

QUIET = "first_rows = 300\non_drift = false\non_performance = false\ngrowth = 1e9\nregret = false\n"
CONFIG = f"""\
id_column = "id"
[models.m.intake]
settle = "100ms"
[models.m.triggers]
{QUIET}
[models.empty]
data_dir = "empty"
task = "regression"
target = "y"
[models.empty.columns]
a = "number"
y = "number"
[models.price]
data_dir = "price"
task = "regression"
target = "price"
[models.price.serving]
contract = "strict"
[models.price.intake]
settle = "100ms"
[models.price.triggers]
{QUIET}
[models.price.columns]
size = {{ type = "number", min = 0, max = 1000, nullable = false }}
rooms = {{ type = "integer", min = 1, max = 9 }}
garden = "boolean"
built = "datetime"
city = {{ type = "category", categories = ["graz", "linz"] }}
price = "number"
[models.m.columns]
id = "category"
x = "number"
z = "number"
colour = "category"
label = {{ type = "category", categories = ["no", "yes"] }}
"""


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


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon: `m` classifies, `price` is a regression with a strict contract, `empty` has no version."""
    folder: Path = tmp_path_factory.mktemp("http")
    made = Daemon(folder, CONFIG, columns=False)
    made.start()
    drop(identified(1), made.data / "a.csv")
    drop(prices(1), folder / "price" / "a.parquet")
    made.wait("model_swapped", model="m")
    made.wait("model_swapped", model="price")
    yield made
    made.close()
