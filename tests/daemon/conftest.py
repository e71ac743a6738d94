"""One daemon with served versions for all tests of its HTTP side."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_harness import Daemon, drop
from served_rows import identified, prices

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
