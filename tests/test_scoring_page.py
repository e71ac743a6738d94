"""docs/scoring.md is true: its commands do what it says, one after the other."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from daemon_harness import ROOT, Daemon, drop
from page_commands import SHELL, environment_at

PAGE = ROOT / "docs" / "scoring.md"
FLIGHTS = """\
[models.flights]
data_dir = "flights"
task = "classification"
target = "late"
[models.flights.intake]
settle = "100ms"
[models.flights.triggers]
first_rows = 300
[models.flights.columns]
carrier = "category"
distance = "number"
departure = "number"
late = "category"
[models.m.columns]
x = "number"
label = "category"
"""


def flights(seed: int, count: int) -> pa.Table:
    """Flights, late ones more often in the evening."""
    rng = np.random.default_rng(seed)
    departure, distance = rng.integers(300, 1400, count), rng.integers(80, 2500, count)
    late = departure + rng.normal(0, 200, count) > 1000
    columns = {"carrier": rng.choice(["OO", "AA", "DL"], count), "distance": distance, "departure": departure}
    return pa.table(columns | {"late": np.where(late, "yes", "no")})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Where the reader sits: a configuration, a model that was served, and files to be scored; no service runs."""
    folder: Path = tmp_path_factory.mktemp("scoring")
    daemon = Daemon(folder, FLIGHTS, columns=False)
    try:
        daemon.start()
        drop(flights(1, 600), folder / "flights" / "a.csv")
        daemon.wait("model_swapped", model="flights", timeout_s=400)
        daemon.stop()
    finally:
        daemon.close()
    for seed, name in enumerate(("tonight", "tomorrow"), start=2):
        pyarrow.csv.write_csv(flights(seed, 200).drop_columns(["late"]), folder / f"{name}.csv")
    return folder


@pytest.fixture
def environment(place) -> Iterator[dict[str, str]]:
    """In which `driftd` is a command, run where the reader sits."""
    with environment_at(place) as found:
        yield found


def test_the_story_of_the_page(place, environment):
    """Each block of commands succeeds where it stands, and prints what the page shows, names of versions and digits of
    probabilities apart."""
    blocks = SHELL.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 6
    for commands, shown in blocks:
        done = subprocess.run(
            ["sh", "-ec", commands], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{commands}\n{done.stderr}"
        if shown and "head" not in commands:
            assert _nameless(done.stdout) == _nameless(shown), commands
    assert sorted(one.name for one in (place / "scored").iterdir()) == ["tomorrow.csv", "tonight.csv"]
    assert (place / "again.csv").read_text().splitlines()[0].endswith("again_probability_yes,again_version")


def _nameless(text: str) -> str:
    return re.sub(r"v0001-[0-9a-f]+", "VERSION", text)
