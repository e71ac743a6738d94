"""When each label of a replay comes, and the files that it comes in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.tools.replay.label_files import LabelFiles
from daemon.tools.replay.label_times import LabelTimes, arriving, late, places, positive_class
from daemon.tools.replay.source import Source, read_source
from retrain.records.errors import WrongUse
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings

BATCHES, ROWS, INITIAL = 8, 100, 2
DAY_S = 86_400


def table(seed: int = 0) -> pa.Table:
    """Rows an hour apart, a fifth of them "yes", and when each label came: two days later, a few never."""
    rng, rows = np.random.default_rng(seed), BATCHES * ROWS
    at = np.arange(rows) * 3600
    told = pa.array(np.where(np.arange(rows) % 10 == 9, None, (at + 2 * DAY_S) * 1_000_000), pa.timestamp("us"))
    return pa.table(
        {
            "at": pa.array(at * 1_000_000, pa.timestamp("us")), "told": told, "x": rng.normal(size=rows),
            "y": np.where(rng.random(rows) < 0.2, "yes", "no"),
        }
    )  # fmt: skip


def source(folder: Path, times: LabelTimes, data: pa.Table | None = None, id_column: str | None = None) -> Source:
    """The batches of a file."""
    pq.write_table(table() if data is None else data, folder / "history.parquet")
    settings = ModelSettings(
        data_dir="d", task="classification", target="y", time_column="at", id_column=id_column,
    )  # fmt: skip
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return read_source([folder / "history.parquet"], settings, BATCHES, work, INITIAL, times=times)


def played(folder: Path, times: LabelTimes, data: pa.Table | None = None) -> tuple[Source, list[list[tuple[int, str]]]]:
    """The source, and after each batch the labels that came since the one before: row's number and label, the batch's
    own first."""
    read = source(folder, times, data)
    files, came = LabelFiles(read, times, INITIAL, folder), []
    for batch in read.batches:
        rng = np.random.default_rng(batch.place)
        rating = rng.random(batch.rows)
        served = Predictions(np.where(rating > 0.5, "yes", "no"), np.stack([1 - rating, rating], 1), ("no", "yes"))
        path, own = files.arriving(batch, served)
        rows = pq.read_table(path, columns=[str(read.schema.id_column), "y"])
        new = [(number, label) for number, label in zip(*rows.to_pydict().values(), strict=True) if label is not None]
        assert len(new) == own
        due = files.due(batch.place)
        if due is not None:
            new += list(zip(*pq.read_table(due[0]).select([0, 1]).to_pydict().values(), strict=True))
        came.append(new)
    return read, came


def test_each_label_comes_once_in_the_order_of_its_schedule(tmp_path):
    """All labels so many batches late: a batch's are in the file that follows the one so many later, by row."""
    _, came = played(tmp_path, late("3"))
    truth = table()["y"].to_pylist()
    assert [len(new) for new in came] == [ROWS, ROWS, 0, 0, 0, ROWS, ROWS, ROWS]
    assert came[5] == list(zip(range(200, 300), truth[200:300], strict=True))


def test_labels_at_random_come_within_the_time_and_are_the_right_ones(tmp_path):
    """Nothing is lost that could have come before the end, nothing is wrong, and another run draws the same."""
    _, came = played(tmp_path, arriving("random:2"))
    truth, known = table()["y"].to_pylist(), dict(pair for new in came for pair in new)
    assert all(truth[number] == label for number, label in known.items())
    assert set(range(600)) <= known.keys()
    assert {number // ROWS for number, _ in came[4]} == {2, 3, 4}
    assert played(tmp_path, arriving("random:2"))[1] == came


def test_the_positive_class_comes_first(tmp_path):
    """The rarest class within the batches, the others after them; or these never."""
    _, came = played(tmp_path, arriving("positives-first:2"))
    fresh = [{label for number, label in new if number // ROWS > place - 2} for place, new in enumerate(came)]
    assert all(labels == {"yes"} for labels in fresh[INITIAL:])
    assert {label for number, label in came[5] if number // ROWS == 3} == {"no", "yes"}
    _, only = played(tmp_path, arriving("positives-only:2"))
    assert {label for new in only[INITIAL:] for _, label in new} == {"yes"}


def test_provisional_labels_are_corrected(tmp_path):
    """Every row has the other class's label at once, and the positive ones are right within the batches."""
    _, came = played(tmp_path, arriving("provisional:2"))
    truth = table()["y"].to_pylist()
    assert sum(label == "yes" for number, label in came[3] if number // ROWS == 3) < truth[300:400].count("yes")
    known = dict(pair for new in came for pair in new)
    assert [known[number] for number in range(600)] == truth[:600]


def test_a_share_of_the_rows_has_labels(tmp_path):
    """At random, or those that the served model rates best; the others never."""
    _, came = played(tmp_path, arriving("share:0.3"))
    assert all(15 <= len(new) <= 45 for new in came[INITIAL:])
    _, rated = played(tmp_path, arriving("rated:0.3"))
    rating = np.random.default_rng(5).random(ROWS)
    assert {number - 500 for number, _ in rated[5]} == set(np.argsort(-rating)[:30].tolist())


@pytest.mark.parametrize("times", [LabelTimes("column", column="told"), late("2d")], ids=["column", "delay"])
def test_labels_come_at_their_own_times(tmp_path, times):
    """Two days after its row, by the column that says when or by a delay: not before an event of that time was seen,
    and no later."""
    read, came = played(tmp_path, times)
    assert not any(column.name == "told" for column in read.schema.features) or not times.column
    for place, new in enumerate(came[INITIAL:], INITIAL):
        newest = (place + 1) * ROWS - 1
        expected = [n for n in range(INITIAL * ROWS, newest - 47) if n > newest - ROWS - 48]
        if times.column:
            expected = [number for number in expected if number % 10 != 9]
        assert sorted(number for number, _ in new) == expected


def test_rows_are_told_apart_by_their_id_column_if_it_can(tmp_path):
    """Else by numbers that are made, which nobody learns from, and that is noted."""
    ids = [f"a{number}" for number in range(BATCHES * ROWS)]
    data = table().append_column("name", pa.array(ids))
    assert source(tmp_path, late("2"), data, "name").schema.id_column == "name"
    ids[5] = ids[6]
    double = source(tmp_path, late("2"), table().append_column("name", pa.array(ids)), "name")
    assert double.schema.id_column == "row_id" and "row_id" not in {one.name for one in double.schema.features}
    assert "does not tell all rows apart" in double.notes[0]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: arriving("sometimes:5"), "random:5"),
        (lambda: arriving("share:1.5"), "share:0.05"),
        (lambda: late("soon"), "batches such as 5"),
        (lambda: positive_class({"no": 5, "yes": 2}, "maybe"), "no class of the first batches"),
        (lambda: positive_class({"no": 5}, ""), "two classes"),
    ],
)
def test_what_cannot_be_is_told_with_what_was_expected(made, told):
    """Unknown schedules, shares and ages out of range, and classes that are not there."""
    with pytest.raises(WrongUse, match=told):
        made()


def test_times_are_needed_for_labels_that_come_at_a_time(tmp_path):
    """A delay by the clock without a time column, and a column that holds none, are told."""
    pq.write_table(table(), tmp_path / "history.parquet")
    settings = ModelSettings(data_dir="d", task="classification", target="y")
    for times, told in ((late("2d"), "--time COLUMN"), (LabelTimes("column", column="nothing"), "no column")):
        with pytest.raises(WrongUse, match=told):
            read_source([tmp_path / "history.parquet"], settings, BATCHES, tmp_path, INITIAL, times=times)


def test_declared_columns_need_not_name_when_labels_came(tmp_path):
    """The service never sees that column, so that its configuration does not have it; it is read from the history."""
    pq.write_table(table(), tmp_path / "history.parquet")
    settings = ModelSettings(
        data_dir="d", task="classification", target="y", time_column="at",
        columns={"at": "datetime", "x": "number", "y": "category"},
    )  # fmt: skip
    times = LabelTimes("column", column="told")
    read = read_source([tmp_path / "history.parquet"], settings, BATCHES, tmp_path, INITIAL, times=times)
    assert [column.name for column in read.schema.features] == ["x"]
    assert read.schema.column("told").kind == "datetime"


def test_a_label_is_known_once_the_newest_event_is_as_late():
    """Times between the batches' newest events, at one, never, and after the last."""
    clock, times = [10.0, 20.0, 30.0], np.array([5.0, 5.0, 5.0, 5.0, 8.0])
    assert places(np.array([0, 5, 6, np.inf, 30]), 0, times, clock).tolist() == [0, 0, 1, -1, -1]
    assert places(np.array([0, 1, np.inf]), 1, None, range(3)).tolist() == [1, 2, -1]
