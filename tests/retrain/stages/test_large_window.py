"""A window that is larger than memory: prepared in pieces it is what it is in one, and a sample of it is drawn as told."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import learning
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from learning import run
from sklearn.linear_model import SGDClassifier

from retrain.records.errors import Refused
from retrain.records.formats import Formats
from retrain.records.schema import Column, Schema
from retrain.rows import budget, large_duplicates, sampling
from retrain.stages import large_window
from retrain.stages.evaluate import evaluate
from retrain.stages.prepare import prepare
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_reference, read_json

ID = Column("id", "category")
ROWS = 400


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Every file is read in several pieces."""
    monkeypatch.setattr(large_window, "GROUP_ROWS", 1_000)
    monkeypatch.setattr(large_window, "MOST_PIECE_ROWS", 150)


def schema(task: str, with_id: bool = True) -> Schema:
    return Schema(((ID,) if with_id else ()) + learning.schema(task).columns, task, "y", id_column="id" if with_id else None,
                  time_column="t")  # fmt: skip


def window(folder: Path, files: int = 6, task: str = "classification", repeated: bool = True) -> list[dict[str, Any]]:
    """Files of rows, some of whose ids come again in the next file, some without a label, and a file of labels."""
    found = []
    for seq in range(1, files + 1):
        table = learning.table(learning.rows(ROWS, seed=seq, task=task), task)
        first = seq * ROWS - (50 if repeated else 0) * (seq > 1)
        table = table.append_column("id", pa.array([str(first + at) for at in range(ROWS)]))
        numbers = pa.array([at + at // 90 for at in range(1, ROWS + 1)], pa.int64())
        labels = table.column("y").to_pylist()
        labels = [None if at % 10 == 9 else label for at, label in enumerate(labels)]
        table = table.set_column(table.column_names.index("y"), "y", pa.array(labels, table.schema.field("y").type))
        path = folder / f"s{seq}.parquet"
        pq.write_table(table.append_column("__row", numbers), path)
        found.append({"seq": seq, "snapshot": str(path), "digest": f"digest{seq}", "rows": ROWS, "kind": "rows",
                      "accepted_at": 1e9, "own_labels": ROWS})  # fmt: skip
    late = folder / "late.parquet"
    ids, values = [str(ROWS + at) for at in range(9, 300, 10)], ["yes" if task == "classification" else 1.5] * 30
    pq.write_table(pa.table({"id": ids, "y": values[: len(ids)], "__row": list(range(1, len(ids) + 1))}), late)
    return [*found, {"seq": files + 1, "snapshot": str(late), "digest": "late", "rows": len(ids), "kind": "labels",
                     "accepted_at": 1e9}]  # fmt: skip


def arguments(folder: Path, files: list[dict], task: str = "classification", name: str = "work", champion: Any = None,
              train_data: Any = None, with_id: bool = True, **more: Any) -> dict[str, Any]:  # fmt: skip
    """What control asks a stage with; `train_data` None: as much as there is."""
    work = folder / name
    work.mkdir(exist_ok=True)
    limits = {} if train_data is None else {"limits": {"train_data": train_data}}
    settings = {"data_dir": "d", "task": task, "target": "y", "estimator": learning.fast(), **limits, **more}
    return {
        "model": "m", "cycle": 1, "number": 1, "work": str(work), "versions": str(folder / "versions" / "m"),
        "config_dir": str(folder), "schema": schema(task, with_id).to_json(), "champion": champion,
        "settings": settings, "files": files, "now": 2e9,
    }  # fmt: skip


def cycle(args: dict[str, Any]) -> dict[str, Any]:
    """All four stages."""
    args = args | {"prepared": run(prepare, args)}
    args["trained"] = run(train, args)
    args["evaluated"] = run(evaluate, args)
    return args | {"promoted": run(promote, args)}


def rows_of(path: str) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("deduplicate", ["auto", "rows", "none"])
@pytest.mark.parametrize(
    "kind", [{"kind": "all"}, {"kind": "files", "files": 3}, {"kind": "decay"}, {"kind": "all", "max_rows": 700}]
)
def test_a_window_in_pieces_is_the_window_in_one(tmp_path, task, deduplicate, kind):
    """The same rows are known, train with the same weights, and are held out, late labels and duplicates included."""
    files, more = window(tmp_path, task=task), {"window": {"deduplicate": deduplicate, **kind}}
    one = run(prepare, arguments(tmp_path, files, task, "one", **more))
    all_fit = 4 * sum(Path(file["snapshot"]).stat().st_size for file in files)
    pieces = run(prepare, arguments(tmp_path, files, task, "pieces", train_data=all_fit // 8, **more))
    assert one["large"] is None and pieces["large"] is not None
    same = ("known_rows", "snapshots", "holdout_snapshots", "reserved_snapshots", "seen", "cut", "window", "held_out")
    assert {name: pieces[name] for name in same} == {name: one[name] for name in same}
    assert pieces["notes"][:-1] == one["notes"]
    assert rows_of(pieces["holdout"]) == rows_of(one["holdout"])
    whole = sorted(rows_of(pieces["whole"]), key=lambda row: (row["__time"], row["__seq"], row["__row"]))
    assert whole == rows_of(one["train"])
    assert not (tmp_path / "pieces" / "pieces").exists()


def test_without_ids_repeated_rows_are_judged_as_in_one(tmp_path):
    """A file that was delivered twice teaches once, rows that look alike stay; of more rows than can be judged at once
    a part speaks for all."""
    files = window(tmp_path, 5, repeated=False)[:-1]
    again = tmp_path / "s6.parquet"
    pq.write_table(pq.read_table(files[1]["snapshot"]), again)
    files.append(files[1] | {"seq": 6, "snapshot": str(again), "digest": "digest6"})
    one = run(prepare, arguments(tmp_path, files, name="one", with_id=False))
    pieces = run(prepare, arguments(tmp_path, files, name="pieces", with_id=False, train_data=20_000))
    assert pieces["known_rows"] == one["known_rows"] == 5 * ROWS * 0.9
    assert pieces["notes"][:-1] == one["notes"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(large_duplicates, "JUDGED_ROWS", 700)
        part = run(prepare, arguments(tmp_path, files, name="part", with_id=False, train_data=20_000))
    assert part["known_rows"] == one["known_rows"] and "rows show" in part["notes"][-2]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_sample_has_its_share_of_each_class_and_file_and_says_so(tmp_path, task):
    """Exact counts are recorded, each stratum has its share, the same window and seed give the same rows, and another
    seed gives others."""
    files = window(tmp_path, task=task)
    more = {"window": {"kind": "all"}, "train_data": 60_000}

    def drawn(name: str, **others: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        done = run(prepare, arguments(tmp_path, files, task, name, **more, **others))
        return done["large"], rows_of(done["train"])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budget, "FEWEST_ROWS", 300)
        large, rows = drawn("one")
        assert drawn("again") == (large, rows)
        other = drawn("other", estimator={**learning.fast(), "seed": 1})
    assert other[1] != rows and other[0]["train"]["rows"] == len(rows)
    of = sum(count for _, count in large["train"]["by_label"].values())
    assert large["train"]["rows"] == len(rows) < of == large["train"]["of"]
    assert large["words"].startswith(f"trained on a sample of {len(rows):,} of {of:,} rows (stratified by")
    assert rows == sorted(rows, key=lambda row: (row["__time"], row["__seq"], row["__row"]))
    whole = rows_of(str(tmp_path / "one" / "whole.parquet"))
    share = len(rows) / len(whole)
    if task == "classification":
        assert {name: n for name, (n, _) in large["train"]["by_label"].items()} == Counter(row["y"] for row in rows)
        strata, had = (Counter((row["y"], row["__seq"]) for row in part) for part in (rows, whole))
    else:
        strata, had = (Counter(row["__seq"] for row in part) for part in (rows, whole))
    assert all(abs(strata[one] - share * many) < (1 if task == "classification" else 20) for one, many in had.items())


def test_a_rare_class_is_in_the_sample():
    """Where its share would be none, two of its rows are drawn."""
    counts, label = np.array([2, 1, 100_000]), np.array([0, 0, 1])
    assert sampling.with_rare(sampling.quotas(counts, 1000), counts, label).tolist() == [2, 0, 1000]


def test_a_challenger_of_a_large_window_is_prepared_beside_the_champion(tmp_path):
    """What the champion knows is not held out, in pieces as in one."""
    files = window(tmp_path, 8)
    before, late = files[:5], files[-1:]
    first = cycle(arguments(tmp_path, [*before, *late]))
    path = Path(first["promoted"]["path"])
    champion = {"folder": str(path.parent), "weights": {path.name: 1.0}, "newest": path.name}
    one = run(prepare, arguments(tmp_path, files, name="one", champion=champion))
    pieces = run(prepare, arguments(tmp_path, files, name="pieces", champion=champion, train_data=50_000))
    assert rows_of(pieces["holdout"]) == rows_of(one["holdout"])
    same = ("known_rows", "seen", "reserved_snapshots", "holdout_snapshots", "snapshots", "held_out", "window")
    assert {name: pieces[name] for name in same} == {name: one[name] for name in same}


def test_a_window_that_fits_gives_the_version_that_it_gave(tmp_path):
    """A budget that is not exceeded changes nothing: the digest is the same."""
    files = window(tmp_path)
    plain, bounded = (cycle(arguments(tmp_path, files, name=name, train_data=data)) for name, data in
                      (("plain", None), ("bounded", "1GB")))  # fmt: skip
    assert plain["promoted"]["digest"] == bounded["promoted"]["digest"]
    assert "large" not in read_json(Path(bounded["promoted"]["path"]) / "training.json")["prepare"]


def test_a_version_of_a_sample_is_profiled_by_all_rows(tmp_path):
    """Its reference counts every row that trained it or might have, and its card says what it learned from."""
    files = window(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budget, "FEWEST_ROWS", 500)
        done = cycle(arguments(tmp_path, files, window={"kind": "all"}, train_data=60_000))
    large, path = done["prepared"]["large"], Path(done["promoted"]["path"])
    whole = pq.read_table(done["prepared"]["whole"])
    profile = load_reference(path).columns["x"]
    finite = [value for value in whole.column("x").to_pylist() if value is not None and np.isfinite(value)]
    assert profile.rows == large["train"]["of"] == len(whole) > done["trained"]["train_rows"]
    assert profile.values.tolist() == sorted(finite) and profile.mean == pytest.approx(np.mean(finite))
    assert large["words"] in (path / "card.md").read_text()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_an_estimator_that_learns_in_parts_learns_all_rows(tmp_path, task):
    """Where the configuration asks for it, and says so; it predicts better than the baseline."""
    kind = "SGDClassifier" if task == "classification" else "SGDRegressor"
    params = {"loss": "log_loss"} if task == "classification" else {}
    estimator = {"type": f"sklearn.linear_model.{kind}", "params": params}
    done = cycle(
        arguments(
            tmp_path,
            window(tmp_path, task=task),
            task,
            train_data=60_000,
            estimator=estimator,
            window={"large": "parts"},
        )
    )
    large = done["prepared"]["large"]
    assert done["trained"]["train_rows"] == large["train"]["of"]
    assert large["words"].startswith(f"trained in parts on all {large['train']['of']:,} rows")
    assert done["trained"]["weighted"]
    challenger, baseline = (done["evaluated"][who]["value"] for who in ("challenger", "baseline"))
    assert challenger > baseline


def test_an_estimator_that_cannot_learn_in_parts_is_refused(tmp_path):
    """With the way out."""
    args = arguments(tmp_path, window(tmp_path), train_data=60_000, window={"large": "parts"})
    with pytest.raises(Refused, match="has no partial_fit"):
        run(train, args | {"prepared": run(prepare, args)})


def test_a_file_that_is_gone_amid_is_told(tmp_path, monkeypatch):
    """With its name, and nothing is published."""
    files = window(tmp_path)
    split = large_window.LargeWindow._split

    def and_delete(self: Any) -> Any:
        Path(files[2]["snapshot"]).unlink()
        return split(self)

    monkeypatch.setattr(large_window.LargeWindow, "_split", and_delete)
    with pytest.raises(OSError, match=r"s3\.parquet"):
        run(prepare, arguments(tmp_path, files, train_data=60_000))
    assert not list((tmp_path / "work").glob("*.parquet"))


def test_many_classes_in_many_files_are_sampled(tmp_path):
    """A thousand classes in fifty files: each is known, and has two rows where it has so many."""
    files, classes = [], [f"class {at}" for at in range(1_000)]
    for seq in range(1, 51):
        table = learning.table(learning.rows(60, seed=seq))
        names = [classes[(seq * 60 + at) % len(classes)] for at in range(60)]
        table = table.set_column(table.column_names.index("y"), "y", pa.array(names).dictionary_encode())
        path = tmp_path / f"s{seq}.parquet"
        pq.write_table(table.append_column("__row", pa.array(range(1, 61), pa.int64())), path)
        files.append({"seq": seq, "snapshot": str(path), "digest": f"digest{seq}", "rows": 60, "kind": "rows",
                      "accepted_at": 1e9, "own_labels": 60})  # fmt: skip
    train = run(prepare, arguments(tmp_path, files, with_id=False, train_data=20_000))["large"]["train"]
    assert train["strata"] > 2_000 and len(train["by_label"]) == len(classes)
    assert all(drawn == min(2, known) for drawn, known in train["by_label"].values() if known != 1)


def test_an_estimator_without_weights_says_so_of_parts(tmp_path, monkeypatch):
    """Files that weigh less count alike, and the version's notes say it."""
    learn = SGDClassifier.partial_fit
    monkeypatch.setattr(SGDClassifier, "partial_fit", lambda self, X, y, classes=None: learn(self, X, y, classes))
    estimator = {"type": "sklearn.linear_model.SGDClassifier", "params": {"loss": "log_loss"}}
    for kind, is_told in ({"kind": "all"}, False), ({"kind": "decay", "half_life_files": 2}, True):
        args = arguments(tmp_path, window(tmp_path), train_data=60_000, estimator=estimator,
                         window={"large": "parts", **kind})  # fmt: skip
        trained = run(train, args | {"prepared": run(prepare, args)})
        assert trained["weighted"] is not is_told
        assert any("takes no row weights" in note for note in trained["notes"]) is is_told


def test_dates_as_people_write_them_are_the_same_in_pieces(tmp_path):
    """Also of rows without one, which count as the latest of their whole file."""
    files = window(tmp_path)
    for file in files[:-1]:
        table = pq.read_table(file["snapshot"])
        days = pc.strftime(table.column("t"), "%d.%m.%Y")
        pq.write_table(table.set_column(table.column_names.index("t"), "t", days), file["snapshot"])
    known = replace(schema("classification"), formats=Formats(date_format=("%d.%m.%Y",))).to_json()
    one, pieces = (
        run(prepare, arguments(tmp_path, files, name=name, train_data=data) | {"schema": known})
        for name, data in (("one", None), ("pieces", 60_000))
    )
    assert one["large"] is None and pieces["large"] is not None
    assert pieces["cut"] == one["cut"]
    assert rows_of(pieces["holdout"]) == rows_of(one["holdout"])


def test_a_short_newest_file_does_not_hide_long_rows_before_it(tmp_path):
    """Whether a window is large is not judged by its newest file alone."""
    files = window(tmp_path)
    for file in files[:-1]:
        table = pq.read_table(file["snapshot"])
        texts = pa.array(["long " * (1_000 if file is not files[-2] else 1)] * table.num_rows)
        pq.write_table(table.set_column(table.column_names.index("c"), "c", texts), file["snapshot"])
    done = run(prepare, arguments(tmp_path, files, train_data=5_000_000))
    assert done["large"] is not None
