"""docs/adopt.md and docs/prepare.md are true: what they show runs, one after the other. Run by `test_adopting.py`."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from daemon_harness import ROOT, Daemon, in_process

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICK = '[models.flights.intake]\nsettle = "200ms"\n[models.flights.triggers]\nfirst_rows = 300\n'
PARTS = "import joblib\n\n\ndef load(path):\n    return joblib.load(path)\n"


def blocks(page: str, kind: str) -> list[str]:
    """The pieces of a page in one language."""
    return [text for found, text in BLOCK.findall((ROOT / "docs" / page).read_text("utf-8")) if found == kind]


def flights(seed: int, count: int = 600) -> pd.DataFrame:
    """Flights with remarks; long ones and those with fog are late more often."""
    rng = np.random.default_rng(seed)
    distance, minutes = rng.integers(80, 2500, count), rng.integers(30, 300, count)
    remark = [" ".join(rng.choice(["fog", "gate", "crew", "calm", "fuel"], 4)) for _ in range(count)]
    departure = pd.Timestamp("2024-05-01") + pd.to_timedelta(rng.integers(0, 1440 * 90, count), unit="min")
    late = distance / 1000 + np.array(["fog" in one for one in remark]) + rng.normal(0, 0.4, count) > 1.8
    carrier = rng.choice(["OO", "AA", "dl"], count)
    columns = {"carrier": carrier, "distance": distance, "minutes": minutes, "departure": departure, "remark": remark}
    return pd.DataFrame(columns | {"late": np.where(late, "yes", "no")})


def place(folder: Path, page: str) -> Daemon:
    """A service with the model that a page configures, in the folder where its reader sits."""
    made = Daemon(folder, columns=False)
    head = made.config.read_text().partition("[models.m]")[0]
    made.config.write_text(head + blocks(page, "toml")[0] + QUICK)
    (folder / "flights").mkdir()
    return made


def typed(made: Daemon, line: str) -> str:
    """What a command of a page prints, which ends well or tells of drift."""
    program, *words = shlex.split(line)
    assert program == "driftd"
    done = in_process(["-c", str(made.config), *words], cwd=made.folder)
    assert done.returncode in (0, 1 if words[0] == "check" else 0), done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_page_of_adoption(tmp_path):
    """The pipeline of the page is written, adopted and served; the versions name it; one of joblib takes its place."""
    made = place(tmp_path, "adopt.md")
    flights(0).to_csv(tmp_path / "history.csv", index=False)
    subprocess.run([sys.executable, "-c", blocks("adopt.md", "python")[0]], cwd=tmp_path, check=True)
    adopt, versions, again = blocks("adopt.md", "sh")
    try:
        made.start()
        promised = [text for kind, text in BLOCK.findall((ROOT / "docs" / "adopt.md").read_text("utf-8")) if not kind]
        assert not promised
        assert (
            typed(made, adopt).strip()
            == "model.skops is evaluated and proven, and then served: `driftd status` says when"
        )
        made.wait("model_swapped")
        assert "was adopted from model.skops (sha256" in typed(made, versions)
        subprocess.run(
            [sys.executable, "-c", "import joblib, skops.io; joblib.dump(skops.io.load('model.skops', trusted="
             "skops.io.get_untrusted_types(file='model.skops')), 'model.joblib')"], cwd=tmp_path, check=True
        )  # fmt: skip
        (tmp_path / "parts.py").write_text(PARTS)
        since = len(made.events)
        typed(made, again)
        finished = made.wait("cycle_finished", since=since)
        assert finished["outcome"] == "kept" and "exactly as" in finished["reason"]
        changed = blocks("adopt.md", "python")[0].replace("RandomForestClassifier(50", "RandomForestClassifier(30")
        changed = changed.replace("skops.io.dump(pipeline, ", "import joblib; joblib.dump(pipeline, ").replace(
            ".skops", ".joblib"
        )
        subprocess.run([sys.executable, "-c", changed], cwd=tmp_path, check=True)
        since = len(made.events)
        typed(made, again)
        made.wait("model_swapped", since=since)
        assert "was adopted from model.joblib by parts.py:load" in typed(made, versions)
    finally:
        made.close()


@pytest.mark.long
def test_the_page_of_preparation(tmp_path):
    """The code of the page trains a model on the data folder, and a check compares what it gives."""
    made = place(tmp_path, "prepare.md")
    (tmp_path / "features.py").write_text(blocks("prepare.md", "python")[0])
    flights(1).to_csv(tmp_path / "flights" / "a.csv", index=False)
    flights(2, 200).to_csv(tmp_path / "july.csv", index=False)
    try:
        made.start()
        made.wait("model_swapped")
        (check,) = blocks("prepare.md", "sh")
        shown = typed(made, check)
        assert "speed" in shown and "evening" in shown and "minutes" not in shown
    finally:
        made.close()
