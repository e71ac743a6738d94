"""The reference of a model that another system serves."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrain.model.recorded import recorded_predictions
from retrain.monitoring.check import check
from retrain.operations import AcceptedFile, CheckRequest, PromoteRequest, RecordRequest, StoredDeployment
from retrain.records.errors import Refused
from retrain.records.schema import Column, Recorded, Schema, with_recorded
from retrain.records.settings import ModelSettings
from retrain.stages.promote import promote
from retrain.stages.record import record
from retrain.store.versions import load_version


def settings(**more) -> ModelSettings:
    """Of a model that another system serves."""
    given = {
        "data_dir": "d", "task": "classification", "target": "y", "served": "elsewhere", "prediction_column": "said",
        "probability_columns": {"no": "p_no", "yes": "p_yes"},
    }  # fmt: skip
    return ModelSettings(**(given | more))


def schema(of: ModelSettings) -> Schema:
    """A feature and the target, and what settings name."""
    target = Column("y", "category" if of.task == "classification" else "number")
    return with_recorded(Schema((Column("x", "number"), target), of.task, "y"), of)


def snapshot(path: Path, seed: int, n: int = 400, labelled: bool = True) -> Path:
    """Rows with what was predicted of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-2 * x))
    y = np.where(rng.uniform(size=n) < p, "yes", "no") if labelled else pa.nulls(n, pa.string())
    said = np.where(p > 0.5, "yes", "no")
    columns = {"x": x, "y": y, "said": said, "p_no": 1 - p, "p_yes": p, "by": ["1"] * (n // 2) + ["2"] * (n - n // 2)}
    pq.write_table(pa.table(columns | {"__row": np.arange(n)}), path)
    return path


def request(folder: Path, of: ModelSettings, labelled: bool = True, **more) -> RecordRequest:
    """Of one file."""
    path = snapshot(folder / "a.parquet", 1, labelled=labelled)
    files = (AcceptedFile(seq=1, snapshot=path, digest="a", rows=400, number=1),)
    (folder / "work").mkdir()
    return RecordRequest(
        model="m",
        number=1,
        files=files,
        schema=schema(of),
        settings=of,
        work=folder / "work",
        config_dir=folder,
        **more,
    )


def published(folder: Path, asked: RecordRequest) -> Path:
    """Made and published."""
    record(asked)
    done = promote(
        PromoteRequest(
            model="m", cycle=1, number=1, settings=asked.settings, work=asked.work, versions=folder / "versions"
        )
    )
    return done.path


def test_a_reference_is_a_version_without_a_model(tmp_path):
    """It loads, says of rows what was recorded of them, refuses new ones, and checks compare with it: the outputs, the
    estimate of rows without labels, and the performance of those with."""
    of = settings()
    asked = request(tmp_path, of)
    path = published(tmp_path, asked)
    version = load_version(path)
    assert version.is_recorded
    with pytest.raises(Refused, match="served elsewhere"):
        version.predict_rows([{"x": 1.0}])
    deployment = StoredDeployment(folder=path.parent, weights={path.name: 1.0}, newest=path.name)
    for labelled in (True, False):
        newer = snapshot(tmp_path / f"b{labelled}.parquet", 2, labelled=labelled)
        found = check(CheckRequest(snapshots=(newer,), deployment=deployment, settings=of, work=tmp_path))
        assert not found.report["drift"]
        assert {one["name"] for one in found.report["columns"]} == {"x"}
        assert found.report["outputs"]
        assert (found.performance is not None) is labelled
        assert (found.estimated is not None) is not labelled
    assert found.estimated["value"] == pytest.approx(0.78, abs=0.06)


def test_the_same_rows_give_the_same_reference(tmp_path):
    """A kill at any line costs another try, which gives the same version."""
    names = set()
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        names.add(published(tmp_path / place, request(tmp_path / place, settings())).name)
    assert len(names) == 1


def test_without_labels_nothing_is_known_of_performance(tmp_path):
    """What was predicted is the reference all the same."""
    found = record(request(tmp_path, settings(), labelled=False))
    assert (found.rows, found.known_rows, found.challenger) == (400, 0, None)
    assert "0 of them labelled" in found.reason


def test_only_rows_of_the_version_that_predicts_now(tmp_path):
    """A file in which the other system changed gives those after the change."""
    found = record(request(tmp_path, settings(version_column="by"), served_version="2"))
    assert found.rows == 200


def test_a_regression_is_recorded(tmp_path):
    """Numbers, without probabilities."""
    of = settings(task="regression", probability_columns={}, prediction_column="p_yes", target="x")
    table = Schema((Column("p_no", "number"), Column("x", "number")), "regression", "x")
    asked = request(tmp_path, settings())
    asked = RecordRequest(
        model="m", number=1, files=asked.files, schema=with_recorded(table, of), settings=of, work=asked.work,
        config_dir=tmp_path,
    )  # fmt: skip
    found = record(asked)
    assert found.metric == "mae_skill"
    assert found.known_rows == 400


@pytest.mark.parametrize(
    ("columns", "first"), [((("yes", "p"),), [0.75, 0.25]), ((("no", "q"), ("yes", "p")), [0.8, 0.2])]
)
def test_probabilities_are_of_all_classes(columns, first):
    """A class without a column has the rest; rounded ones add up to 1."""
    table = pa.table({"said": ["no"], "p": [0.25], "q": [1.0]})
    said = recorded_predictions(table, Recorded("said", columns), ("no", "yes"))
    assert said.probabilities.tolist() == [first]


def test_one_probability_of_three_classes_is_refused(tmp_path):
    """Nobody knows whose the rest is."""
    asked = request(tmp_path, settings(probability_columns={"maybe": "p_yes"}))
    with pytest.raises(Refused, match="alone"):
        record(asked)


def test_rows_without_a_recorded_prediction_are_refused(tmp_path):
    """They are of before the columns were configured; a missing answer is never taken for one."""
    version = load_version(published(tmp_path, request(tmp_path, settings())))
    table = pa.table({"x": [1.0, 2.0], "said": ["no", None], "p_no": [0.9, 0.8], "p_yes": [0.1, 0.2]})
    assert version.predict_table(table.slice(0, 1)).values.tolist() == ["no"]
    with pytest.raises(Refused, match="some rows have no said"):
        version.predict_table(table)
    with pytest.raises(Refused, match="p_no"):
        version.predict_table(table.slice(0, 1).drop_columns(["p_no"]))
