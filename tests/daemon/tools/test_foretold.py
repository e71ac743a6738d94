"""A replay's gate: chance is not served, and each forecast is followed up, as the service does."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.source import read_source
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings

BATCHES, INITIAL = 12, 3


def engine(folder: Path, tells: float, period: int | None = None, **gate: object) -> Engine:
    """Over 1,800 rows of a class of which two columns tell so much."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1800, 2))
    target = np.where(tells * X[:, 0] + rng.normal(size=1800) > 0, "yes", "no")
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1], "y": target}), folder / "stream.parquet")
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "estimator": {"params": {"max_iter": 8}},
         "gate": gate, "triggers": {"growth": False, "regret": False} if period else {}}
    )  # fmt: skip
    source = read_source([folder / "stream.parquet"], settings, BATCHES, folder, INITIAL)
    return Engine(source, settings, folder, INITIAL, LabelTimes(), period, checks=False)


def test_a_model_of_columns_that_tell_nothing_is_served_only_by_a_persons_word(tmp_path: Path) -> None:
    """No batch gives a first model, and the refusal says why and what helps; `gate.serve_anyway` says it too."""
    with pytest.raises(Refused, match="not better than the naive baseline beyond chance") as refused:
        engine(tmp_path, 0.0).play()
    assert "gate.serve_anyway = true" in refused.value.message
    told = engine(tmp_path, 0.0, serve_anyway=True)
    told.play()
    assert "it is served all the same (gate.serve_anyway)" in told.run.decisions[1]["promoted"]


def test_rows_out_of_fold_show_what_few_held_out_ones_do_not(tmp_path: Path) -> None:
    """A weak signal on 60 held-out rows is chance, on all 450 it is none: the first batches give the first model."""
    played = engine(tmp_path, 0.8)
    played.play()
    assert played.initial == INITIAL and "held out or predicted out of fold" in played.run.decisions[1]["promoted"]


def test_each_forecast_has_its_outcome_once_two_batches_came(tmp_path: Path) -> None:
    """Of kept challengers, too; what the first ones came to is in the later forecasts; a clock alone promotes nothing
    that is not better."""
    played = engine(tmp_path, 1.5, period=1)
    played.play()
    cycles = played.run.cycles
    assert len(cycles) >= 6 and {cycle["promoted"] for cycle in cycles} == {True, False}
    for cycle in cycles:
        due = cycle["batch"] + 2 < BATCHES - 1
        assert (cycle["realised"] is not None) is due
        assert not due or cycle["realised"]["rows"] == 300
        assert cycle["promoted"] is (cycle["forecast"]["difference"] > 0) or "is expected" in cycle["outcome"]
    known = [cycle["forecast"]["past"] for cycle in cycles]
    assert known[0] == 0 and known == sorted(known) and known[-1] >= 3
