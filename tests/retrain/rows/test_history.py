"""Files with late labels, and live traffic among them, of which most may never get one."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from retrain.operations import AcceptedFile
from retrain.records.schema import Column, Schema
from retrain.records.settings import LabelSettings, ModelSettings
from retrain.rows import history
from retrain.rows.history import History
from retrain.rows.late_labels import late_labels
from retrain.rows.touched import LabelFiles, first_files, hashes_of
from retrain.stages.prepare import labelled_rows, prepare_rows

SCHEMA = Schema(
    (Column("id", "category"), Column("x", "number"), Column("y", "category")), "classification", "y", None, "id"
)
SETTINGS = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", "id_column": "id"})


def written(
    folder: Path, seq: int, ids: list[str | None], labels: list[str | None], source: str = "folder"
) -> AcceptedFile:
    """An accepted file of rows."""
    made = {"id": ids, "x": [float(seq)] * len(ids), "y": pa.array(labels, pa.string())}
    path = folder / f"{seq}.parquet"
    pq.write_table(pa.table({**made, "__row": list(range(1, len(ids) + 1))}), path)
    return AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=len(ids), source=source, accepted_at=float(seq))


def labels(folder: Path, seq: int, known: dict[str | None, str]) -> AcceptedFile:
    """A file of labels."""
    path = folder / f"{seq}.parquet"
    pq.write_table(pa.table({"id": list(known), "y": list(known.values())}), path)
    return AcceptedFile(seq=seq, snapshot=path, digest=f"d{seq}", rows=len(known), kind="labels")


def live(folder: Path, seq: int, rows: int = 4) -> AcceptedFile:
    """A file of live traffic, ids SEQ-0…"""
    return written(folder, seq, [f"{seq}-{k}" for k in range(rows)], [None] * rows, "traffic")


def test_traffic_without_labels_hides_no_labelled_file(tmp_path):
    """However much of it came since, the dropped files are found; traffic with labels is found among them."""
    files = [written(tmp_path, seq, [f"d{seq}"], ["yes"]) for seq in (1, 2)]
    files += [live(tmp_path, seq) for seq in range(3, 100)]
    assert History(files, SCHEMA).past() == [1, 2]
    files.append(labels(tmp_path, 100, {"97-1": "no"}))
    history = History(files, SCHEMA)
    assert history.past() == [1, 2, 97]
    assert history.past(up_to=50) == [1, 2]


def test_a_row_that_was_served_and_then_dropped_teaches_once(tmp_path):
    """Unlabelled traffic teaches nothing beside the dropped row of the same id, whichever came first; where both have a
    label the file that arrived last wins."""
    served = live(tmp_path, 1)
    dropped = written(tmp_path, 2, ["1-0", "1-1"], ["yes", "no"])
    late = replace(live(tmp_path, 3, 0), snapshot=served.snapshot, rows=4)
    notes: list[str] = []
    table = labelled_rows([served, dropped, late], SCHEMA, SETTINGS, notes)
    assert table.select(["id", "y", "__seq"]).to_pylist() == [
        {"id": "1-0", "y": "yes", "__seq": 2}, {"id": "1-1", "y": "no", "__seq": 2},
    ]  # fmt: skip
    assert "8 rows without a label were left out" in notes
    known = labels(tmp_path, 4, {"1-0": "no", "1-2": "yes"})
    table = labelled_rows([served, dropped, known], SCHEMA, SETTINGS, notes)
    rows = {row["id"]: (row["y"], row["__seq"]) for row in table.to_pylist()}
    assert rows == {"1-0": ("no", 2), "1-1": ("no", 2), "1-2": ("yes", 1)}


def test_a_label_is_not_of_who_asks_again_under_its_id(tmp_path):
    """Who may only ask teaches nothing: the label belongs to the first row of its id, in the file itself, too. Silence
    of such rows means no class either; other rows of the same traffic have their labels; what is dropped wins still."""
    dropped = written(tmp_path, 1, ["a", "b"], [None, None])
    known = labels(tmp_path, 2, {"a": "yes", "b": "no", "c": "yes"})
    again = written(tmp_path, 3, ["a", "c", "b", "c"], [None] * 4, "traffic")
    files = [dropped, known, again]
    rows = [(row["id"], row["x"], row["__row"]) for row in labelled_rows(files, SCHEMA, SETTINGS, []).to_pylist()]
    assert sorted(rows) == [("a", 1.0, 1), ("b", 1.0, 2), ("c", 3.0, 2)]
    assert History(files, SCHEMA).batch(3).known.tolist() == [False, True, False, False]
    silent = LabelSettings.model_validate({"maturity": "1 file", "negative": "no"})
    later = [*files, written(tmp_path, 4, ["d"], [None]), labels(tmp_path, 5, {"d": "yes"})]
    assert History(later, SCHEMA, silent).batch(3).known.tolist() == [False, True, False, False]
    corrected = written(tmp_path, 6, ["a"], ["yes"])
    table = labelled_rows([*files, corrected], SCHEMA, SETTINGS, [])
    assert {row["id"]: row["x"] for row in table.to_pylist()} == {"a": 6.0, "b": 1.0, "c": 3.0}


def test_labels_reach_the_rows_of_a_file_without_a_target(tmp_path):
    """Both who judges and who trains find the labels that came later, also where the file had no such column."""
    file = written(tmp_path, 1, ["a", "b"], [None, None])
    pq.write_table(pq.read_table(file.snapshot).drop_columns(["y"]), file.snapshot)
    files = [file, labels(tmp_path, 2, {"b": "yes"})]
    assert History(files, SCHEMA).batch(1).known.tolist() == [False, True]
    assert labelled_rows(files, SCHEMA, SETTINGS, []).column("y").to_pylist() == ["yes"]


def test_one_more_file_of_labels_does_not_read_the_others_again(tmp_path):
    """And gives what all of them at once give: the newest label, who brought the first, and what changed; what was
    joined before stays as it was."""
    files = [labels(tmp_path, 2, {"a": "no", "b": "yes"}), labels(tmp_path, 3, {"a": "yes"})]
    before = late_labels(files, SCHEMA)
    copies = [replace(file, snapshot=tmp_path / f"copy{file.seq}.parquet") for file in files]
    for file, copy in zip(files, copies, strict=True):
        file.snapshot.rename(copy.snapshot)
    more = [*files, labels(tmp_path, 5, {"a": "no", "c": "no"})]
    one, whole = late_labels(more, SCHEMA), late_labels([*copies, more[-1]], SCHEMA)
    assert (one.newest, one.first, one.changes) == (whole.newest, whole.first, whole.changes)
    assert one.newest == {"a": "no", "b": "yes", "c": "no"} and before.newest == {"a": "yes", "b": "yes"}
    assert [one.before("a", seq) for seq in range(1, 6)] == [None, "no", "yes", "yes", "no"]


def test_a_label_without_an_id_is_of_no_row(tmp_path):
    """Rows whose id is missing are not one row: neither who judges nor who trains gives them somebody's label."""
    file = written(tmp_path, 1, ["a", None, None], [None, None, None])
    files = [file, labels(tmp_path, 2, {"a": "yes", None: "no"})]
    assert History(files, SCHEMA).batch(1).known.tolist() == [True, False, False]
    assert labelled_rows(files, SCHEMA, SETTINGS, []).column("y").to_pylist() == ["yes"]
    nobodys = LabelFiles([(3, labels(tmp_path, 3, {None: "no"}).snapshot)], ("id", "category"))
    assert nobodys.touching(file.snapshot) == ()


def test_silence_counts_where_labels_come_with_rows_and_one_was_corrected(tmp_path):
    """One file of labels does not say that all others come in such files, which then would have ceased to come; where
    most do come so, rows that brought one do not say that these still come."""
    settings = LabelSettings.model_validate({"maturity": "1 file", "negative": "no"})
    rows = [
        replace(written(tmp_path, seq, [f"{seq}-a", f"{seq}-b"], ["yes", None]), own_labels=1) for seq in (1, 2, 4, 5)
    ]
    files = sorted([*rows, labels(tmp_path, 3, {"1-a": "yes"})], key=lambda file: file.seq)
    known = History(files, SCHEMA, settings)
    assert [known.labels_known(seq) for seq in (1, 2, 4, 5)] == [2, 2, 2, 0]
    told = labels(tmp_path, 3, {f"1-{name}": "yes" for name in "acdefg"})
    known = History([told if file.seq == 3 else file for file in files], SCHEMA, settings)
    assert [known.labels_known(seq) for seq in (1, 2, 4, 5)] == [2, 1, 0, 0]


def test_silence_says_nothing_before_any_label_was_said(tmp_path):
    """Rows without a label that reached their maturity are of the negative class only where labels come at all."""
    settings = LabelSettings.model_validate({"maturity": "1 file", "negative": "no"})
    files = [written(tmp_path, seq, [f"{seq}-0", f"{seq}-1"], [None, None]) for seq in (1, 2, 3)]
    assert History(files, SCHEMA, settings).past() == []
    told = [*files, labels(tmp_path, 4, {"1-0": "yes"})]
    assert History(told, SCHEMA, settings).class_rows() == {"yes": 1, "no": 3}


def test_a_label_that_comes_just_in_time_is_waited_for(tmp_path):
    """Where a file of labels follows each file of rows, rows are of age with the labels that follow the last file, though
    many rows bring a label themselves: one that comes then is no silence, and no provisional label is final."""
    settings = LabelSettings.model_validate({"maturity": "1 file", "negative": "no"})
    rows = [replace(written(tmp_path, seq, [f"{seq}-a", f"{seq}-b"], ["no", None]), own_labels=1) for seq in (1, 3, 5)]
    follow = [labels(tmp_path, 2, {"0-a": "yes"}), labels(tmp_path, 4, {"1-a": "yes", "1-b": "yes"})]
    before = History([rows[0], follow[0], rows[1]], SCHEMA, settings)
    assert before.labels_known(1) == 0
    after = History([rows[0], follow[0], rows[1], follow[1]], SCHEMA, settings)
    assert after.class_rows() == {"yes": 2}


def test_the_files_of_labels_of_a_file_are_found_one_by_one_and_all_at_once(tmp_path):
    """Many short ones and one with more ids than the file has; the newest alone; and without one that was left out."""
    file = written(tmp_path, 1, ["a", "b", "c"], [None] * 3)
    known = [{"x": "no"}, {"b": "no", "y": "no"}, {"c": "yes"}, {f"z{n}": "no" for n in range(9)} | {"a": "no"}]
    late = [(seq, labels(tmp_path, seq, ids).snapshot) for seq, ids in enumerate(known, 2)]
    at_once = LabelFiles(late, ("id", "category")).touching(file.snapshot)
    assert at_once == (3, 4, 5)
    for count in range(1, 5):
        assert LabelFiles(late[:count], ("id", "category")).touching(file.snapshot) == at_once[: max(0, count - 1)]
    assert LabelFiles([late[0], *late[2:]], ("id", "category")).touching(file.snapshot) == (4, 5)


def test_files_of_labels_that_end_as_others_did_are_looked_at_anew(tmp_path):
    """As many, and the last one the same: one was released, and another one forgotten."""
    file = written(tmp_path, 1, ["a"], [None])
    late = [(seq, labels(tmp_path, seq, {name: "no"}).snapshot) for seq, name in enumerate("axby", 2)]
    released, forgotten, *rest = late
    assert LabelFiles([forgotten, *rest], ("id", "category")).touching(file.snapshot) == ()
    assert LabelFiles([released, *rest], ("id", "category")).touching(file.snapshot) == (2,)


def test_the_first_rows_of_many_ids_are_found_at_the_cost_of_each_files_own(tmp_path):
    """Each id is the first file's that has it; a file of two rows is not compared with all that are asked for."""
    files = [
        (seq, written(tmp_path, seq, ids, [None] * len(ids)).snapshot)
        for seq, ids in ((1, ["a", "b"]), (2, ["b", "c"]))
    ]
    many, key = hashes_of([*"abc", *range(50_000)]), ("id", "category")
    first_files(files, key, many)
    tracemalloc.start()
    found, seqs = first_files(files, key, many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert dict(zip(found.tolist(), seqs.tolist(), strict=True)) == {hash("a"): 1, hash("b"): 1, hash("c"): 2}
    assert peak < many.nbytes / 4


@pytest.mark.parametrize(
    ("sizes", "newest"),
    [((300, 300, 300), [2, 3]), ((900, 2000, 900), [2, 3]), ((900, 900, 2000), [3]), ((9000,), [1])],
)
def test_long_files_are_several_batches(tmp_path, sizes, newest):
    """The newest two batches are two files, or one that is as long as two."""
    files = [written(tmp_path, at, [f"{at}-{k}" for k in range(n)], ["yes"] * n) for at, n in enumerate(sizes, 1)]
    assert [batch.seq for batch in History(files, SCHEMA).newest_pools(2)] == newest


def test_the_planners_windows_count_long_files_as_several_and_configured_ones_do_not(tmp_path):
    """Of files of 1,500 rows the last three batches are two, and weights halve every four; a configuration that says
    files has files."""
    files = [written(tmp_path, at, [f"{at}-{k}" for k in range(1500)], ["no", "yes"] * 750) for at in range(1, 6)]

    def trained(choice, **window):
        settings = ModelSettings.model_validate({**SETTINGS.model_dump(mode="json"), "window": window})
        return prepare_rows(files, SCHEMA, settings, None, choice).train

    short = {"kind": "files", "files": 3}
    assert set(trained(short).column("__seq").to_pylist()) == {4, 5}
    assert set(trained(None, kind="files", files=3).column("__seq").to_pylist()) == {3, 4, 5}
    assert trained({"kind": "decay"}).column("__weight").to_numpy()[0] == 0.5
    assert trained(None, kind="decay", half_life_files=4.0).column("__weight").to_numpy()[0] == 0.5
    assert trained(None, kind="decay").column("__weight").to_numpy()[0] == 0.5 ** (4 / 6)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_long_file_gives_the_same_rows_as_if_it_were_read_whole(tmp_path, monkeypatch, seed):
    """In equal steps or at random, with their labels, and with the same reservoir."""
    ids = [str(k) for k in range(70_000)]
    files = [written(tmp_path, 1, ids, [("yes", "no", None)[k % 3] for k in range(70_000)])]

    def read() -> tuple[pa.Table, list[bool], int]:
        found = History(files, SCHEMA)
        batch = found.sample(1, seed) if seed else found.batch(1)
        return batch.table, batch.reserved.tolist(), found.labels_known(1)

    whole = read()
    monkeypatch.setattr(history, "LONG_FILE_BYTES", 0)
    history._KNOWN._kept.clear()
    assert read() == whole
