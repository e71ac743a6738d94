"""Files of events: ids stay text, times are moments in whatever form they come, and what is odd is told."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from daemon.reading.operations import TakeRequest, TakeResult
from daemon.reading.take import take
from retrain.records.errors import Refused, WrongUse
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

START_S = 1_700_000_000


def settings(**more: Any) -> ModelSettings:
    named = {"user_column": "who", "item_column": "what", "time_column": "at"}
    return ModelSettings.model_validate({"data_dir": "data", "task": "recommendation", **named, **more})


def taken(path: Path, schema: Schema | None = None, **more: Any) -> TakeResult:
    return take(TakeRequest(path=path, schema=schema, settings=settings(**more), work=path.parent / "work"))


def lines(folder: Path, *rows: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def snapshot(result: TakeResult) -> dict[str, list[Any]]:
    return dict(pq.read_table(result.snapshot).to_pydict())


def test_a_snapshot_holds_the_named_columns_and_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    """Ids that look like numbers, with leading zeros, are text; other columns are not kept."""
    result = taken(lines(tmp_path, "at,who,what,price", f"{START_S},007,10,1.5", f"{START_S + 1},12,0010,2"))
    found = snapshot(result)
    assert (found["who"], found["what"]) == (["007", "12"], ["10", "0010"])
    assert set(found) == {"who", "what", "at", "__row"}
    assert (result.rows, result.labelled_rows, result.kind, result.inferred) == (2, 2, "rows", True)
    assert result.first_time == START_S


@pytest.mark.parametrize(
    "written",
    [
        str(START_S), f"{START_S}000", f"{START_S}000000", f"{START_S}000000000", f"{START_S}.0", "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20", "2023-11-14T23:13:20+01:00",
    ],
)  # fmt: skip
def test_times_mean_the_same_however_they_are_written(tmp_path: Path, written: str) -> None:
    """Seconds, milliseconds, micro- and nanoseconds and ISO 8601 give the same moment, in CSV and in JSON lines, in the
    first file and in one that is read by the schema of another."""
    first = taken(lines(tmp_path, "at,who,what", "2023-11-14 22:13:20,a,x"))
    for schema in (None, first.schema):
        by_csv = taken(lines(tmp_path, "at,who,what", f"{written},a,x"), schema)
        value: Any = json.loads(written) if written.replace(".", "").isdigit() else written
        line = json.dumps({"at": value, "who": "a", "what": "x"})
        by_json = taken(lines(tmp_path, line, name="events.jsonl"), schema)
        assert by_csv.first_time == by_json.first_time == START_S


def test_parquet_times_of_any_type_mean_the_same(tmp_path: Path) -> None:
    """Whole numbers, floats and timestamps of Parquet are one moment."""
    moments = [
        pa.array([START_S]), pa.array([START_S * 1000]), pa.array([float(START_S)]),
        pa.array([START_S * 10**9]).cast(pa.timestamp("ns")), pa.array([START_S]).cast(pa.timestamp("s", "Asia/Tokyo")),
    ]  # fmt: skip
    for moment in moments:
        path = tmp_path / "events.parquet"
        pq.write_table(pa.table({"who": pa.array([1]), "what": pa.array([2.0]), "at": moment}), path)
        result = taken(path)
        assert result.first_time == START_S
        assert snapshot(result)["what"] == ["2"]


def test_events_without_user_item_or_time_or_from_tomorrow_are_quarantined(tmp_path: Path) -> None:
    """One event far ahead would make all others old; each bad row is told with its line."""
    ahead = round(time.time()) + 10 * 86_400
    good = [f"{START_S + second},a,x" for second in range(10)]
    result = taken(
        lines(tmp_path, "at,who,what", *good, f"{START_S},,x", f"{START_S},a,", ",a,x", f"{ahead},a,x", "soon,a,x")
    )
    assert (result.rows, result.rejected) == (10, 5)
    assert [reject["line"] for reject in result.rejects] == [12, 13, 14, 15, 16]
    assert "lies more than a day ahead" in result.rejects[3]["reason"]
    assert result.last_time == START_S + 9


def test_a_file_without_the_item_column_is_refused(tmp_path: Path) -> None:
    """It is no file of unlabelled rows."""
    first = taken(lines(tmp_path, "at,who,what", f"{START_S},a,x"))
    with pytest.raises(Refused, match="a column is missing: what"):
        taken(lines(tmp_path, "at,who,thing", f"{START_S},a,x"), first.schema)


def test_a_first_file_without_a_named_column_or_without_times_is_wrong_use(tmp_path: Path) -> None:
    """The message names the setting and the columns that there are."""
    with pytest.raises(WrongUse, match=r"event_column 'kind' is no column; .*the file has at, who, what"):
        taken(lines(tmp_path, "at,who,what", f"{START_S},a,x"), event_column="kind")
    with pytest.raises(Refused, match="time_column 'at' holds no times"):
        taken(lines(tmp_path, "at,who,what", "red,a,x", "blue,b,y"))


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    """Milliseconds, repeated events, rows out of order, and one account with a tenth of all events; a busy person among
    busy people is none."""
    rng = np.random.default_rng(1)
    users = [f"u{one}" for one in rng.integers(0, 300, 1800)] + ["bot"] * 200
    at = 1000 * (START_S + np.arange(2000))
    table = pa.table({"at": at, "who": users, "what": [f"i{one}" for one in rng.integers(0, 50, 2000)]})
    table = pa.concat_tables([table, table.slice(0, 3)])
    pcsv.write_csv(table, tmp_path / "events.csv")
    result = taken(tmp_path / "events.csv")
    events = result.quality["events"]
    assert (events["repeated_events"], events["late_rows"]) == (3, 3)
    assert list(events["outlandish_accounts"]) == ["bot"]
    told = "; ".join(result.quality["notes"])
    assert "2,003 numbers too large for seconds" in told
    assert "account 'bot' has 10% of the events" in told
    assert "3 rows out of order" in told


def nested_line(place: int, **more: Any) -> str:
    """A line as web shops write them: ids within objects."""
    line = {"at": START_S + place, "customer": {"id": place % 3, "country": "DE"}, "product": {"id": f"p{place}"}}
    return json.dumps(line | more)


NESTED = {"user_column": "customer.id", "item_column": "product.id"}


def test_a_field_of_an_object_is_a_column_by_its_dotted_name(tmp_path: Path) -> None:
    """In the first file and in later ones; a key with a dot in its name is read all the same, as posted events are
    written."""
    first = taken(lines(tmp_path, *map(nested_line, range(6)), name="a.jsonl"), **NESTED)
    found = snapshot(first)
    assert (found["customer.id"], found["product.id"]) == (list("012012"), [f"p{one}" for one in range(6)])
    flat = json.dumps({"customer.id": "9", "product.id": "p9", "at": START_S})
    later = taken(lines(tmp_path, nested_line(7), flat, name="b.jsonl"), first.schema, **NESTED)
    assert snapshot(later)["customer.id"] == ["1", "9"]


def test_objects_and_lists_are_no_ids(tmp_path: Path) -> None:
    """The message names the field that looks like an id; a list has to be taken apart. A title in brackets is a
    title, and one odd row is one odd row."""
    columns = {"user_column": "customer", "item_column": "product.id"}
    rows = lines(tmp_path, *map(nested_line, range(6)), name="a.jsonl")
    with pytest.raises(Refused, match=r"user_column 'customer' holds objects") as refused:
        taken(rows, **columns)
    assert 'user_column = "customer.id"' in refused.value.hint
    with pytest.raises(Refused, match="holds lists") as refused:
        taken(
            lines(tmp_path, nested_line(1, product=["a", "b"]), name="c.jsonl"), **(NESTED | {"item_column": "product"})
        )
    assert "one row for each element" in refused.value.hint
    with pytest.raises(Refused, match="holds objects"):
        table = pa.table({"who": [{"id": 1}], "what": ["a"], "at": [START_S]})
        pq.write_table(table, tmp_path / "a.parquet")
        taken(tmp_path / "a.parquet")
    odd = ["at,who,what", *(f"{START_S + one},u,[REC] {one}" for one in range(200)), f'{START_S},u,"[1, 2]"']
    result = taken(lines(tmp_path, *odd))
    assert (result.rows, [one["reason"] for one in result.rejects]) == (200, ["is an object or a list, no id"])


def test_a_renamed_column_is_told_by_the_settings_that_name_it(tmp_path: Path) -> None:
    """A recommendation has no table of columns to change."""
    first = taken(lines(tmp_path, "at,who,what", f"{START_S},a,x"))
    with pytest.raises(Refused, match="a column is missing: who") as refused:
        taken(lines(tmp_path, "at,user_id,what", f"{START_S},a,x"), first.schema)
    assert "user_column" in refused.value.hint
