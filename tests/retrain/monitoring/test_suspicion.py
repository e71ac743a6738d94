"""The analyst's operation: files in, doubts as JSON out, cheap even for long files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learning import rows, run, schema, table

from retrain.monitoring.suspicion import suspect


def written(folder: Path, name: str, count: int, seed: int, factor: float = 1.0, predicted: bool = True):
    """A snapshot and what was predicted of it."""
    made = table(rows(count, seed))
    made = made.set_column(0, "x", pa.array(factor * made["x"].to_numpy()))
    made = made.append_column("__row", pa.array(range(1, count + 1)))
    pq.write_table(made, folder / f"{name}.parquet", row_group_size=5000)
    if not predicted:
        return {"name": name, "snapshot": str(folder / f"{name}.parquet"), "predictions": None}
    yes = np.random.default_rng(seed).random(count)
    said = pa.table({"__row": made["__row"], "prediction": made["y"], "p_no": 1 - yes, "p_yes": yes})
    pq.write_table(said.append_column("label", made["y"]), folder / f"{name}.said.parquet")
    return {"name": name, "snapshot": f"{folder}/{name}.parquet", "predictions": f"{folder}/{name}.said.parquet"}


def judged(recent, new, **suspicion):
    """What the operation says, through JSON."""
    settings = {"data_dir": "d", "task": "classification", "target": "y", "suspicion": suspicion}
    args = {
        "recent": recent,
        "schema": schema().to_json(),
        "settings": settings,
        "file": new,
        "ignore_kinds": new.get("ignore_kinds", []),
    }
    return run(suspect, args)["doubts"]


@pytest.mark.parametrize("predicted", [True, False])
def test_a_unit_bug_is_told_and_can_be_ignored(tmp_path, predicted):
    """With or without predictions; missing values and every kind of column are in the files."""
    recent = [written(tmp_path, f"f{k}", 600, k, predicted=predicted) for k in range(4)]
    new = written(tmp_path, "new", 600, 9, 1000.0, predicted)
    (doubt,) = judged(recent, new)
    assert doubt["kind"] == "unit_bug" and doubt["numbers"]["column"] == "x"
    assert judged(recent, new, ignore=["x"]) == judged(recent, new, kinds=["leaked_target"]) == []
    assert judged(recent, written(tmp_path, "fine", 600, 10)) == []


def test_a_repeated_file_is_found_in_thinned_samples(tmp_path):
    """A long file is thinned by the content of its rows: equal ones stay together."""
    recent = [written(tmp_path, f"f{k}", 6000, k) for k in range(4)]
    (doubt,) = judged(recent, written(tmp_path, "again", 6000, 2))
    assert doubt["kind"] == "duplicated_rows" and doubt["numbers"]["like"] == "f2"
    assert doubt["numbers"]["share"] == 1.0


def test_a_kind_that_is_no_fault_of_this_file_is_left_out(tmp_path):
    """Live traffic may repeat rows; its other doubts count."""
    recent = [written(tmp_path, f"f{k}", 600, k) for k in range(4)]
    again = written(tmp_path, "again", 600, 2) | {"ignore_kinds": ["duplicated_rows"]}
    assert judged(recent, again) == []
    bug = written(tmp_path, "bug", 600, 9, 1000.0) | {"ignore_kinds": ["duplicated_rows"]}
    assert [doubt["kind"] for doubt in judged(recent, bug)] == ["unit_bug"]


def test_files_without_labels_are_judged_by_their_columns(tmp_path):
    """Where no file has a label yet there are no classes to read predictions by; a unit bug is still seen."""
    files = [written(tmp_path, f"f{seed}", 900, seed) for seed in range(4)] + [written(tmp_path, "bug", 900, 9, 1000.0)]
    for told in files:
        for path in (told["snapshot"], told["predictions"]):
            bare = pq.read_table(path)
            name = "y" if "y" in bare.column_names else "label"
            place = bare.column_names.index(name)
            nothing = pa.nulls(bare.num_rows, bare.schema.field(place).type)
            pq.write_table(bare.set_column(place, name, nothing), path)
    found = judged(files[:-1], files[-1])
    assert "unit_bug" in str(found)
