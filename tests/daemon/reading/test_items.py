"""Files of items: the same catalogue from every format, and what is wrong with one is told."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.reading.operations import TakeRequest, TakeResult
from daemon.reading.take import take
from retrain.recommendation.catalogue_file import read_catalogue
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings

SETTINGS = ModelSettings.model_validate({
    "data_dir": "d", "task": "recommendation", "user_column": "who", "item_column": "what", "time_column": "at",
})  # fmt: skip


def taken(path: Path, *chosen: Path) -> TakeResult:
    work = path.parent / "work"
    return take(TakeRequest(path=path, schema=None, settings=SETTINGS, work=work, items=True, chosen=chosen))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


CSV = "what,available,genre,price\n007,true,War|Drama,2.50\n8,no,,3\n9,,Drama,\n"
JSON = (
    '{"what":"007","available":true,"genre":["War","Drama"],"price":"2.50"}\n'
    '{"what":8,"available":false,"genre":[],"price":3}\n{"what":"9","genre":"Drama"}\n'
)


@pytest.mark.parametrize(("name", "text"), [("items.csv", CSV), ("items.jsonl", JSON)])
def test_the_catalogue_of_texts(tmp_path: Path, name: str, text: str) -> None:
    """Lists, or values between bars, are several values; an item is available unless its row says no; ids stay text."""
    result = taken(written(tmp_path, name, text))
    found = read_catalogue(result.snapshot)
    assert (result.kind, result.rows, result.labelled_rows, result.rejected) == ("items", 3, 0, 0)
    assert found.items.tolist() == ["007", "8", "9"]
    assert found.available.tolist() == [True, False, True]
    assert sorted(found.attributes["genre"].of(0)) == ["Drama", "War"]
    assert [found.attributes["price"].of(place) for place in range(3)] == [("2.50",), ("3",), ()]
    assert "1 item of 3 is not available" in result.quality["notes"]


def test_the_catalogue_of_parquet(tmp_path: Path) -> None:
    """Whole numbers stay whole where they are floats, lists are several values."""
    table = pa.table(
        {"what": [7.0, 8.0], "available": [True, None], "genre": [["War", "Drama"], None], "year": [2001, None]}
    )
    pq.write_table(table, tmp_path / "items.parquet")
    found = read_catalogue(taken(tmp_path / "items.parquet").snapshot)
    assert found.items.tolist() == ["7", "8"]
    assert found.available.tolist() == [True, True]
    assert sorted(found.attributes["genre"].of(0)) == ["Drama", "War"]
    assert found.attributes["year"].of(0) == ("2001",)


def test_bad_rows_are_told_and_the_last_row_of_an_item_counts(tmp_path: Path) -> None:
    """A row without an item, and one whose availability is neither true nor false, with their lines."""
    text = "what,available\na,true\n,true\nb,maybe\na,false\nc,1\n"
    result = taken(written(tmp_path, "items.csv", text))
    assert [(one["line"], one["column"]) for one in result.rejects] == [(3, "what"), (4, "available")]
    assert read_catalogue(result.snapshot).available.tolist() == [False, True]
    assert "1 item came twice; the last row of each counts" in result.quality["notes"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,available\na,true\n", "the items file has no column 'what'"),
        ("what,available\n", "no rows"),
        ("what,available\na,soon\nb,later\nc,true\n", "2 of 3 rows are bad"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str, reason: Any) -> None:
    """The one that was known before stays."""
    with pytest.raises(Refused, match=reason):
        taken(written(tmp_path, "items.csv", text))


def test_a_file_that_would_empty_all_lists_is_refused(tmp_path: Path) -> None:
    """Where it has none of the items that people choose, ids are written otherwise: what was known stays. One that lacks
    most of them is taken in, and says so."""
    pq.write_table(pa.table({"what": ["sku-7", "sku-8", "sku-9", None]}), tmp_path / "events.parquet")
    wrong, few = written(tmp_path, "wrong.csv", "what\n7\n8\n"), written(tmp_path, "few.csv", "what\nsku-7\nother\n")
    with pytest.raises(Refused, match=r"none of the 3 items of the newest events .* 'sku-7', the file's like '7'"):
        taken(wrong, tmp_path / "events.parquet")
    told = taken(few, tmp_path / "events.parquet").quality["notes"]
    assert "2 of 3 items of the newest events are not listed, and not recommended any more" in told
    assert taken(wrong).rows == 2
