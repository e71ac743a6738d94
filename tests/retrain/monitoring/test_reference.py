"""The reference of a new version: its rows file by file, and what it says of rows that it was not trained on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from retrain.model.fitting import out_of_fold
from retrain.monitoring import unseen
from retrain.monitoring.reference import version_reference
from retrain.monitoring.unseen import Unseen, unseen_predictions
from retrain.operations import PreparedRows
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.held_out import in_reservoir
from retrain.stages.train import fit_version

pytestmark = pytest.mark.xdist_group("reference")  # what they share is made once

SCHEMA = Schema((Column("x", "number"), Column("c", "category"), Column("y", "category")), "classification", "y")
SETTINGS = ModelSettings(
    data_dir="data", task="classification", target="y", estimator={"params": {"max_iter": 30, "min_samples_leaf": 5}}
)
FILES, ROWS = 4, 400


def _rows() -> pa.Table:
    """Four files of 400 rows whose label is half noise."""
    rng = np.random.default_rng(0)
    x, words = rng.normal(size=FILES * ROWS), rng.choice(["a", "b"], FILES * ROWS)
    y = np.where(x + (words == "a") + 1.5 * rng.normal(size=FILES * ROWS) > 0.5, "yes", "no")
    return pa.table(
        {
            "x": x,
            "c": pa.array(words).dictionary_encode(),
            "y": pa.array(y).dictionary_encode(),
            "__seq": np.repeat(np.arange(1, FILES + 1), ROWS),
            "__row": np.tile(np.arange(1, ROWS + 1), FILES),
            "__weight": np.repeat(0.5 ** np.arange(FILES)[::-1], ROWS),
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training rows, and a fifth of the two newest files held out."""
    table, folder = _rows(), tmp_path_factory.mktemp("prepared")
    held = np.concatenate([in_reservoir(np.arange(1, ROWS + 1), seq) & (seq > 2) for seq in range(1, FILES + 1)])
    paths = folder / "train.parquet", folder / "holdout.parquet"
    for path, mask in zip(paths, (~held, held), strict=True):
        pq.write_table(table.filter(pa.array(mask)), path)
    return paths


def _version(train: Path):
    return fit_version(pq.read_table(train), PreparedRows(), SCHEMA, SETTINGS, None, "m", 1, Path())


def test_outputs_are_of_rows_that_did_not_train(prepared: tuple[Path, Path]) -> None:
    """All rows of the newest two files have a prediction, and four fifths of older ones, by an estimator that had not
    seen them: worse than in-sample ones; of features whole files are counted."""
    version = _version(prepared[0])
    unseen_rows = unseen_predictions(version, *prepared, SETTINGS)
    known = version_reference(version, *prepared, SETTINGS, unseen_rows)
    assert known.rows == FILES * ROWS - 160 and known.outputs["p_yes"].rows == FILES * ROWS - 160
    for counted in (known.files["x"], known.files["c"]):
        assert counted.rows.tolist() == [ROWS] * FILES
    assert known.output_files["p_yes"].rows.tolist() == [320, 320, 400, 400]
    table = pq.read_table(prepared[0])
    y = np.array(table["y"].to_pylist())
    said, origin = unseen_rows.predictions, unseen_rows.files
    inside = version.predict_table(table).probabilities[:, 1]
    labels = np.array(_rows()["y"].to_pylist())[-2 * ROWS :]
    fresh = roc_auc_score(labels == "yes", said.probabilities[-2 * ROWS :, 1])
    assert (np.diff(origin) >= 0).all() and (origin[-ROWS:] == FILES).all()
    assert roc_auc_score(y == "yes", inside) > fresh + 0.03


def test_enough_held_out_rows_need_no_further_training(
    prepared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a version that is not promoted: then outputs are of the held-out rows alone."""
    version = _version(prepared[0])
    assert len(unseen_predictions(version, *prepared, SETTINGS, most_folds=0)) == 160
    monkeypatch.setattr(unseen, "ENOUGH_ROWS", 160)
    assert len(unseen_predictions(version, *prepared, SETTINGS)) == 160
    monkeypatch.setattr(unseen, "ENOUGH_ROWS", 400)
    assert len(unseen_predictions(version, *prepared, SETTINGS)) == 160 + 320


def test_what_is_said_of_unseen_rows_is_read_as_it_was_written(prepared: tuple[Path, Path]) -> None:
    """Predictions, labels and where each row is from, bit by bit."""
    version = _version(prepared[0])
    before = unseen_predictions(version, *prepared, SETTINGS)
    after = Unseen.from_table(before.to_table(), version.classes)
    assert after.predictions.equals(before.predictions) and after.y.tolist() == before.y.tolist()
    for name in ("files", "rows", "held_out"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    assert before.held_out.sum() == 160


def test_folds_without_a_class_are_left_out(prepared: tuple[Path, Path]) -> None:
    """Rows all of one class would train another model than was asked for."""
    version, rows = _version(prepared[0]), pq.read_table(prepared[0])
    X, y = version.preprocessor.transform(rows), np.array(rows["y"].to_pylist())
    assert list(out_of_fold(version, X, y, np.ones(len(y)), [y == "yes"], 0)) == []
