"""What checks expect of an adjusted deployment is of what is served, on rows that none of its members saw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.champion import MonitoredDeployment, Predicted, monitored_whole
from retrain.monitoring.estimate import estimate_performance, fit_estimate
from retrain.monitoring.expected import expected_answers, expected_reference
from retrain.monitoring.reference import version_reference
from retrain.monitoring.unseen import unseen_predictions
from retrain.operations import AcceptedFile, PreparedRows
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.held_out import in_reservoir
from retrain.stages.train import fit_version

pytestmark = pytest.mark.xdist_group("expected")  # what they share is made once

FILES, ROWS, FIRST = 4, 400, 2
SHIFT = Recalibration(("no", "yes"), (1.0, -1.0))


class World:
    """Four files; v1 was trained on two of them, v2 on all but the reservoirs of the newest two."""

    def __init__(self, folder: Path, task: str) -> None:
        self.folder = folder
        target = Column("y", "category" if task == "classification" else "number")
        self.schema = Schema((Column("x", "number"), target), task, "y")
        self.settings = ModelSettings(
            data_dir="d", task=task, target="y", estimator={"params": {"max_iter": 20}},
            metric="roc_auc" if task == "classification" else "mae",
        )  # fmt: skip
        self.files = {seq: self.file(seq) for seq in range(1, FILES + 1)}
        tables = {seq: pq.read_table(file.snapshot) for seq, file in self.files.items()}
        self.first = self._fit([tables[seq] for seq in range(1, FIRST + 1)], "v1")
        held = {seq: in_reservoir(np.arange(1, ROWS + 1), seq) & (seq > FIRST) for seq in tables}
        parts = [folder / "train.parquet", folder / "holdout.parquet"]
        for path, sign in zip(parts, (False, True), strict=True):
            chosen = [table.filter(pa.array(held[seq] == sign)) for seq, table in tables.items()]
            pq.write_table(pa.concat_tables(chosen), path)
        self.second = self._fit([pq.read_table(parts[0])], "v2")
        self.unseen = unseen_predictions(self.second, *parts, self.settings)
        self.reference = version_reference(self.second, *parts, self.settings, self.unseen)

    def served(self, weights: dict[str, float], recalibration: Recalibration | None = None) -> LoadedDeployment:
        """A deployment of both whose newest version is v2."""
        return LoadedDeployment({"v1": self.first, "v2": self.second}, weights, "v2", recalibration)

    def file(self, seq: int) -> AcceptedFile:
        """A file of rows like all others."""
        rng, path = np.random.default_rng(seq), self.folder / f"{seq}.parquet"
        x = rng.normal(size=ROWS)
        signal = x + rng.normal(size=ROWS)
        numbers = self.schema.task == "regression"
        y = pa.array(signal) if numbers else pa.array(np.where(signal > 0, "yes", "no")).dictionary_encode()
        same = {"__seq": np.full(ROWS, seq), "__row": np.arange(1, ROWS + 1), "__weight": np.ones(ROWS)}
        pq.write_table(pa.table({"x": x, "y": y, **same}), path)
        return AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=ROWS)

    def _fit(self, tables: list[pa.Table], name: str) -> LoadedVersion:
        table = pa.concat_tables(tables)
        known = [f"d{seq}" for seq in np.unique(table["__seq"].to_numpy())]
        rows = PreparedRows(snapshots=known)
        fitted = fit_version(table, rows, self.schema, self.settings, None, "m", 1, Path())
        training = {**fitted.training, "snapshots": known, "prepare": {"reserved_snapshots": []}}
        return replace(fitted, name=name, training=training)


@pytest.fixture(scope="module", params=["classification", "regression"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Of either task."""
    return World(tmp_path_factory.mktemp("world"), request.param)


def test_a_blend_is_expected_on_rows_that_no_member_saw(world: World) -> None:
    """Of the files after the older member's training, what both say together; the newest one as if it had not seen
    them."""
    served = world.served({"v2": 0.6, "v1": 0.4})
    found = expected_answers(served, world.unseen, world.files)
    assert found is not None and set(found.rows.files.tolist()) == {3, 4} and found.table.num_rows == len(found.rows)
    later = world.unseen.take(world.unseen.files > FIRST)
    assert (found.rows.rows.tolist(), found.rows.y.tolist()) == (later.rows.tolist(), later.y.tolist())
    answer = served.answer({"v1": world.first.predict_table(found.table), "v2": later.predictions})
    assert found.rows.predictions.equals(answer)
    outputs = expected_reference(world.reference, found).outputs
    assert outputs["prediction"].rows == len(later) and set(outputs) == set(world.reference.outputs)


def test_a_recalibration_alone_needs_no_rows_of_classes(world: World) -> None:
    """All that the newest version did not see, shifted as it is served; of numbers, the rows for their features."""
    numbers = world.schema.task == "regression"
    shift = Recalibration(intercept=3.0) if numbers else SHIFT
    served = world.served({"v2": 1.0}, shift)
    found = expected_answers(served, world.unseen, world.files if numbers else {})
    assert found is not None and len(found.rows) == len(world.unseen) and (found.table is None) != numbers
    assert found.rows.predictions.equals(shift.apply(world.unseen.predictions))


def test_what_is_served_is_estimated_and_compared(world: World) -> None:
    """Rows like those before give outputs that do not drift and an estimate near the truth of what is served; the
    newest version's own reference would have called the shift of the answers a drift."""
    shift = Recalibration(intercept=3.0) if world.schema.task == "regression" else SHIFT
    served = world.served({"v2": 0.5, "v1": 0.5}, shift)
    estimate = fit_estimate(world.schema.task, world.unseen.y, world.unseen.predictions, None, 0)
    alone = MonitoredDeployment(served, world.reference, estimate)
    whole = monitored_whole(alone, world.unseen, tuple(world.files.values()), 0, Memory())
    assert whole.whole and whole.reference.columns is world.reference.columns
    table = pq.read_table(world.file(9).snapshot)
    answer = served.answer({name: version.predict_table(table) for name, version in served.versions.items()})
    y = np.array(table["y"].to_pylist())
    matrix = None if answer.classes is not None else world.second.matrix(table)
    told = estimate_performance(world.second.metric, whole.estimate, answer, matrix)
    truth = world.second.metric.score(y, answer)
    assert told["value"] == pytest.approx(truth, abs=0.06 if answer.classes is not None else 0.3)
    output = "p_yes" if answer.classes is not None else "prediction"
    now = answer.probabilities[:, 1].mean() if answer.classes is not None else answer.values.mean()
    assert whole.reference.outputs[output].mean == pytest.approx(now, abs=0.15)
    assert world.reference.outputs[output].mean != pytest.approx(now, abs=0.15)


def test_too_few_rows_leave_the_newest_version_alone(world: World) -> None:
    """Files that are gone, or a version that kept nothing unseen: outputs are its own, as they were."""
    served = world.served({"v2": 0.5, "v1": 0.5})
    alone = MonitoredDeployment(served, world.reference)
    seen_by_both = [world.files[1], world.files[2]]
    for unseen, files in ((world.unseen, seen_by_both), (None, list(world.files.values()))):
        found = monitored_whole(alone, unseen, files, 0, Memory())
        assert not found.whole and found.reference is world.reference
        first, both = Predictions(np.zeros(1)), Predictions(np.ones(1))
        said = Predicted(first, both, np.ones(1), pa.chunked_array([pa.nulls(1)]), np.zeros(1, bool))
        assert found.said(said) is first and alone.said(said) is both


def test_the_newest_files_are_kept(world: World) -> None:
    """Of what a version said unseen, whole files, the newest first, at least one."""
    rows = {seq: int((world.unseen.files == seq).sum()) for seq in world.files}
    for most, files in ((1, {4}), (rows[4] + rows[3], {3, 4}), (10**6, {1, 2, 3, 4})):
        assert set(world.unseen.newest(most).files.tolist()) == files
