"""The log of events that snapshots give: a set, whatever the order of files, with where each event came from."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_logs import DAY_MS, interactions, log

from retrain.operations import AcceptedFile
from retrain.recommendation.log import EventLog, read_log
from retrain.records.errors import Retry
from retrain.records.schema import event_schema
from retrain.records.settings import ModelSettings

ARRAYS = ("users", "items", "user", "item", "time_ms", "weight")


def settings(**more: Any) -> ModelSettings:
    named = {"user_column": "who", "item_column": "what", "time_column": "at"}
    return ModelSettings.model_validate({"data_dir": "data", "task": "recommendation", **named, **more})


def accepted(folder: Path, seq: int, table: pa.Table) -> AcceptedFile:
    path = folder / f"{seq}.parquet"
    moments = (table["at"].combine_chunks().cast(pa.int64()).to_numpy() * 1_000_000).astype("datetime64[us]")
    pq.write_table(table.set_column(table.column_names.index("at"), "at", pa.array(moments)), path)
    return AcceptedFile(seq=seq, snapshot=path, digest="", rows=table.num_rows)


def read(files: list[AcceptedFile], **more: Any) -> EventLog:
    return read_log(files, event_schema(settings(**more)), settings(**more))


def test_the_log_is_the_set_of_all_events_in_any_order_of_files(tmp_path: Path) -> None:
    """Files that overlap count their events once; the first one brought them."""
    table = log()
    cuts = [(1, 0, 600), (2, 400, 1000), (3, 900, 1500)]
    files = [accepted(tmp_path, seq, table.slice(start, end - start)) for seq, start, end in cuts]
    whole, found = interactions(table), read(files)
    backwards = read(files[::-1])
    for name in ARRAYS:
        assert np.array_equal(getattr(found.events, name), getattr(whole, name))
        assert np.array_equal(getattr(found.events, name), getattr(backwards.events, name))
    assert np.array_equal(found.seq, backwards.seq)
    assert int(found.brought_by([1]).sum()) == len(interactions(table.slice(0, 600)))
    assert [span.seq for span in found.spans] == [1, 2, 3]


def test_values_and_types_of_events_weigh(tmp_path: Path) -> None:
    """An event whose value is missing or not positive teaches nothing, one whose type has a weight counts so much."""
    table = pa.table({
        "who": list("abcde"), "what": ["x"] * 5, "at": [1, 2, 3, 4, 5], "stars": [5.0, 1.0, None, 4.0, 5.0],
        "kind": ["buy", "buy", "view", None, "gone"],
    })  # fmt: skip
    more = {
        "value_column": "stars",
        "positive": 4.0,
        "event_column": "kind",
        "event_weights": {"buy": 5.0, "gone": 0.0},
    }
    found = read([accepted(tmp_path, 1, table)], **more)
    assert found.events.weight.tolist() == [5000, 0, 0, 1000, 0]


def test_a_unit_is_the_time_between_files_within_bounds(tmp_path: Path) -> None:
    """The median time between the ends of files; at most a sixth of the log, where files are few."""
    table = log(events=30_000, users=300)
    edges = np.linspace(0, 30_000, 21).astype(int)
    files = [
        accepted(tmp_path, seq, table.slice(start, end - start))
        for seq, (start, end) in enumerate(pairwise(edges), start=1)
    ]
    assert read(files).unit_ms == pytest.approx(DAY_MS, rel=0.2)
    assert read(files[:1]).unit_ms < DAY_MS / 4
    assert read([]).unit_ms == 1.0


def test_a_few_odd_times_do_not_make_a_log_longer(tmp_path: Path) -> None:
    """Dates of 1970, which stand for unknown ones, leave the unit of half-lives as it is."""
    table = log(1500)
    at = table["at"].to_numpy().copy()
    at[::50] = 0
    odd = table.set_column(table.column_names.index("at"), "at", pa.array(at))
    units = [read([accepted(tmp_path, seq, one)]).unit_ms for seq, one in enumerate((table, odd))]
    assert units[1] == pytest.approx(units[0], rel=0.1)


def test_a_snapshot_from_before_a_column_was_named_is_left_out_and_told(tmp_path: Path) -> None:
    """What cannot be read by today's configuration takes part no more; a snapshot that is gone is tried again."""
    table = log(200)
    files = [accepted(tmp_path, 1, table), accepted(tmp_path, 2, table.rename_columns(["user", "what", "at"]))]
    found = read(files)
    assert len(found.spans) == 1
    assert "file 2 is left out: it has no column 'who'" in found.notes[0]
    files[0].snapshot.unlink()
    with pytest.raises(Retry):
        read(files)
