"""The four stages in a row on real files: prepare, train, evaluate, promote; and what each leaves."""

from pathlib import Path
from typing import Any

import learning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learning import run

from retrain.model.deployment import LoadedDeployment
from retrain.monitoring.check import check
from retrain.operations import AcceptedFile, from_json
from retrain.planning.forecast_words import COVERS, basis
from retrain.planning.gate import Opening
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.stages.comparison import judge
from retrain.stages.evaluate import evaluate
from retrain.stages.prepare import prepare, prepare_rows
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_estimate, load_reference, load_version, read_json, sample_path

SCHEMA = Schema((Column("id", "category"), *learning.COLUMNS), "classification", "y", id_column="id")


COSTLY, BLUNT = {"costs": {"yes": 6}}, {"type": "sklearn.svm.LinearSVC"}


def snapshot(folder: Path, seq: int, made: list[dict], first_id: int = 0, labels: bool = True) -> dict[str, Any]:
    """A file of rows as the intake leaves it."""
    table = learning.table(made)
    if not labels:
        nulls = pa.nulls(len(made), table.schema.field("y").type)
        table = table.set_column(table.column_names.index("y"), "y", nulls)
    ids = pa.array([str(first_id + i) for i in range(len(made))])
    table = table.append_column("id", ids).append_column("__row", pa.array(range(1, len(made) + 1), pa.int64()))
    path = folder / f"s{seq}.parquet"
    pq.write_table(table, path)
    return {
        "seq": seq,
        "snapshot": str(path),
        "digest": f"digest{seq}",
        "rows": len(made),
        "kind": "rows",
        "accepted_at": 0.0,
    }


def label_file(folder: Path, seq: int, labels: dict[str, str]) -> dict[str, Any]:
    """A file of late labels."""
    path = folder / f"s{seq}.parquet"
    table = pa.table({"id": list(labels), "y": list(labels.values()), "__row": list(range(1, len(labels) + 1))})
    pq.write_table(table, path)
    return {
        "seq": seq,
        "snapshot": str(path),
        "digest": f"digest{seq}",
        "rows": len(labels),
        "kind": "labels",
        "accepted_at": 0.0,
    }


def stored(path: str) -> dict[str, Any]:
    """A version that is served alone."""
    return {"folder": str(Path(path).parent), "weights": {Path(path).name: 1.0}, "newest": Path(path).name}


def arguments(
    folder: Path, files: list[dict], champion: str | None = None, number: int = 1, **settings: Any
) -> dict[str, Any]:
    """What control asks a stage with."""
    work = folder / f"work{number}"
    work.mkdir(exist_ok=True)
    told = {"data_dir": "d", "task": "classification", "target": "y", "id_column": "id", "estimator": learning.fast()}
    return {
        "model": "m", "cycle": number, "number": number, "work": str(work), "versions": str(folder / "versions" / "m"),
        "config_dir": str(folder), "schema": SCHEMA.to_json(), "settings": told | {"metric": "accuracy"} | settings,
        "files": files, "champion": None if champion is None else stored(champion),
    }  # fmt: skip


def cycle(args: dict[str, Any]) -> dict[str, Any]:
    """All stages until the gate; promotes if it says so."""
    done = {"prepare": run(prepare, args)}
    args["prepared"] = done["prepare"]
    done |= {"train": run(train, args), "evaluate": run(evaluate, args)}
    return done | ({"promote": run(promote, args)} if done["evaluate"]["verdict"] == "promote" else {})


def test_a_first_cycle_publishes_a_whole_version(tmp_path):
    """Model, preprocessor, metrics, estimate, probe, reference of held-out predictions, card and manifest."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    done = cycle(arguments(tmp_path, files))
    path = Path(done["promote"]["path"])
    version = load_version(path)
    assert done["prepare"]["train_rows"] + done["prepare"]["holdout_rows"] == 600
    assert version.evaluation["challenger"]["value"] > version.evaluation["baseline"]["value"]
    assert version.evaluation["champion"] is None
    importance = version.evaluation["importance"]
    assert set(importance) == {"x", "n", "b", "c", "t"} and max(importance.values()) > 0
    reference = load_reference(path)
    assert set(reference.columns) == {"x", "n", "b", "c", "t"} and len(reference.parts) > 1
    assert reference.outputs["prediction"].rows == 600
    sample = pq.read_table(sample_path(path))
    assert sample.column_names == ["x", "n", "b", "c"] and len(sample) == done["prepare"]["train_rows"]
    assert "reference/sample.parquet" in read_json(path / "manifest.json")["files"]
    estimate = load_estimate(path)
    assert estimate is not None and estimate["method"] == "CBPE" and estimate["rows"] == done["prepare"]["holdout_rows"]
    assert "estimate.json" in read_json(path / "manifest.json")["files"]
    card = (path / "card.md").read_text("utf-8")
    assert f"{done['prepare']['holdout_rows']:,} held-out rows: {done['prepare']['held_out']}." in card
    assert f"- Rows: {done['prepare']['train_rows']:,}" in card and done["prepare"]["window"] in card
    assert read_json(path / "training.json")["snapshots"] == ["digest1"]


def test_costs_make_the_metric_and_the_decision_of_a_version(tmp_path):
    """`metric = "auto"` is the mean cost, of the baseline too: it always answers what costs least; the decision is in
    what the version leaves, and the next version is compared by the same costs."""
    costly = {"metric": "auto", "decision": {"costs": {"yes": 6}}}
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    first = cycle(arguments(tmp_path, files, **costly))
    told, version = first["evaluate"], load_version(Path(first["promote"]["path"]))
    assert (told["metric"], told["greater_is_better"]) == ("cost", False) and version.metric.name == "cost"
    assert told["challenger"]["value"] < told["baseline"]["value"] < 1.0  # all are told yes: each no costs 1
    rule = version.evaluation["decision"]["rule"]
    assert (rule["costs"], rule["positive"], rule["chosen"]) == ([["yes", "", 6.0]], "yes", True)
    assert any("the threshold follows settled rows" in note for note in told["notes"])
    files.append(snapshot(tmp_path, 2, learning.rows(600, seed=1), first_id=600))
    second = cycle(arguments(tmp_path, files, first["promote"]["path"], 2, **costly))["evaluate"]
    assert second["metric"] == "cost" and second["champion"]["value"] < second["baseline"]["value"]
    assert second["difference"] == pytest.approx(second["champion"]["value"] - second["challenger"]["value"])


def test_the_baseline_costs_least_whatever_the_threshold_is(tmp_path):
    """A threshold above every share has the constant answer "no"; always "yes" costs less, and is what is to be beaten."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    costs, told = {"costs": {"yes": 6}}, []
    for number, fixed in enumerate(({}, {"threshold": 0.95, "positive": "yes"}), 1):
        costly = {"metric": "auto", "decision": costs | fixed}
        told.append(cycle(arguments(tmp_path, files, number=number, **costly))["evaluate"])
    assert told[0]["baseline"] == told[1]["baseline"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"decision": {"threshold": 0.3, "positive": "maybe"}},
            "'maybe' and one other class; the classes are 'no', 'yes'",
        ),
        ({"decision": COSTLY, "estimator": BLUNT}, "decision needs probabilities, which LinearSVC does not give"),
        (
            {"metric": "log_loss", "estimator": {"type": "sklearn.linear_model.SGDClassifier"}},
            "metric 'log_loss' needs probabilities, which SGDClassifier does not",
        ),
    ],
)
def test_what_can_never_pass_is_refused_before_anything_is_trained(tmp_path, monkeypatch, changed, why):
    """A decision of a class that is not there, or what needs probabilities of an estimator that gives none; with what was
    expected."""
    monkeypatch.setattr("retrain.stages.train.fit_weighted", lambda *_: pytest.fail("it was trained"))
    files = [snapshot(tmp_path, 1, learning.rows(300))]
    with pytest.raises(Refused, match=why):
        cycle(arguments(tmp_path, files, **changed))


def _with_notes(files: list[dict], words: str) -> None:
    """A column of sentences in every snapshot."""
    for file in files:
        table = pq.read_table(file["snapshot"])
        notes = pa.array([f"{words} number {row}" if row % 7 else None for row in range(len(table))])
        pq.write_table(table.append_column("note", notes), file["snapshot"])


def test_free_text_is_compared_and_not_learned_from(tmp_path):
    """Of a text column the reference has length, emptiness and trigrams; the model does not ask for it; a file whose
    texts are others drifts by them, and one without the column says so."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    _with_notes(files, "the order arrived in time,")
    args = arguments(tmp_path, files)
    texts = Schema((*SCHEMA.columns, Column("note", "text")), "classification", "y", id_column="id")
    args["schema"] = texts.to_json()
    path = cycle(args)["promote"]["path"]
    version = load_version(Path(path))
    assert "note" not in version.evaluation["importance"] and "note" not in version.schema.model_columns
    derived = {"note (length)", "note (empty)", "note (trigrams)"}
    assert derived < set(load_reference(Path(path)).columns)
    later = [snapshot(tmp_path, seq, learning.rows(600, seed=seq)) for seq in (2, 3)]
    _with_notes(later[:1], "it came broken and the box was open, refund please,")
    asked = {"settings": args["settings"], "predict": False, "work": str(tmp_path)}
    asked["deployment"] = stored(path)
    broken, without = (run(check, asked | {"snapshots": [file["snapshot"]]})["report"] for file in later)
    told = {column["name"]: column["drift"] for column in broken["columns"]}
    assert told["note (length)"] and told["note (trigrams)"] and not told["note (empty)"]
    assert "note was not compared: the data has no such column" in without["notes"]


def test_a_reference_has_hours_and_weekdays_where_asked(tmp_path):
    """Of dates that are features, and of the time column, which itself is not compared."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    args = arguments(tmp_path, files, drift={"calendar": True}, time_column="t")
    args["schema"] = args["schema"] | {"time_column": "t"}
    done = cycle(args)
    reference = load_reference(Path(done["promote"]["path"]))
    assert set(reference.columns) == {"x", "n", "b", "c", "t (hour)", "t (weekday)"}
    assert set(reference.files) == set(reference.columns)


def test_the_second_cycle_compares_both_on_rows_that_neither_saw(tmp_path):
    """What is held out, the champion was not trained on either, and the difference is paired; what is expected of the
    next files counts why the cycle was opened and what earlier forecasts came to."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    first = cycle(arguments(tmp_path, files))
    files.append(snapshot(tmp_path, 2, learning.rows(600, seed=1), first_id=600))
    args = arguments(tmp_path, files, first["promote"]["path"], 2) | {"trigger": "growth", "past": [2.0, 1.0]}
    done = cycle(args)
    holdout = pq.read_table(done["prepare"]["holdout"])
    held = {(row["__seq"], row["__row"]) for row in holdout.select(["__seq", "__row"]).to_pylist()}
    taught = {(1, row) for row in pq.read_table(first["prepare"]["train"]).column("__row").to_pylist()}
    taught |= {(r["__seq"], r["__row"]) for r in pq.read_table(done["prepare"]["train"]).to_pylist()}
    assert held and not held & taught and {seq for seq, _ in held} == {1, 2}
    result = done["evaluate"]
    assert result["champion"]["version"] == Path(first["promote"]["path"]).name
    assert result["difference"] == pytest.approx(result["challenger"]["value"] - result["champion"]["value"])
    assert 0 < result["difference_se"] < 0.1
    forecast = result["forecast"]
    assert (forecast["trigger"], forecast["evidence"], forecast["past"]) == ("growth", True, 2)
    assert forecast["mean"] == pytest.approx(forecast["expected"] + 3 / 12 * forecast["spread"])
    card = Path(done["promote"]["path"], "card.md").read_text("utf-8").lower()
    assert f"- {COVERS}.\n- {basis(forecast)}.\n" in card


def test_corrupted_labels_keep_the_champion(tmp_path):
    """A challenger taught nonsense is clearly worse on the champion's ground, and is not promoted."""
    files = [snapshot(tmp_path, 1, learning.rows(900))]
    first = cycle(arguments(tmp_path, files))
    made = learning.rows(3000, seed=2)
    for row in made[:2400]:
        row["y"] = "yes" if row["y"] == "no" else "no"
    files.append(snapshot(tmp_path, 2, made, first_id=900))
    files += [snapshot(tmp_path, seq, learning.rows(600, seed=seq), first_id=1000 * seq) for seq in (4, 5)]
    done = cycle(arguments(tmp_path, files, first["promote"]["path"], 2))
    assert done["evaluate"]["verdict"] == "keep"
    assert "worse" in done["evaluate"]["reason"] or "baseline" in done["evaluate"]["reason"]


def test_a_challenger_that_is_the_champion_again_is_kept(tmp_path):
    """Trained on the same rows it answers alike: nothing was learned, and a blend of both would be of one."""
    files = [snapshot(tmp_path, 1, learning.rows(900))]
    version = load_version(Path(cycle(arguments(tmp_path, files))["promote"]["path"]))
    champion = LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name)
    holdout = learning.table(learning.rows(300, seed=3))
    holdout = holdout.append_column("__seq", pa.array([1] * 300))
    settings = ModelSettings(data_dir="d", task="classification", target="y")
    history = History([from_json(one, AcceptedFile) for one in files], version.schema)
    result = judge(version, champion, holdout, history, settings, "all", Opening(), pytest.fail).result
    assert result["verdict"] == "keep" and "exactly as" in result["reason"]


def test_late_labels_join_by_id_and_the_newest_wins(tmp_path):
    """Rows without a label teach once a file of labels names them; a later label replaces an earlier one."""
    made = learning.rows(600)
    files = [snapshot(tmp_path, 1, made, labels=False)]
    labels = {str(i): row["y"] for i, row in enumerate(made[:500])}
    files += [label_file(tmp_path, 2, labels), label_file(tmp_path, 3, {"0": "no", "1": "yes"})]
    result = run(prepare, arguments(tmp_path, files))
    rows = [*pq.read_table(result["train"]).to_pylist(), *pq.read_table(result["holdout"]).to_pylist()]
    assert len(rows) == 500
    got = {row["id"]: row["y"] for row in rows}
    assert (got["0"], got["1"], got["7"]) == ("no", "yes", made[7]["y"])
    assert "100 rows without a label were left out" in result["notes"]


def test_duplicate_ids_are_one_row_the_newest(tmp_path):
    """The same id in a later file replaces the earlier row."""
    files = [snapshot(tmp_path, 1, learning.rows(400)), snapshot(tmp_path, 2, learning.rows(400, seed=1), first_id=300)]
    result = run(prepare, arguments(tmp_path, files))
    rows = [*pq.read_table(result["train"]).to_pylist(), *pq.read_table(result["holdout"]).to_pylist()]
    assert len(rows) == 700 and {row["__seq"] for row in rows if row["id"] == "350"} == {2}


def test_rows_that_only_look_alike_are_kept_and_repeated_ones_are_not(tmp_path):
    """Without an id: coarse rows repeat by chance and all teach; a file delivered again in another order teaches once.
    What was kept or left out is told."""
    rng = np.random.default_rng(0)
    settings = {"data_dir": "d", "task": "classification", "target": "y", "estimator": learning.fast()}

    def prepared(columns: dict[str, Any], repeated: int) -> tuple[int, str]:
        table = pa.table(columns)
        table = pa.concat_tables([table, table.slice(0, repeated)])
        path = tmp_path / "s1.parquet"
        pq.write_table(table.append_column("__row", pa.array(range(1, len(table) + 1), pa.int64())), path)
        columns_of = tuple(Column(name, "category" if name == "y" else "number") for name in columns)
        schema = Schema(columns_of, "classification", "y")
        file = AcceptedFile(seq=1, snapshot=path, digest="d1", rows=len(table))
        done = prepare_rows([file], schema, ModelSettings.model_validate(settings), None, None)
        return done.rows.known_rows, " ".join(done.rows.notes)

    age, sex, trade = rng.integers(18, 68, 2000), rng.integers(0, 2, 2000), rng.integers(0, 10, 2000)
    census = {"age": age, "sex": sex, "trade": trade, "y": np.where(rng.random(2000) < 0.3, "high", "low")}
    rows, notes = prepared(census, 0)
    assert rows == 2000 and "rows that equal another one in all columns were kept" in notes
    rows, notes = prepared(census | {"income": rng.normal(size=2000)}, 700)
    assert rows == 2000 and "700 rows that equal another one in all columns were left out" in notes


@pytest.mark.parametrize("how", ["rows", "id", "auto"])
def test_categories_that_are_codes_are_deduplicated(tmp_path, how):
    """Each file has a dictionary of its own, in another order, as Parquet of pandas categories has."""
    files, distinct = [], set[tuple[Any, ...]]()
    for seq, names in enumerate((["north", "south"], ["south", "north", "west"]), start=1):
        code = np.arange(300) % len(names)
        table = pa.table(
            {
                "id": pa.array([str(row + 100 * seq) for row in range(300)]).dictionary_encode(),
                "x": np.arange(300) % 150 / 2, "where": pa.DictionaryArray.from_arrays(pa.array(code, pa.int8()), names),
                "y": pa.array(np.where(np.arange(300) % 3, "high", "low")).dictionary_encode(),
                "__row": pa.array(range(1, 301), pa.int64()),
            }
        )  # fmt: skip
        table = table if how != "rows" else table.drop_columns("id")
        distinct |= {(row["where"], row["x"], row["y"]) for row in table.to_pylist()}
        pq.write_table(table, tmp_path / f"s{seq}.parquet")
        files.append(AcceptedFile(seq=seq, snapshot=tmp_path / f"s{seq}.parquet", digest=f"d{seq}", rows=300))
    columns = [Column("where", "category"), Column("x", "number"), Column("y", "category")]
    id_column = None if how == "rows" else "id"
    columns += [] if id_column is None else [Column("id", "category")]
    schema = Schema(tuple(columns), "classification", "y", id_column=id_column)
    settings = {"data_dir": "d", "task": "classification", "target": "y", "window": {"deduplicate": how}}
    done = prepare_rows(files, schema, ModelSettings.model_validate(settings), None, None)
    assert done.rows.known_rows == (len(distinct) if how == "rows" else 400) and len(distinct) < 600
    assert any("duplicate rows" in note for note in done.rows.notes)


def test_files_without_labels_train_nothing(tmp_path):
    """It is refused with the way out."""
    with pytest.raises(Refused, match="no row has a label"):
        run(prepare, arguments(tmp_path, [snapshot(tmp_path, 1, learning.rows(200), labels=False)]))


def test_a_new_class_is_learned_and_told(tmp_path):
    """A class that the champion never saw is explained, not crashed on."""
    files = [snapshot(tmp_path, 1, learning.rows(600))]
    first = cycle(arguments(tmp_path, files))
    files.append(snapshot(tmp_path, 2, learning.rows(900, seed=3, classes=("no", "yes", "maybe")), first_id=600))
    done = cycle(arguments(tmp_path, files, first["promote"]["path"], 2))
    assert any("'maybe' is new to the champion" in note for note in done["prepare"]["notes"])
    assert done["evaluate"]["champion"]["value"] is not None


def test_a_withheld_class_neither_teaches_nor_judges(tmp_path):
    """Its rows are like rows without a label, also where the label came later; the notes tell how many."""
    files = [snapshot(tmp_path, 1, learning.rows(900, classes=("no", "yes", "maybe")))]
    files.append(label_file(tmp_path, 2, {"0": "maybe"}))
    told = [file | {"withheld": ["maybe"]} for file in files]
    result = run(prepare, arguments(tmp_path, told))
    history = History([from_json(file, AcceptedFile) for file in told], SCHEMA)
    for path in (result["train"], result["holdout"]):
        assert set(pq.read_table(path).column("y").to_pylist()) == {"no", "yes"}
    kept = result["train_rows"] + result["holdout_rows"]
    assert kept < 900 and history.labels_known(1) == kept
    assert f"{900 - kept} rows of classes that do not count ('maybe')" in " ".join(result["notes"])


def test_a_class_of_one_row_and_one_class_alone_do_not_crash(tmp_path):
    """One row of a class is left out with a note; one class alone is refused."""
    made = learning.rows(400)
    made[5]["y"] = "odd"
    assert any("'odd'" in note for note in run(prepare, arguments(tmp_path, [snapshot(tmp_path, 1, made)]))["notes"])
    for row in made:
        row["y"] = "no"
    with pytest.raises(Refused, match="one class only"):
        run(prepare, arguments(tmp_path, [snapshot(tmp_path, 1, made)], number=2))


def test_a_vanished_column_is_missing_and_told(tmp_path):
    """An old snapshot without a column that the schema now has still teaches."""
    files = [snapshot(tmp_path, 1, learning.rows(300)), snapshot(tmp_path, 2, learning.rows(300, seed=1), first_id=300)]
    old = pq.read_table(files[0]["snapshot"]).drop_columns(["x"])
    pq.write_table(old, files[0]["snapshot"])
    result = run(prepare, arguments(tmp_path, files))
    assert any("file 1 has no x" in note for note in result["notes"])
    run(train, arguments(tmp_path, files) | {"prepared": result})


def test_the_same_arguments_give_the_same_version(tmp_path):
    """Rows, settings and seed decide the model: its digest is the same."""
    files = [snapshot(tmp_path, 1, learning.rows(500))]
    digests = set()
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        digests.add(cycle(arguments(folder, files))["promote"]["digest"])
    assert len(digests) == 1


def test_slices_are_judged(tmp_path):
    """Each slice of enough rows has its own paired difference."""
    files = [snapshot(tmp_path, 1, learning.rows(900))]
    gate = {"gate": {"slices": ["c"], "min_slice_rows": 20}}
    first = cycle(arguments(tmp_path, files, **gate))
    files.append(snapshot(tmp_path, 2, learning.rows(900, seed=1), first_id=900))
    result = cycle(arguments(tmp_path, files, first["promote"]["path"], 2, **gate))["evaluate"]
    assert {part["where"] for part in result["slices"]} >= {"c is red", "c is green"}


def test_a_champion_that_cannot_be_loaded_is_told_and_replaced(tmp_path):
    """A damaged champion does not block its successor, though columns tell so little that it is better than the naive
    baseline by less than chance might explain: it would be no first model."""
    files = [snapshot(tmp_path, 1, learning.rows(300))]
    first = cycle(arguments(tmp_path, files))
    drawn = np.random.default_rng(0).random(300) < 0.75
    made = [row | {"y": ("no", "yes")[i % 2] if drawn[i] else row["y"]} for i, row in enumerate(learning.rows(300, 1))]
    weak = [snapshot(tmp_path, 2, made, first_id=300)]
    assert cycle(arguments(tmp_path, weak, None, 2))["evaluate"]["verdict"] == "keep"
    for number, damaged in enumerate(("model.skops", "training.json"), 3):
        (Path(first["promote"]["path"]) / damaged).write_bytes(b"damaged")
        done = cycle(arguments(tmp_path, weak, first["promote"]["path"], number))["evaluate"]
        assert done["verdict"] == "promote" and "the champion cannot be compared: " in done["reason"]
        assert any("cannot be compared" in note for note in done["notes"])
