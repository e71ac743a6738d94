"""A file of a few kilobytes costs what they cost, whatever they stand for."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.reading import batches as bounded
from daemon.reading import csv, sql
from daemon.reading.batches import LONGEST_CELL, batches
from daemon.reading.digest import digest
from daemon.reading.formats import SAMPLE_ROWS, kind_of
from daemon.reading.measure import first_rows
from daemon.reading.operations import DigestRequest, TakeRequest
from daemon.reading.take import take
from retrain.operations import to_json
from retrain.records.errors import Refused
from retrain.records.schema import declared_schema
from retrain.records.settings import ModelSettings

COLUMNS = {"x": "number", "c": "category", "y": "category"}
MOST_MB = 600
"""Resident memory of the process that takes a file, libraries included."""
CHILD = """
import json, sys
from pathlib import Path
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from retrain.operations import from_json
from retrain.records.errors import Refused
try:
    reason = f"{take(from_json(json.loads(sys.argv[1]), TakeRequest)).rows} rows"
except Refused as error:
    reason = str(error)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([reason, int(peak.split()[1]) // 1024]))
"""


def request(path: Path, declared: bool = True) -> TakeRequest:
    """To take a file in."""
    told: dict[str, Any] = {"data_dir": "d", "task": "classification", "target": "y"}
    settings = ModelSettings.model_validate(told | ({"columns": COLUMNS} if declared else {}))
    return TakeRequest(path=path, schema=declared_schema(settings), settings=settings, work=path.parent / "work")


def table(count: int, texts: Any) -> pa.Table:
    """Rows with these texts."""
    return pa.table({"x": np.arange(float(count)), "c": texts, "y": ["no", "yes"] * (count // 2)})


def repeated(text: str, count: int) -> Any:
    """One text in a dictionary, so many times."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([text]))


@pytest.mark.parametrize("declared", [True, False])
def test_a_long_text_in_a_dictionary_takes_no_memory_for_each_row(tmp_path, declared):
    """Sixty rows of a text of 50 MB are a file of 3 kB, and took 4.8 GB."""
    path = tmp_path / "a.parquet"
    pq.write_table(table(60, repeated("a" * 50_000_000, 60)), path, compression="zstd")
    assert path.stat().st_size < 5_000
    asked = json.dumps(to_json(request(path, declared)))
    done = subprocess.run([sys.executable, "-c", CHILD, asked], capture_output=True, text=True, check=True)
    reason, peak_mb = json.loads(done.stdout)
    assert "a text of 50,000,000 bytes; at most" in reason
    assert peak_mb < MOST_MB


def test_short_rows_under_many_columns_take_no_memory_for_what_they_lack(tmp_path):
    """DuckDB keeps a kilobyte for each missing value: 20 kB of such rows below three hundred columns took 2.5 GB."""
    path = tmp_path / "a.csv"
    path.write_text(",".join([*(f"c{number}" for number in range(300)), "y"]) + "\n" + "1\n" * 10_000)
    asked = json.dumps(to_json(request(path, declared=False)))
    done = subprocess.run([sys.executable, "-c", CHILD, asked], capture_output=True, text=True, check=True)
    reason, peak_mb = json.loads(done.stdout)
    assert "10,000 of 10,000 rows are bad (100%); the first: line 2: the row has 1 values; expected 301" in reason
    assert peak_mb < MOST_MB


def test_a_compressed_page_that_stands_for_far_more_is_refused_by_the_footer(tmp_path):
    """It would be decompressed whole before its first row is known."""
    path = tmp_path / "a.parquet"
    pq.write_table(table(300, ["a" * LONGEST_CELL] * 300), path, compression="zstd", use_dictionary=False)
    for declared in (True, False):
        with pytest.raises(Refused, match=r"column 'c' has 300,\d+,\d+ bytes, over 200 times .* smaller row groups"):
            take(request(path, declared))


def test_a_row_with_too_long_a_text_is_set_aside(tmp_path):
    """The others are taken, each under the number that it has in the file."""
    texts = ["a", "b" * (LONGEST_CELL + 1), None, "c" * LONGEST_CELL, "d", "e"]
    for name, written in (("a", pa.array(texts)), ("b", pa.array(texts).dictionary_encode())):
        pq.write_table(table(6, written), tmp_path / f"{name}.parquet")
        result = take(request(tmp_path / f"{name}.parquet"))
        assert pq.read_table(result.snapshot).column("x").to_pylist() == [0.0, 2.0, 3.0, 4.0, 5.0]
        assert [(one["line"], one["column"]) for one in result.rejects] == [(2, "c")]


@pytest.mark.parametrize("coded", [True, False])
def test_batches_are_bounded_in_bytes_and_lose_no_row(tmp_path, monkeypatch, coded):
    """Also where all the long rows are together."""
    monkeypatch.setattr(bounded, "BATCH_BYTES", 10_000)
    texts = pa.array(["a"] * 50 + ["b" * 3_000] * 50 + [None] * 50)
    pq.write_table(table(150, texts), tmp_path / "a.parquet", use_dictionary=coded)
    made = list(batches(tmp_path / "a.parquet", ["x", "c"], []))
    assert [row for batch in made for row in batch.column("__row").to_pylist()] == list(range(1, 151))
    assert [text for batch in made for text in batch.column("c").to_pylist()] == texts.to_pylist()
    assert max(sum(len(text or "") for text in batch.column("c").to_pylist()) for batch in made) < 20_000


def test_a_file_that_is_too_large_is_refused_before_it_is_hashed(tmp_path):
    """A sparse file of 100 GB is made in no time, and read for minutes."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(10**11)
    with pytest.raises(Refused, match=r"the file has 100,000,000,000 bytes; limits.max_file is 50,000,000,000"):
        digest(DigestRequest(path=path, most_bytes=50 * 10**9, recent=True))


def test_what_takes_more_memory_than_the_reader_may_have_is_refused(tmp_path, monkeypatch):
    """Its limit is the same each time: the file was tried again for ever."""
    monkeypatch.setattr("daemon.reading.sql.MEMORY", "20MB")
    lines = "".join(f'{n},"{str(n) * 100_000}",no\n' for n in range(100, 200))
    (tmp_path / "a.csv").write_text("x,c,y\n" + lines)
    from daemon.reading import sql

    sql.release()
    try:
        with pytest.raises(Refused, match="write it in smaller files"):
            take(request(tmp_path / "a.csv", declared=False))
    finally:
        sql.release()


def limited(path: Path, **limits: Any) -> TakeRequest:
    """To take a file in within other limits."""
    asked = request(path)
    settings = asked.settings.model_dump()
    return TakeRequest(
        path=path, schema=asked.schema, work=asked.work,
        settings=ModelSettings.model_validate(settings | {"limits": settings["limits"] | limits}),
    )  # fmt: skip


ROWS = b"x,c,y\n" + b"1.5,a,no\n2.5,b,yes\n" * 500


@pytest.mark.parametrize(
    ("name", "content", "limits", "told"),
    [
        ("a.csv", ROWS, {"max_plain": 9_000}, "has 9,506 bytes of text; limits.max_plain is 9,000"),
        (
            "a.csv.gz",
            gzip.compress(ROWS, mtime=0),
            {"max_plain": 9_000},
            "has over 9,000 bytes of text; limits.max_plain is 9,000",
        ),
        ("a.csv", ROWS, {"max_cells": 2_999}, "more than 2,999 cells, which limits.max_cells is"),
        (
            "a.csv.gz",
            gzip.compress(b"x,c,y\n" + b"a" * 70_000_000, mtime=0),
            {},
            "64 MB of text have 1 lines; at least 512",
        ),
    ],
)
def test_a_file_that_costs_more_than_it_may_is_refused_by_the_keys_name(tmp_path, name, content, limits, told):
    """Before anything is made of it, where its bytes or lines tell."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as caught:
        take(limited(tmp_path / name, **limits))
    assert told in str(caught.value)


def test_a_file_within_its_limits_is_taken(tmp_path):
    """Up to the last byte and cell."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(ROWS))
    assert take(limited(tmp_path / "a.csv.gz", max_plain=len(ROWS), max_cells=3_000)).rows == 1_000


def test_of_long_texts_fewer_rows_tell_what_the_columns_are(tmp_path):
    """A sample of 50,000 of them would fill the memory."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x,c,y\n" + (b"1," + b"a" * 100_000 + b",no\n") * 700, 1))
    assert first_rows(path, kind_of(path)) < 700
    short = tmp_path / "b.csv"
    short.write_bytes(ROWS)
    assert first_rows(short, kind_of(short)) == SAMPLE_ROWS


def test_objects_with_keys_of_their_own_are_refused(tmp_path):
    """Each key would be a column: ten thousand of them in 256 kB took five gigabytes."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({f"k{number}": 1, "y": "no"}) + "\n" for number in range(2_500)))
    with pytest.raises(Refused, match=r"more than 2,000 different keys.*write what varies as a value"):
        take(request(path, declared=False))


def test_of_many_columns_each_is_looked_at_in_a_small_group(tmp_path, monkeypatch):
    """A query costs time for each column of its table: four thousand took forty seconds, twice as many four times that.
    Which groups they are in changes nothing."""
    from daemon.reading import first_rows as groups

    names = [f"c{number}" for number in range(50)]
    cells = [["1", "2.5", "x", "true", "2024-01-01"][number % 5] for number in range(50)]
    lines = [",".join([*cells, label]) for label in ["no", "yes"] * 10]
    (tmp_path / "a.csv").write_text("\n".join([",".join([*names, "y"]), *lines]))
    pq.write_table(
        pa.table({name: [cells[n]] * 20 for n, name in enumerate(names)} | {"y": ["no", "yes"] * 10}),
        tmp_path / "a.parquet",
    )
    found = []
    for columns in (7, 1_000):
        monkeypatch.setattr(groups, "GROUP_COLUMNS", columns)
        found.append([take(request(tmp_path / f"a.{ending}", declared=False)).schema for ending in ("csv", "parquet")])
    assert found[0] == found[1]
    assert [column.kind for column in found[0][0].columns[:5]] == [
        "integer",
        "number",
        "category",
        "boolean",
        "datetime",
    ]


def test_a_file_of_many_columns_is_written_a_few_rows_at_a_time(tmp_path, monkeypatch):
    """DuckDB's own writer would take 150 kB for each column; the rows are the same."""
    path = tmp_path / "a.csv"
    path.write_text("x,c,y\n" + "".join(f"{i},{'ab'[i % 2]},yes\n" for i in range(50)))
    usual = pq.read_table(take(request(path)).snapshot)
    monkeypatch.setattr(csv, "MANY_COLUMNS", 2)
    monkeypatch.setattr(csv, "CELLS", 30)
    parts: list[int] = []
    write = csv._write
    monkeypatch.setattr(csv, "_write", lambda tables, target: write(map(counting(parts), tables), target))
    assert pq.read_table(take(request(path)).snapshot).equals(usual)
    assert sum(parts) == 50 and len(parts) > 2


def counting(parts: list[int]):
    """Tables as they are, their lengths noted."""

    def note(table):
        parts.append(table.num_rows)
        return table

    return note


def test_a_file_of_nothing_but_line_ends_has_no_rows(tmp_path, monkeypatch):
    """However many buffers they fill."""
    monkeypatch.setattr(csv, "LONGEST_LINE", 2**16)
    monkeypatch.setattr(csv, "BUFFER_BYTES", 2**17)
    path = tmp_path / "a.csv"
    path.write_bytes(b"x,c,y\n" + b"\n" * 2**19)
    with pytest.raises(Refused, match="a header and no rows"):
        take(request(path, declared=False))


def test_what_does_not_fit_into_memory_is_written_to_the_work_folder(tmp_path, monkeypatch):
    """And not where the process stands, which may be read-only, as a container's root is: not even where one file after
    another is taken by the same process."""
    sql.release()
    here, work = tmp_path / "here", tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    pq.write_table(pa.table({"x": [1.0, 2.0], "c": ["a", "b"], "y": ["n", "p"]}), tmp_path / "a.parquet")
    try:
        for _ in range(2):
            take(request(tmp_path / "a.parquet"))
            connection = sql.connect()
            connection.execute("SET memory_limit = '30MB'")
            connection.execute(
                "CREATE TEMP TABLE t AS SELECT hash(i)::VARCHAR || hash(i + 1)::VARCHAR FROM range(1000000) r(i)"
            )
            assert list(here.iterdir()) == [] and list((work / "spill").iterdir()) != []
            connection.close()
    finally:
        sql.release()
