"""The page of models that another system serves: its configuration watches, and its commands tell what it says."""

import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from daemon_harness import ROOT, Daemon, drop
from test_scoring_page import ASK, SHELL, Answering

PAGE = ROOT / "docs" / "elsewhere.md"
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICK = """\
[models.churn.intake]
settle = "100ms"
[models.churn.triggers]
first_rows = 300
[models.m.columns]
x = "number"
label = "category"
"""


def customers(seed: int, count: int = 400) -> pa.Table:
    """What another system predicted of customers, and who left."""
    rng = np.random.default_rng(seed)
    tenure, calls = rng.integers(1, 60, count), rng.integers(0, 9, count)
    p = 1 / (1 + np.exp(0.1 * tenure - 0.6 * calls + 1))
    left = rng.uniform(size=count) < p
    return pa.table(
        {
            "customer": np.arange(count) + 100_000 * seed, "tenure": tenure, "calls": calls,
            "said": np.where(p > 0.5, "yes", "no"), "p_leave": p, "p_stay": 1 - p, "by": ["2.4"] * count,
            "left": np.where(left, "yes", "no"),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Where the reader sits: the page's configuration, and a model that was watched; no service runs."""
    folder: Path = tmp_path_factory.mktemp("elsewhere")
    (configured,) = TOML.findall(PAGE.read_text("utf-8"))
    daemon = Daemon(folder, configured + QUICK, columns=False)
    try:
        daemon.start()
        drop(customers(1), folder / "churn" / "monday.csv")
        daemon.wait("version_promoted", model="churn")
        daemon.stop()
    finally:
        daemon.close()
    for seed, name in enumerate(("monday", "tuesday"), start=1):
        pyarrow.csv.write_csv(customers(seed), folder / f"{name}.csv")
    return folder


@pytest.fixture
def environment(place) -> Iterator[dict[str, str]]:
    """In which `driftd` is a command, run where the reader sits."""
    address = str(place / "asked")
    (place / "driftd").write_text(f"#!{sys.executable} -S\n" + ASK.format(address=address))
    (place / "driftd").chmod(0o755)
    with socketserver.UnixStreamServer(address, Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield dict(os.environ, PATH=f"{place}:{os.environ['PATH']}")
        server.shutdown()


def test_the_story_of_the_page(place, environment):
    """Each block of commands succeeds where it stands; `driftd status` tells what the model is compared with."""
    said = ""
    blocks = SHELL.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 4
    for commands, shown in blocks:
        done = subprocess.run(
            ["sh", "-ec", commands], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        said += done.stdout
        if shown:
            assert done.stdout.splitlines()[0].replace('"', "") == shown.splitlines()[0]
    assert "watches    what another system predicts of its 2.4, beside v0001-" in said
    assert "the reference is 400 rows of 2.4 of 1 file, 400 of them labelled" in said
