"""Labels that only one answer leads to: rows with a drawn answer make up for those without a label."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from retrain.metrics.losses import row_losses
from retrain.metrics.metric import weighted
from retrain.metrics.registry import MetricContext, get_metric
from retrain.metrics.resampling import standard_error
from retrain.operations import AcceptedFile
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.answered import row_weights
from retrain.rows.history import History
from retrain.stages.prepare import labelled_rows

SCHEMA = Schema(
    (Column("id", "category"), Column("x", "number"), Column("y", "category")), "classification", "y", None, "id"
)
SETTINGS = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", "id_column": "id"})
SHARE, ROWS = 0.2, 4_000


def served(folder: Path, seq: int, granted: bool = True, drawn: bool = True) -> tuple[list[AcceptedFile], float]:
    """Live traffic whose label is "yes" with probability x, granted where x is above a half or a draw says so; its
    labels, of granted rows only or of half of them at random; and the share of "yes" in truth."""
    rng = np.random.default_rng(seq)
    x = rng.random(ROWS)
    y, greedy = np.where(rng.random(ROWS) < x, "yes", "no"), np.where(x > 0.5, "grant", "refuse")
    answer = np.where(rng.random(ROWS) < SHARE, np.where(rng.random(ROWS) < 0.5, "grant", "refuse"), greedy)
    ids = [f"{seq}-{k}" for k in range(ROWS)]
    columns = {"id": ids, "x": x, "y": pa.nulls(ROWS, pa.string()), "__row": np.arange(1, ROWS + 1)}
    if drawn:
        propensity = SHARE / 2 + (1 - SHARE) * (answer == greedy)
        columns |= {"__greedy": greedy, "__answer": answer, "__propensity": propensity}
        columns["__explore_share"] = np.full(ROWS, SHARE)
    pq.write_table(pa.table(columns), folder / f"{seq}.parquet")
    known = np.flatnonzero(answer == "grant" if granted else rng.random(ROWS) < 0.5)
    pq.write_table(pa.table({"id": [ids[k] for k in known], "y": y[known]}), folder / f"{seq + 1}.parquet")
    rows = AcceptedFile(seq=seq, snapshot=folder / f"{seq}.parquet", digest=f"d{seq}", rows=ROWS, source="traffic")
    labels = AcceptedFile(
        seq=seq + 1, snapshot=folder / f"{seq + 1}.parquet", digest=f"d{seq + 1}", rows=len(known), kind="labels"
    )
    return [rows, labels], float(np.mean(y == "yes"))


def test_weighted_rows_are_like_all_rows(tmp_path):
    """Of the labelled rows 69 % are "yes", of all rows half: so are the weighted ones, in assessments and in training's
    held-out rows alike. Some weigh more, none more than the root of their number, one on average."""
    files, truth = served(tmp_path, 1)
    batch = History(files, SCHEMA).pool([1])
    y, weights = batch.labels(SCHEMA), batch.weights
    assert abs(np.mean(y == "yes") - 0.69) < 0.03
    assert abs(np.average(y == "yes", weights=weights) - truth) < 0.05
    assert np.isclose(weights.mean(), 1.0)
    assert 1.5 < weights.max() <= np.sqrt(len(y))
    prepared = labelled_rows(files, SCHEMA, SETTINGS, [])
    assert np.allclose(np.sort(row_weights(prepared)), np.sort(weights))
    assert not {"__answer", "__propensity"} & set(prepared.column_names)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "log_loss"])
def test_a_metric_of_weighted_rows_is_that_of_all_rows(tmp_path, metric):
    """A version that is wrong where nothing was granted: its metric on labelled rows is too good, weighted it is that
    on all rows within three standard errors; its losses differ from another's by the difference of the metrics."""
    files, _ = served(tmp_path, 1)
    batch, rng = History(files, SCHEMA).pool([1]), np.random.default_rng(9)
    x, y = batch.table.column("x").to_numpy(), batch.labels(SCHEMA)

    def version(x: np.ndarray) -> Predictions:
        p = np.where(x > 0.25, x, 1 - x)
        return Predictions(np.where(p > 0.5, "yes", "no"), np.stack([1 - p, p], axis=1), ("no", "yes"))

    plain = get_metric(metric, MetricContext("classification"))
    fair = weighted(plain, batch.weights)
    everything = rng.random(100_000)
    truth = plain.score(np.where(rng.random(100_000) < everything, "yes", "no"), version(everything))
    found, error = fair.score(y, version(x)), standard_error(fair, y, version(x))
    assert abs(found - truth) < 3 * error
    assert abs(plain.score(y, version(x)) - truth) > 3 * standard_error(plain, y, version(x))
    right = Predictions(np.where(x > 0.5, "yes", "no"), np.stack([1 - x, x], axis=1), ("no", "yes"))
    gain = float(np.mean(row_losses(fair, y, version(x)) - row_losses(fair, y, right)))
    assert abs(gain - fair.improvement(found, fair.score(y, right))) < 0.02


def test_rows_count_alike_where_labels_do_not_depend_on_the_answer(tmp_path):
    """Labels of half of the rows at random, no draws, or one row with a label: no weights, and keys that stay."""
    alike, _ = served(tmp_path, 1, granted=False)
    plain, _ = served(tmp_path, 3, drawn=False)
    few, _ = served(tmp_path, 5)
    one = pq.read_table(few[1].snapshot).slice(0, 1)
    pq.write_table(one, tmp_path / "one.parquet")
    few[1] = replace(few[1], snapshot=tmp_path / "one.parquet", rows=1)
    for files in (alike, plain, few):
        assert History(files, SCHEMA).pool([files[0].seq]).weights is None


def test_files_with_and_without_draws_are_judged_together(tmp_path):
    """In one pool, rows of a file without draws count one each; labels of a neighbour change the key of the pool's
    labels, since they change the rates."""
    drawn, _ = served(tmp_path, 1)
    plain, _ = served(tmp_path, 3, drawn=False)
    later, _ = served(tmp_path, 5)
    mixed, _ = served(tmp_path, 7, granted=False)
    history = History([*drawn, *plain], SCHEMA)
    both = history.pool([1, 3])
    assert (both.weights[both.parts[1].start :] == 1.0).all()
    alone, beside = History(mixed, SCHEMA), History([*later, *mixed], SCHEMA)
    assert beside.labels_key([7]) != alone.labels_key([7])
    assert beside.labels_key([5]) == History(later, SCHEMA).labels_key([5])
