"""What labels say in the end does not depend on when they came, in what order, or whether they were wrong at first."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import LabelTimes, arriving
from daemon.tools.replay.source import read_source
from retrain.records.settings import ModelSettings

pytestmark = pytest.mark.xdist_group("late_evidence")  # what they share is made once

BATCHES, ROWS, INITIAL, LATE = 8, 130, 3, 2
NO_RETRAINS = {"regret": False, "growth": False, "on_drift": False, "on_performance": False}


def played(folder: Path, times: LabelTimes, **labels: str) -> Engine:
    """A replay without retrains."""
    rng, rows = np.random.default_rng(7), BATCHES * ROWS
    x, z = rng.normal(size=rows), rng.normal(size=rows)
    label = np.where(np.where(np.arange(rows) < rows / 2, x, z) + 0.3 * rng.normal(size=rows) > 0.3, "yes", "no")
    pq.write_table(pa.table({"x": x, "z": z, "y": label}), folder / "history.parquet")
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "triggers": NO_RETRAINS, "labels": labels,
         "estimator": {"params": {"max_iter": 8}}}
    )  # fmt: skip
    work = folder / str(times)
    work.mkdir()
    source = read_source([folder / "history.parquet"], settings, BATCHES, work, INITIAL, times=times)
    engine = Engine(source, settings, folder, INITIAL, times, checks=False)
    engine.play()
    return engine


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The evidence of each batch where labels come with their rows."""
    return evidence(played(tmp_path_factory.mktemp("at-once"), LabelTimes()))


def evidence(engine: Engine) -> list[dict[str, Any]]:
    """Of each batch, in order, without the numbers of files: those of labels are counted, too."""
    found = [dict(engine.evidence[seq]) for seq in sorted(engine.evidence)]
    for one in found:
        del one["seq"], one["files"], one["proposal"]["up_to"]
    return found


@pytest.mark.parametrize("schedule", ["random:2", "provisional:2", "positives-first:2"])
def test_late_and_corrected_labels_are_the_same_evidence_in_the_end(at_once, tmp_path, schedule):
    """Of the files whose labels are in, bit by bit: losses, gains, proposals, and the keys that tell them from others."""
    final = {"maturity": f"{LATE} files"} if schedule.startswith("provisional") else {}
    engine = played(tmp_path, arriving(schedule, "" if schedule.startswith("random") else "yes"), **final)
    whole = len(at_once) - LATE
    assert whole >= 2 and evidence(engine)[:whole] == at_once[:whole]
