"""A check of real snapshots against a real stored version: drift, drops, and what it could not tell."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learning import run

from drift.derived.calendar import calendar_columns
from drift.derived.outputs import output_columns
from drift.profiles.files import count_files
from drift.profiles.reference import build_reference
from retrain.monitoring import champion
from retrain.monitoring.check import _labels, check
from retrain.monitoring.estimate import fit_estimate
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import column_values
from retrain.rows.targets import target_values
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_staged, write_json, write_probe, write_reference, write_sample

pytestmark = pytest.mark.xdist_group("check")  # what they share is made once

KINDS = {"x": "number", "n": "integer", "c": "category", "flag": "boolean", "when": "datetime"}


def _schema(task: str) -> Schema:
    columns = [Column(name, kind) for name, kind in KINDS.items()]
    target = Column("y", "category" if task == "classification" else "number")
    return Schema((*columns, target), task, "y")


def _rows(rows: int, seed: int, task: str, shift: float = 0.0, wrong: float = 0.0) -> pa.Table:
    """Rows whose target follows x and c; `shift` moves x, `wrong` is the share of labels left to chance."""
    rng = np.random.default_rng(seed)
    x, words = rng.normal(shift, 1, rows), rng.choice(["a", "b"], rows)
    signal = np.where(rng.random(rows) < wrong, rng.normal(size=rows), x - shift + (words == "a"))
    y = signal if task == "regression" else np.where(signal > 0.5, "yes", "no")
    target = pa.array(y) if task == "regression" else pa.array(y).dictionary_encode()
    return pa.table(
        {
            "x": x,
            "n": rng.integers(0, 9, rows),
            "c": pa.array(words).dictionary_encode(),
            "flag": rng.random(rows) < 0.5,
            "when": pa.array(rng.integers(0, 10**9 // 86_400, rows) * 86_400 * 10**6, pa.timestamp("us", "UTC")),
            "y": target,
            "__row": pa.array(range(1, rows + 1), pa.int64()),
        }
    )


def _settings(task: str, **drift: object) -> dict:
    metric = "accuracy" if task == "classification" else "mae"
    estimator = {"params": {"max_iter": 20}}
    settings = ModelSettings(data_dir="data", task=task, target="y", metric=metric, drift=drift, estimator=estimator)
    return settings.model_dump(mode="json")


def _publish(
    root: Path,
    task: str,
    number: int = 1,
    estimate: bool = True,
    sample: bool = True,
    calendar: bool = False,
    numbered: bool = False,
) -> Path:
    """A version trained, evaluated by hand, and promoted; older ones have no estimate and no sample of whole rows; n of
    `numbered` ones is the number of the row."""
    work, schema = root / f"cycle{number}", _schema(task)
    work.mkdir(parents=True)
    prepared = _rows(2000, number, task).append_column("__weight", pa.array(np.ones(2000)))
    prepared = prepared.set_column(1, "n", pa.array(np.arange(2000))) if numbered else prepared
    pq.write_table(prepared, work / "train.parquet")
    args = {
        "model": "m", "cycle": number, "number": number, "settings": _settings(task),
        "schema": schema.to_json(), "work": str(work), "versions": str(root / "versions" / "m"), "config_dir": ".",
        "prepared": {"train": str(work / "train.parquet"), "holdout": "", "snapshots": []},
    }  # fmt: skip
    run(train, args)
    _evaluate(work / "version", schema, prepared, _rows(1000, 77, task), estimate, calendar)
    if sample:
        write_sample(work / "version", prepared.select(["x", "n", "c", "flag"]))
    return Path(run(promote, args)["path"])


def _evaluate(
    folder: Path, schema: Schema, prepared: pa.Table, holdout: pa.Table, estimate: bool, calendar: bool
) -> None:
    version = load_staged(folder)
    said = version.predict_table(holdout)
    y = np.array(holdout["y"].to_pylist())
    challenger = {"value": version.metric.score(y, said), "se": 0.01}
    told = {"metric": version.metric.name, "challenger": challenger, "importance": {"x": 0.2, "n": 0.001}}
    write_json(folder, "metrics.json", told, "test")
    if estimate:
        matrix = version.preprocessor.transform(holdout) if schema.task == "regression" else None
        write_json(folder, "estimate.json", fit_estimate(schema.task, y, said, matrix, 0), "test")
    columns = [(c.name, column_values(prepared[c.name], c.kind)) for c in schema.features]
    columns += calendar_columns("when", columns[-1][1]) if calendar else ()
    outputs = output_columns(said.values, said.probabilities, said.classes)
    write_reference(folder, build_reference(columns, outputs))
    rows = holdout.select(list(KINDS)).slice(0, 5).to_pylist()
    write_probe(folder, rows, version.predict_rows(rows))


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One published version for each task."""
    root = tmp_path_factory.mktemp("store")
    return {task: _publish(root / task, task) for task in ("classification", "regression")}


def _dependent(table: pa.Table) -> pa.Table:
    """The same values a column, but x and n go together."""
    order = np.argsort(np.argsort(table["x"].to_numpy()))
    return table.set_column(1, "n", pa.array(np.sort(table["n"].to_numpy())[order]))


def _check(
    tmp_path: Path,
    version: Path,
    tables: list[pa.Table],
    task: str,
    predict: bool = True,
    stream: dict | None = None,
    blended: dict[str, float] | None = None,
    settings: dict | None = None,
    request: dict | None = None,
    **drift: object,
) -> dict:
    paths = []
    for position, table in enumerate(tables):
        paths.append(tmp_path / f"s{position}.parquet")
        pq.write_table(table, paths[-1])
    deployment = {
        "folder": str(version.parent),
        "weights": {version.name: 1.0, **(blended or {})},
        "newest": version.name,
    }
    return run(
        check,
        {
            "model": "m", "kind": "file" if len(tables) == 1 else "schedule", "predict": predict,
            "snapshots": [str(path) for path in paths], "deployment": deployment,
            "settings": _settings(task, **drift) | (settings or {}), "work": str(tmp_path), "stream": stream,
            "judge": True, **(request or {}),
        },
    )  # fmt: skip


def _drifted(report: dict, group: str = "columns") -> list[str]:
    return [column["name"] for column in report[group] if column["drift"]]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_of_the_same_kind_neither_drift_nor_drop(tmp_path: Path, versions: dict[str, Path], task: str) -> None:
    """New rows from the same source: no drift, no drop, a prediction for each row."""
    table = _rows(800, 5, task)
    result = _check(tmp_path, versions[task], [table], task)
    report = result["report"]
    assert not report["drift"] and report["current"]["rows"] == 800 and report["reference"]["rows"] == 2000
    assert [column["name"] for column in report["columns"]] == list(KINDS)
    outputs = ["prediction", "p_yes"] if task == "classification" else ["prediction"]
    assert [column["name"] for column in report["outputs"]] == outputs
    assert result["performance"]["rows"] == 800 and not result["performance"]["dropped"]
    written = pq.read_table(result["predictions"])
    assert written["__row"].to_pylist() == table["__row"].to_pylist()
    assert written["label"].to_pylist() == table["y"].to_pylist()
    classes = ["p_no", "p_yes"] if task == "classification" else []
    assert written.column_names == ["__row", "prediction", *classes, "label"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_shift_drifts_in_features_and_predictions(tmp_path: Path, versions: dict[str, Path], task: str) -> None:
    """A moved feature is named with a sentence, and the predictions that it moves drift too."""
    report = _check(tmp_path, versions[task], [_rows(800, 5, task, shift=1.5)], task)["report"]
    assert report["drift"] and _drifted(report) == ["x"] and "prediction" in _drifted(report, "outputs")
    said = report["columns"][0]["sentence"]
    assert said.startswith("x shifted: KS 0.") and "; the model relies on it most; it moves predictions by +" in said
    assert report["columns"][0]["importance"] == 0.2


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_labels_that_follow_nothing_are_a_drop(tmp_path: Path, versions: dict[str, Path], task: str) -> None:
    """Labels that left the features behind are no drift of features but a drop of performance."""
    result = _check(tmp_path, versions[task], [_rows(800, 5, task, wrong=0.9)], task)
    assert not _drifted(result["report"])
    performance = result["performance"]
    assert performance["dropped"] and performance["drop"] > 0.02 and performance["p_value"] < 0.005
    assert performance["earlier"] == 0 and performance["reference"] is not None and performance["se"] > 0


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_errors_are_watched_from_file_to_file(tmp_path: Path, versions: dict[str, Path], task: str) -> None:
    """The state of one check goes into the next; a rise is told with its row, and rows without labels do not count."""
    calm = _check(tmp_path, versions[task], [_rows(800, 5, task)], task)
    assert not calm["stream"]["dropped"] and calm["stream"]["seen"] == 800
    worse = pa.concat_tables([_rows(400, 6, task), _rows(800, 7, task, wrong=0.9)])
    worse = worse.set_column(6, "__row", pa.array(range(1, 1201), pa.int64()))
    before = {"earlier": [calm["performance"]]}
    told = _check(tmp_path, versions[task], [worse], task, stream=calm["stream_state"], request=before)
    assert told["stream"]["dropped"] and told["stream"]["detector"] == "adwin" and told["stream"]["seen"] == 2000
    assert 400 < told["stream"]["row"] < 900 and abs(told["stream"]["since_row"] - 400) < 150
    blind = _check(tmp_path, versions[task], [_unlabelled(worse)], task, stream=calm["stream_state"])
    assert blind["stream"] is None and blind["stream_state"] is None
    later = _check(tmp_path, versions[task], [worse], task, request={"judge": False})
    assert later["stream"] is None and not later["performance"]["settled"] and later["performance"]["drop"] is None
    off = _check(tmp_path, versions[task], [worse], task, detector="none")
    assert off["stream"] is None and off["performance"]["rows"] == 1200


def test_rows_without_labels_are_predicted(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Without labels there is no performance; with some, only these count."""
    table = _rows(400, 5, "classification")
    unlabelled = table.set_column(5, "y", pa.array([None] * 400, pa.string()))
    result = _check(tmp_path, versions["classification"], [unlabelled], "classification")
    assert result["performance"] is None and pq.read_metadata(result["predictions"]).num_rows == 400
    words = [None if row % 2 else word for row, word in enumerate(table["y"].to_pylist())]
    half = table.set_column(5, "y", pa.array(words))
    assert _check(tmp_path, versions["classification"], [half], "classification")["performance"]["rows"] == 200


def _unlabelled(table: pa.Table, kept: int = 0) -> pa.Table:
    """The table with the labels of its first `kept` rows only."""
    labels = table["y"].to_pylist()[:kept] + [None] * (len(table) - kept)
    kind = pa.float64() if pa.types.is_floating(table["y"].type) else pa.string()
    return table.set_column(5, "y", pa.array(labels, kind))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_without_labels_are_estimated(tmp_path: Path, versions: dict[str, Path], task: str) -> None:
    """Beside the performance on labelled rows stands an estimate for the others, near what their labels would give."""
    table = _rows(600, 5, task)
    whole = _check(tmp_path, versions[task], [table], task)
    assert whole["estimated"] is None
    some = _check(tmp_path, versions[task], [_unlabelled(table, 200)], task)
    assert some["performance"]["rows"] == 200 and some["estimated"]["rows"] == 400
    told = _check(tmp_path, versions[task], [_unlabelled(table)], task)
    estimated = told["estimated"]
    assert told["performance"] is None and estimated["estimate"] and estimated["reason"] is None
    low, high = estimated["interval"]
    assert low <= whole["performance"]["value"] <= high and estimated["p_value"] > 0.01
    assert estimated["metric"] == whole["performance"]["metric"] and estimated["rows"] == 600


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_large_checks_estimate_from_some_rows(
    tmp_path: Path, versions: dict[str, Path], task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features are kept of evenly spread rows only, over the borders of batches and snapshots."""
    monkeypatch.setattr(champion, "ESTIMATED_ROWS", 150)
    monkeypatch.setattr(champion, "BATCH_ROWS", 64)
    tables = [_unlabelled(_rows(rows, rows, task)) for rows in (301, 299)]
    estimated = _check(tmp_path, versions[task], tables, task)["estimated"]
    assert estimated["value"] is not None
    assert estimated["rows"] == (150 if task == "regression" else 600)


def test_a_version_without_an_estimate_is_checked_as_before(tmp_path: Path) -> None:
    """Versions of before load, predict and are judged; there is no estimate and nothing is said of one."""
    older = _publish(tmp_path / "older", "regression", estimate=False)
    assert not (older / "estimate.json").exists()
    (tmp_path / "work").mkdir()
    table = _unlabelled(_rows(200, 5, "regression"))
    result = _check(tmp_path / "work", older, [table], "regression")
    assert result["estimated"] is None and result["performance"] is None
    assert pq.read_metadata(result["predictions"]).num_rows == 200


def test_several_snapshots_are_one_check(tmp_path: Path, versions: dict[str, Path]) -> None:
    """A scheduled check joins its snapshots, and need not predict."""
    tables = [_rows(300, seed, "classification") for seed in (5, 6, 7)]
    result = _check(tmp_path, versions["classification"], tables, "classification", predict=False)
    assert result["report"]["current"]["rows"] == 900 and result["report"]["outputs"] == []
    assert result["predictions"] is None and result["performance"] is None


def test_importance_shares_the_budget(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Where asked, the column that the model relies on has most of the budget; the others keep a floor."""
    table = _rows(800, 5, "classification", shift=0.1)
    found = {}
    for weights in ("equal", "importance"):
        result = _check(tmp_path, versions["classification"], [table], "classification", weights=weights)
        found[weights] = {column["name"]: column["p_adjusted"] for column in result["report"]["columns"]}
    assert 0 < found["importance"]["x"] < 0.5 * found["equal"]["x"]
    assert found["importance"]["flag"] >= found["equal"]["flag"]


def test_columns_that_change_together_are_told_beside_the_verdict(tmp_path: Path, versions: dict[str, Path]) -> None:
    """In a scheduled check, where asked: dependence that no column shows is told in sentences and alarms nobody."""
    tables = [_dependent(_rows(500, seed, "regression")) for seed in (5, 6)]
    asked = {"task": "regression", "predict": False, "multivariate": True}
    report = _check(tmp_path, versions["regression"], tables, **asked)["report"]
    found = report["multivariate"]
    assert not report["drift"] and found["left_out"] == ["when"] and found["columns"] == 4
    assert found["mmd"]["p_value"] <= 0.01 / 3 and found["mmd"]["permutations"] == 299
    assert any("columns" in sentence for sentence in found["sentences"])
    calm = _check(tmp_path, versions["regression"], [_rows(500, seed, "regression") for seed in (7, 8)], **asked)
    assert calm["report"]["multivariate"]["sentences"] == ["4 columns together: nothing beyond chance"]
    for single in ({"tables": tables, "multivariate": False}, {"tables": tables[:1], "multivariate": True}):
        told = _check(tmp_path, versions["regression"], task="regression", predict=False, **single)
        assert "multivariate" not in told["report"]


def test_a_version_without_whole_rows_says_so(tmp_path: Path) -> None:
    """Older versions have no sample: a sentence, and the rest of the check."""
    older = _publish(tmp_path / "older", "regression", sample=False)
    (tmp_path / "work").mkdir()
    tables = [_rows(300, seed, "regression") for seed in (5, 6)]
    report = _check(tmp_path / "work", older, tables, "regression", predict=False, multivariate=True)["report"]
    assert "has no sample of whole rows" in report["multivariate"]["sentences"][0]


def test_hours_and_weekdays_are_compared_where_asked(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Dates whose hours moved and whose days did not drift by hour; a version made without them says so once each."""
    dated = _publish(tmp_path / "dated", "regression", calendar=True)
    table = _rows(800, 5, "regression")
    days = table["when"].to_numpy().astype("datetime64[D]").astype("datetime64[us]")
    mornings = pa.array(days + np.timedelta64(6, "h"), pa.timestamp("us", "UTC"))
    moved = table.set_column(4, "when", mornings)
    (tmp_path / "work").mkdir()
    report = _check(tmp_path / "work", dated, [moved], "regression", calendar=True)["report"]
    assert _drifted(report) == ["when (hour)"]
    assert [column["name"] for column in report["columns"]] == [*KINDS, "when (hour)", "when (weekday)"]
    ignored = _check(tmp_path / "work", dated, [moved], "regression", calendar=True, ignore=["when"])["report"]
    assert not ignored["drift"] and "when (hour)" not in [column["name"] for column in ignored["columns"]]
    notes = _check(tmp_path, versions["regression"], [moved], "regression", calendar=True)["report"]["notes"]
    assert "when (hour) was not compared: the champion's reference has no such column" in notes


def test_ignored_columns_are_not_judged(tmp_path: Path, versions: dict[str, Path]) -> None:
    """A column that the configuration ignores is not in the report."""
    table = _rows(800, 5, "regression", shift=1.5)
    report = _check(tmp_path, versions["regression"], [table], "regression", predict=False, ignore=["x"])["report"]
    assert [column["name"] for column in report["columns"]] == ["n", "c", "flag", "when"] and not report["drift"]


def test_an_id_that_an_older_version_learned_from_is_not_compared(tmp_path: Path) -> None:
    """By the values of its reference, in the test of all columns together too, and the report says why; what the
    configuration declares a feature is compared, and so is what is asked for by name."""
    version = _publish(tmp_path / "numbered", "regression", numbered=True)
    later = _rows(800, 5, "regression").set_column(1, "n", pa.array(np.arange(2000, 2800)))
    (tmp_path / "work").mkdir()

    def judged(*, declared: dict | None = None, columns: list[str] | None = None, many: int = 1) -> dict:
        more = {} if columns is None else {"columns": columns}
        settings = {"columns": declared} if declared else {}
        return _check(
            tmp_path / "work", version, [later] * many, "regression", predict=False, multivariate=True,
            settings=settings, request=more,
        )["report"]  # fmt: skip

    for declared in (None, {"n": {"type": "integer"}}):
        report = judged(declared=declared, many=2)
        assert [one["name"] for one in report["left_out"]] == ["n"] and "0 to 1,999" in report["left_out"][0]["reason"]
        assert [column["name"] for column in report["columns"]] == ["x", "c", "flag", "when"]
        assert "n" in report["multivariate"]["left_out"] and not report["drift"]
    declared = judged(declared={"n": {"type": "integer", "feature": True}})
    assert declared["left_out"] == [] and "n" in [column["name"] for column in declared["columns"]]
    assert [column["name"] for column in judged(columns=["n", "c"])["columns"]] == ["n", "c"]


def test_what_names_its_file_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column with a value of its own in each file of the reference alarms for none, unless it is declared."""
    version = _publish(tmp_path / "v", "regression")
    files = {"x": count_files(np.repeat([1.0, 2.0, 3.0], 300), np.repeat([0, 1, 2], 300))}
    stored = champion._reference
    monkeypatch.setattr(champion, "_reference", lambda folder: replace(stored(folder), files=files))
    today = _rows(800, 5, "regression").set_column(0, "x", pa.array(np.full(800, 4.0)))
    (tmp_path / "work").mkdir()
    for declared, out in ({}, ["x"]), ({"x": {"type": "number", "feature": True}}, []):
        settings = {"columns": declared} if declared else {}
        report = _check(tmp_path / "work", version, [today], "regression", predict=False, settings=settings)["report"]
        assert [one["name"] for one in report["left_out"]] == out and report["drift"] is not bool(out)


def test_labels_that_are_true_or_false_are_the_classes_that_were_learned(versions: dict[str, Path]) -> None:
    """Training and checks name a boolean target's classes alike."""
    version = champion.loaded_version(versions["classification"], ())
    labels = pa.chunked_array([[True, False]])
    schema = Schema((Column("y", "boolean"),), "classification", "y")
    assert _labels(labels, version).tolist() == target_values(pa.table({"y": labels}), schema).tolist()


def test_few_rows_are_not_judged(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Below min_rows nothing drifts and every column says why."""
    report = _check(tmp_path, versions["regression"], [_rows(9, 5, "regression", 9.0)], "regression")["report"]
    assert not report["drift"]
    reasons = {column["reason"] for column in (*report["columns"], *report["outputs"])}
    assert reasons == {"the current data has only 9 rows; 50 are needed (drift.min_rows)"}
    assert report["untested"] in reasons


def test_no_rows_at_all(tmp_path: Path, versions: dict[str, Path]) -> None:
    """An empty snapshot gives an empty report."""
    result = _check(tmp_path, versions["classification"], [_rows(0, 5, "classification")], "classification")
    assert not result["report"]["drift"] and result["performance"] is None and result["predictions"] is None


def test_new_classes_and_vanished_columns_are_told(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Labels that the champion never saw and a column that is gone are notes, never a crash."""
    table = _rows(400, 5, "classification")
    words = ["brand new" if row < 40 else word for row, word in enumerate(table["y"].to_pylist())]
    changed = table.set_column(5, "y", pa.array(words)).drop_columns(["n"])
    result = _check(tmp_path, versions["classification"], [changed], "classification")
    notes = result["report"]["notes"]
    assert "s0.parquet has no n: predicted without it" in notes
    assert "n was not compared: the data has no such column" in notes
    assert "the champion never saw these classes: 'brand new' (40 rows)" in notes
    assert result["performance"]["unknown_classes"] == {"brand new": 40}


def test_a_single_class_has_no_value_but_a_reason(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Where the metric is undefined it is null with a reason."""
    table = _rows(400, 5, "classification")
    single = table.set_column(5, "y", pa.array(["yes"] * 400))
    performance = _check(tmp_path, versions["classification"], [single], "classification")["performance"]
    assert performance["value"] is not None  # accuracy is defined for one class
    assert performance["rows"] == 400


def test_a_blend_answers_with_the_mean(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Predictions of a blend are the weighted mean of its members'; drift is judged against the newest."""
    second = _publish(tmp_path / "second", "regression", number=2)
    first = Path(shutil.copytree(versions["regression"], second.with_name(versions["regression"].name)))
    table = _rows(200, 5, "regression")
    alone = []
    for position, path in enumerate((first, second)):
        (tmp_path / f"{position}").mkdir()
        result = _check(tmp_path / f"{position}", path, [table], "regression")
        alone.append(pq.read_table(result["predictions"])["prediction"].to_numpy())
    both = pq.read_table(_check(tmp_path, second, [table], "regression", blended={first.name: 3.0})["predictions"])
    np.testing.assert_allclose(both["prediction"].to_numpy(), 0.75 * alone[0] + 0.25 * alone[1])


def test_the_same_rows_give_the_same_report(tmp_path: Path, versions: dict[str, Path]) -> None:
    """Two checks of the same snapshot give the same report and the same performance."""
    table = _rows(500, 5, "classification")
    first, second = (_check(tmp_path, versions["classification"], [table], "classification") for _ in range(2))
    assert (first["report"], first["performance"]) == (second["report"], second["performance"])
