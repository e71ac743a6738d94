"""The page of models that another system serves: its configuration watches, and its commands tell what it says."""

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
from page_states import asked

from daemon.config.config import load_config
from daemon.ledger import open_ledger
from daemon.reports.page.asked import PageReader
from daemon.reports.page.overview import _undo_answer, serving_answer
from daemon.reports.page.views import facts_of, html_of

pytestmark = pytest.mark.xdist_group("elsewhere_page")  # one service before all of them

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
    with environment_at(place) as found:
        yield found


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


def test_the_status_page_says_who_serves(place):
    """It neither promises a retrain nor offers a roll-back, which the commands refuse; the reference can be renewed."""
    config = load_config(place / "config.toml")
    ledger = open_ledger(config.state_dir, create=False, read_only=True)
    reader = PageReader(config, ledger, config.paths)
    overview, model, stored = (
        facts_of(reader, asked(*path)) for path in ((), ("m", "churn"), ("m", "churn", "versions"))
    )
    shown = [html_of(reader, asked(*path, may_act=True)) for path in ((), ("m", "churn"))]
    ledger.close()
    assert overview is not None and model is not None and stored is not None
    assert str(stored["title"]).startswith("churn is served elsewhere; its reference is v0001-")
    said = overview["answers"]
    assert "churn is served elsewhere" in said["serving"] and "churn has no" not in said["serving"]
    assert "served elsewhere · reference v0001-" in str(shown[0])
    assert "/api/m/churn/renew" in str(shown[1])
    assert "/api/m/churn/retrain" not in str(shown[1]) and "/api/m/churn/rollback" not in str(shown[1])


def test_where_others_serve_all_nothing_retrains_or_can_be_rolled_back():
    """The overview's answers, of a model with an earlier reference."""
    away = {"elsewhere": {"version": None, "challengers": False}, "champion": {"before": "v0001"}, "trial": None,
            "cycle": None, "unloadable": None, "served": []}  # fmt: skip
    assert serving_answer({"models": {"m": away}, "address": None}) == "m is served elsewhere"
    assert _undo_answer({"m": away}, None) == "no model has an earlier version to go back to"
