"""What a drifted column does to predictions, as a check of a file tells it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learning import fast, probe, published, rows, run, schema, stage_args, table

from drift.derived.outputs import output_columns
from drift.profiles.reference import build_reference
from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration
from retrain.monitoring import prediction_shift
from retrain.monitoring.check import check
from retrain.monitoring.prediction_shift import prediction_shifts
from retrain.rows.columns import column_values
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_version, write_reference

pytestmark = pytest.mark.xdist_group("prediction_shift")  # what they share is made once

LATER = 4 * 365 * 86_400 * 10**6
KINDS = {
    "trees": fast(),
    "linear": fast("sklearn.linear_model.LogisticRegression"),
    "forest": fast("sklearn.ensemble.RandomForestClassifier", n_estimators=4, max_depth=4),
}


def versioned(folder: Path, estimator: dict) -> Path:
    """A published version with the reference of its training rows."""
    version, taught = published(folder, estimator=estimator), table(rows(400))
    said = load_version(version).predict_table(taught)
    columns = [(one.name, column_values(taught[one.name], one.kind)) for one in schema().features]
    write_reference(version, build_reference(columns, output_columns(said.values, said.probabilities, said.classes)))
    return version


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind of model."""
    return {kind: versioned(tmp_path_factory.mktemp(kind), estimator) for kind, estimator in KINDS.items()}


def snapshot(folder: Path, x: float = 0.0, later: int = 0, count: int = 700) -> Path:
    """Rows of which x is larger by so much, and t later by so many microseconds, in several row groups."""
    made = table(rows(count, seed=5))
    moved = np.asarray(made["x"].to_pylist(), dtype=float) + x
    made = made.set_column(0, "x", pa.array(moved)).append_column("__row", pa.array(range(1, count + 1), pa.int64()))
    moments = pa.array([None if one is None else one + later for one in made["t"].cast(pa.int64()).to_pylist()])
    made = made.set_column(4, "t", moments.cast(pa.timestamp("us", "UTC")))
    pq.write_table(made, folder / "file.parquet", row_group_size=200)
    return folder / "file.parquet"


def checked(version: Path, file: Path, predict: bool = True) -> dict:
    """The columns of the check of a file, by name."""
    settings = {
        "data_dir": "d", "task": "classification", "target": "y", "metric": "accuracy",
        "columns": {"t": {"type": "datetime", "feature": True}},
    }  # fmt: skip
    request = {
        "snapshots": [str(file)], "settings": settings, "work": str(file.parent), "predict": predict,
        "deployment": {"folder": str(version.parent), "weights": {version.name: 1.0}, "newest": version.name},
    }  # fmt: skip
    return {column["name"]: column for column in run(check, request)["report"]["columns"]}


def told(columns: dict) -> list[str]:
    """Of which columns it is told."""
    return [name for name, one in columns.items() if "prediction_shift" in one]


@pytest.mark.parametrize("kind", ["trees", "linear"])
@pytest.mark.parametrize("x", [2.0, -2.0])
def test_a_moved_column_moves_predictions_its_way(
    tmp_path: Path, versions: dict[str, Path], kind: str, x: float
) -> None:
    """The larger x, the likelier "yes": of a larger one the mean contribution is larger, beyond its standard error, and
    the column's sentence says so; of the others, which did not drift, nothing is told."""
    columns = checked(versions[kind], snapshot(tmp_path, x))
    assert told(columns) == ["x"]
    found = columns["x"]["prediction_shift"]
    assert found["mean"] * np.sign(x) > 3 * found["error"] > 0
    assert found["scale"] == "log-odds of 'yes'" and found["class"] is None
    sign = "+" if x > 0 else "-"
    assert f"; it moves predictions by {sign}" in columns["x"]["sentence"]


def test_what_did_not_drift_is_not_explained(
    tmp_path: Path, versions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything done for it."""
    monkeypatch.setattr("retrain.monitoring.check.prediction_shifts", None)
    assert told(checked(versions["trees"], snapshot(tmp_path))) == []


def test_what_is_not_cheap_or_not_exact_is_left_out(
    tmp_path: Path, versions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forest, which is sampled; a file that is not predicted; dates, of which too few are kept; what takes too long,
    and what fails: columns drift all the same, and the check says so without it."""
    file = snapshot(tmp_path, 2.0, LATER)
    for columns in (checked(versions["forest"], file), checked(versions["trees"], file, predict=False)):
        assert columns["x"]["drift"] and told(columns) == []
    columns = checked(versions["trees"], file)
    assert columns["t"]["drift"] and told(columns) == ["x"]
    monkeypatch.setattr(prediction_shift, "MOST_CPU_S", -1.0)
    assert told(checked(versions["trees"], file)) == []
    monkeypatch.undo()
    monkeypatch.setattr(prediction_shift, "shifts", None)
    columns = checked(versions["trees"], file)
    assert columns["x"]["drift"] and told(columns) == []


def test_few_rows_tell_nothing(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Of fewer than 20 a standard error says little; the same rows of a larger file are drawn each time."""
    version = load_version(versions["trees"])
    alone = LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name)
    assert prediction_shifts(alone, snapshot(tmp_path, 2.0, count=19), ["x"]) == {}
    file = snapshot(tmp_path, 2.0)
    found = prediction_shifts(alone, file, ["x", "t (hour)"])
    assert set(found) == {"x"} and found == prediction_shifts(alone, file, ["x"])


def test_blends_and_several_classes(tmp_path: Path, versions: dict[str, Path]) -> None:
    """A blend of equals says what one of them does, and which unit that is; of three classes the one that is moved most
    is named: where x rises by 3, the one of large x."""
    version = load_version(versions["trees"])
    file = snapshot(tmp_path, 3.0)
    alone = LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name)
    twins = {"v0001-a": version, "v0002-b": version}
    moved = Recalibration(("no", "yes"), offset=(0.0, 0.5))
    both = prediction_shifts(LoadedDeployment(twins, dict.fromkeys(twins, 0.5), "v0001-a", moved), file, ["x"])["x"]
    assert both["mean"] == pytest.approx(prediction_shifts(alone, file, ["x"])["x"]["mean"])
    assert both["scale"] == "weighted margins of 2 versions: log-odds of 'yes', before recalibration"
    args = stage_args(tmp_path / "three", made=rows(400, classes=("no", "yes", "very")), estimator=fast())
    run(train, args)
    probe(args)
    three = load_version(Path(run(promote, args)["path"]))
    found = prediction_shifts(LoadedDeployment({"v": three}, {"v": 1.0}, "v"), file, ["x"])["x"]
    assert found["class"] == "very" and found["mean"] > 3 * found["error"] > 0
