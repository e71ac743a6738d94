"""Data files of every kind and every badness: good rows become a snapshot, the rest costs a clear message."""

import gzip
import json
import math
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learning import run

from daemon.reading import sql
from daemon.reading.digest import file_digest
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from retrain.records.errors import Refused
from retrain.records.schema import declared_schema
from retrain.records.settings import ModelSettings

COLUMNS = {"x": "number", "n": "integer", "b": "boolean", "c": "category", "t": "datetime", "y": "category"}
HEADER = "x,n,b,c,t,y\n"
GOOD = "1.5,3,true,red,2024-01-01T00:00:00Z,no\n"
OTHER = "2.5,4,false,blue,2024-01-02 10:00:00+02:00,yes\n"
JSON_ROW = '{"x":1.5,"n":3,"b":true,"c":"red","t":"2024-01-01T00:00:00Z","y":"no"}\n'


def taken(folder: Path, name: str, data: str | bytes, columns: Any = COLUMNS, **settings: Any) -> dict[str, Any]:
    """Take a file of these bytes in."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    told = {"data_dir": "d", "task": "classification", "target": "y", "columns": columns} | settings
    parsed = ModelSettings.model_validate(told)
    schema = declared_schema(parsed)
    return run(
        take,
        {
            "path": str(path), "schema": schema.to_json() if schema else None,
            "settings": parsed.model_dump(mode="json"), "work": str(folder / "work"),
        },
    )  # fmt: skip


def refusal(folder: Path, name: str, data: str | bytes, **settings: Any) -> str:
    """Why a file is refused."""
    with pytest.raises(Refused) as caught:
        taken(folder, name, data, **settings)
    assert list((folder / "work").glob("*.raw.parquet")) == []
    return str(caught.value)


def rows_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The snapshot's rows."""
    return pq.read_table(result["snapshot"]).to_pylist()


def reasons(result: dict[str, Any]) -> list[tuple[Any, Any, str]]:
    """Line, column and reason of each reject."""
    return [(r["line"], r["column"], r["reason"]) for r in result["rejects"]]


def gz(data: bytes) -> bytes:
    """Compressed, the same bytes at any time."""
    return gzip.compress(data, mtime=0)


def zstd(data: str) -> bytes:
    """Compressed."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data.encode())
    return sink.getvalue().to_pybytes()


def parquet(table: pa.Table) -> bytes:
    """As a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", HEADER + GOOD + OTHER),
        ("a.csv.gz", gz((HEADER + GOOD + OTHER).encode())),
        ("a.csv.zst", zstd(HEADER + GOOD + OTHER)),
        ("a.csv", (HEADER + GOOD + OTHER).replace(",", ";")),
        ("a.csv", (HEADER + GOOD + OTHER).replace(",", "\t")),
        ("a.csv", "\ufeff" + HEADER + GOOD + OTHER),
        ("a.csv", (HEADER + GOOD + OTHER).replace("\n", "\r\n")),
        ("a [*?].csv", HEADER + GOOD + OTHER),
        ("a b\n☂.csv", HEADER + GOOD + OTHER),
        ("a.jsonl", JSON_ROW + '{"y":"yes","t":"2024-01-02T08:00:00","c":"blue","b":false,"n":4,"x":2.5}\n'),
        ("a.ndjson", JSON_ROW + '{"y":"yes","t":1704182400,"c":"blue","b":"false","n":"4","x":"2.5"}\n'),
        ("a.jsonl.gz", gz((JSON_ROW + '{"y":"yes","t":"2024-01-02T08:00:00","c":"blue","b":false,"n":4,"x":2.5}').encode())),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path, name, data):
    """CSV of any usual delimiter, compressed or not, and JSON lines: the same typed rows, times in UTC."""
    result = taken(tmp_path, name, data)
    first, second = rows_of(result)
    assert (first["x"], first["n"], first["b"], first["c"], first["y"]) == (1.5, 3, True, "red", "no")
    assert (second["x"], second["n"], second["b"], second["c"], second["y"]) == (2.5, 4, False, "blue", "yes")
    assert (first["t"].isoformat(), second["t"].isoformat()) == ("2024-01-01T00:00:00", "2024-01-02T08:00:00")
    assert (result["rows"], result["labelled_rows"], result["class_rows"]) == (2, 2, {"no": 1, "yes": 1})


def test_parquet_types_are_cast_and_misfits_set_aside(tmp_path):
    """Whole floats are integers, 0 and 1 are booleans, numbers are Unix seconds; what does not fit is a reject."""
    table = pa.table(
        {
            "x": [1, 2, None], "n": [1.0, 2.5, math.nan], "b": [1, 0, 1], "c": pa.array(["u", "v", "u"]).dictionary_encode(),
            "t": [1704067200, None, 1704067201], "y": ["a", "b", None],
        }
    )  # fmt: skip
    result = taken(tmp_path, "a.parquet", parquet(table))
    assert reasons(result) == [(2, "n", "2.5 is not a whole number")]
    assert [row["n"] for row in rows_of(result)] == [1, None]
    assert result["labelled_rows"] == 1


def test_column_order_does_not_matter_and_extra_columns_are_ignored(tmp_path):
    """Columns are matched by name."""
    result = taken(tmp_path, "a.csv", "y,t,extra,c,b,n,x\nno,2024-01-01,9,red,true,3,1.5\n")
    assert rows_of(result)[0]["x"] == 1.5
    assert result["quality"]["extra_columns"] == ["extra"]


def test_a_file_without_the_target_is_valid_and_unlabelled(tmp_path):
    """Rows without a label are taken in."""
    result = taken(tmp_path, "a.csv", "x,n,b,c,t\n1.5,3,true,red,2024-01-01\n")
    assert (result["kind"], result["rows"], result["labelled_rows"]) == ("rows", 1, 0)


def test_a_file_of_id_and_target_is_labels(tmp_path):
    """Labels that come later are recognised by their columns."""
    columns = {"id": "category", "x": "number", "y": "category"}
    result = taken(tmp_path, "a.csv", "id,y\n1,no\n2,yes\n", columns, id_column="id")
    assert (result["kind"], result["rows"]) == ("labels", 2)


def test_bad_rows_are_told_by_line_column_and_reason(tmp_path):
    """Each bad row of a CSV is set aside; the good ones stay."""
    bad = "z,3,true,red,2024-01-01,no\n1,3.7,true,red,2024-01-01,no\n1,3,true\n1,2,true,a,2024-01-01,no,9\n1,2,true,a,soon,no\n"
    result = taken(tmp_path, "a.csv", HEADER + GOOD * 3 + bad + GOOD * 4)
    assert result["rows"] == 7
    assert reasons(result) == [
        (5, "x", "'z' is not a number"),
        (6, "n", "3.7 is not a whole number"),
        (7, None, "the row has 3 values; expected 6"),
        (8, None, "the row has 7 values; expected 6"),
        (9, "t", "'soon' is not a date and time such as 2024-05-01T12:00:00Z"),
    ]
    told = [json.loads(line) for line in Path(result["quarantine"]).read_text("utf-8").splitlines()]
    assert [entry["line"] for entry in told] == [5, 6, 7, 8, 9]


def test_bad_lines_of_json_are_told(tmp_path):
    """Lines that are no objects and values that do not fit are set aside by line."""
    bad = "\nnot json\n[1]\n" + JSON_ROW.replace("3,", "3.7,") + JSON_ROW.replace("1.5", '"a"')
    result = taken(tmp_path, "a.jsonl", JSON_ROW * 4 + bad)
    assert [reason[:2] for reason in reasons(result)] == [(6, None), (7, None), (8, "n"), (9, "x")]
    assert result["rows"] == 4


def test_nan_and_infinities_are_missing_and_counted(tmp_path):
    """No infinity reaches a model; how many there were is told."""
    rows = "inf,3,true,red,2024-01-01,no\n-inf,3,true,red,2024-01-01,no\nNaN,,,,,\n"
    result = taken(tmp_path, "a.csv", HEADER + GOOD + rows)
    assert [row["x"] for row in rows_of(result)] == [1.5, None, None, None]
    assert result["quality"]["columns"]["x"] == {"missing": 3, "infinite": 2, "constant": True}


def test_quality_counts_what_is_odd(tmp_path):
    """Duplicate rows, missing values, unseen categories, values out of range, constant columns, future times."""
    columns = {
        "x": {"type": "number", "min": 0, "max": 1}, "c": {"type": "category", "categories": ["a", "b"]},
        "k": "integer", "t": "datetime", "y": "category",
    }  # fmt: skip
    data = "x,c,k,t,y\n0.5,a,7,2024-01-01,no\n0.5,a,7,2024-01-01,no\n2,z,7,2999-01-01,yes\n-1,,7,2024-01-03,no\n"
    quality = taken(tmp_path, "a.csv", data, columns, time_column="t")["quality"]
    assert (quality["rows"], quality["duplicate_rows"], quality["future_times"]) == (4, 1, 1)
    assert quality["columns"] == {
        "x": {"out_of_range": 2},
        "c": {"missing": 1, "unseen": 1, "unseen_values": ["z"]},
        "k": {"constant": True},
    }


def test_a_missing_value_where_none_may_be_is_a_reject(tmp_path):
    """A column that is not nullable rejects the row."""
    columns = {"x": {"type": "number", "nullable": False}, "y": "category"}
    result = taken(tmp_path, "a.csv", "x,y\n1,a\n,b\n2,a\n", columns)
    assert reasons(result) == [(3, "x", "is missing")]


def test_latin_1_is_read_and_told_and_a_mixture_is_set_aside(tmp_path):
    """A file that is not UTF-8 is read as the encoding of Windows, and says so; where other lines are UTF-8, the bytes
    that are not are set aside with the key that would read them."""
    latin = GOOD.replace("red", "café").encode("latin-1")
    result = taken(tmp_path, "a.csv", HEADER.encode() + 2 * GOOD.encode() + latin)
    assert rows_of(result)[2]["c"] == "café"
    assert 'encoding = "cp1252"' in result["quality"]["notes"][0]
    mixed = taken(tmp_path, "a.csv", HEADER.encode() + 2 * GOOD.replace("red", "grün").encode() + latin)
    assert mixed["rows"] == 2 and 'encoding = "latin-1"' in mixed["rejects"][0]["reason"]


def test_wrong_types_in_parquet_refuse_the_file(tmp_path):
    """A list where a number belongs cannot be cast."""
    table = pa.table({"x": [[1]], "n": [1], "b": [1], "c": ["a"], "t": [1], "y": ["a"]})
    assert "column 'x' is of type list" in refusal(tmp_path, "a.parquet", parquet(table))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\n\n", "the file is empty"),
        ("a.csv", HEADER, "header and no rows"),
        ("a.csv", "a,b\n1,2\n", "columns are missing: x, n, c, t"),
        ("a.csv", (HEADER + GOOD).replace(",", "#"), "columns are missing"),
        ("a.csv", HEADER.replace("x", "X") + GOOD, "did 'X' mean 'x'?"),
        ("a.csv", HEADER.replace("n,", "x,", 1) + GOOD, "twice"),
        ("a.csv", HEADER + GOOD + GOOD.replace("red", '"red') + GOOD * 5, "line 3: a quote is opened and never closed"),
        ("a.csv", HEADER + GOOD + "z,z,z,z,z,z\n" * 3, "3 of 4 rows are bad (75%); the first: line 3, column x"),
        ("a.csv", bytes(range(256)) * 40, "columns are missing"),
        ("a.csv.gz", gz((HEADER + GOOD * 500).encode())[:-15], "gzip"),
        ("a.csv.gz", b"this is not gzip at all", "gzip"),
        ("a.csv.zst", b"this is not zstd at all", "zstd"),
        ("a.parquet", b"PAR1 and then nonsense", "cannot be read as Parquet"),
        ("a.parquet", parquet(pa.table({"x": list(range(1000))}))[:500], "cannot be read as Parquet"),
        ("a.jsonl", "nonsense\nmore\n", "no line is a JSON object"),
        ("a.jsonl", '{"x": 1}\n', "columns are missing"),
    ],
)  # fmt: skip
def test_a_file_beyond_repair_is_refused_with_its_reason(tmp_path, name, data, told):
    """The message says what is wrong; nothing half-made is left behind."""
    message = refusal(tmp_path, name, data)
    assert told in message


def test_a_file_above_the_limit_is_refused(tmp_path):
    """limits.max_file protects the disk."""
    assert "limits.max_file" in refusal(tmp_path, "a.csv", HEADER + GOOD * 100, limits={"max_file": 100})


@pytest.mark.parametrize("columns_of_numbers", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_thousands_of_columns_are_taken_in(tmp_path, columns_of_numbers):
    """A very wide file is slow, not fatal."""
    names = [f"c{i}" for i in range(columns_of_numbers)]
    columns = dict.fromkeys(names, "number") | {"y": "category"}
    row = ",".join(["1.5"] * columns_of_numbers) + ",a\n"
    result = taken(tmp_path, "a.csv", ",".join(names) + ",y\n" + row * 5, columns)
    assert result["rows"] == 5 and len(pq.read_schema(result["snapshot"]).names) == columns_of_numbers + 2


def test_the_same_file_gives_the_same_snapshot(tmp_path):
    """A snapshot's name is the digest of its bytes: taken twice, it is the same; of other rows, another."""
    results = [taken(tmp_path, "a.csv", HEADER + GOOD + rest) for rest in (OTHER, OTHER, "")]
    digests = [result["snapshot_digest"] for result in results]
    assert digests[0] == digests[1] != digests[2] == file_digest(results[2]["snapshot"])


def test_a_schema_is_inferred_once_from_the_values(tmp_path):
    """Leading zeros are codes, yes and no are words, what numbers or names the rows is no feature, and why is told."""
    lines = [
        f"{i},{i / 7},0{1000 + i},{'yes' if i % 2 else 'no'},2024-01-{1 + i % 28:02d},{i % 3 == 0},name {i}"
        for i in range(400)
    ]
    data = "n,x,zip,y,t,b,who\n" + "\n".join(lines) + "\n"
    result = taken(tmp_path, "a.csv", data, columns=None)
    kinds = {c["name"]: (c["kind"], c["feature"]) for c in result["schema"]["columns"]}
    assert kinds == {
        "n": ("integer", False), "x": ("number", True), "zip": ("category", False), "y": ("category", True),
        "t": ("datetime", True), "b": ("boolean", True), "who": ("category", False),
    }  # fmt: skip
    assert result["inferred"] and rows_of(result)[0]["zip"] == "01000"
    assert list(result["not_learned"]) == ["n", "zip", "who"] and "steps of 1" in result["not_learned"]["n"]


def test_sentences_are_inferred_as_text_and_stored(tmp_path):
    """By the rule of `compare`: long and mostly distinct; short names of their own stay categories."""
    lines = [f"a,{'' if i == 3 else f'parcel {i} arrived broken and late'},n{i}" for i in range(400)]
    data = "y,note,who\n" + "\n".join(lines) + "\n"
    result = taken(tmp_path, "a.csv", data, columns=None)
    assert {c["name"]: c["kind"] for c in result["schema"]["columns"]} == {
        "y": "category", "note": "text", "who": "category",
    }  # fmt: skip
    assert [row["note"] for row in rows_of(result)[2:4]] == ["parcel 2 arrived broken and late", None]


def test_lines_that_end_in_different_ways_are_read(tmp_path):
    """One LF among CR LF does not cost the file."""
    data = (HEADER + GOOD * 20).replace("\n", "\r\n") + GOOD + GOOD.replace("\n", "\r\n") * 20
    assert taken(tmp_path, "a.csv", data)["rows"] == 41
    assert taken(tmp_path, "a.csv.gz", gz(data.encode()))["rows"] == 41


@pytest.mark.parametrize("quoted", ["a\nb", "a\r\nb", "a\rb"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_end_in_a_quoted_value_is_no_other_beside_a_bad_row(tmp_path, end, quoted):
    """One row of too few values costs no other, and no value, however the lines end."""
    lines = ["x,c,y", f'1,"{quoted}",no', "2", "3,red,yes", ""]
    columns = {"x": "number", "c": "category", "y": "category"}
    result = taken(tmp_path, "a.csv", end.join(lines), columns, intake={"max_reject_share": 0.5})
    assert [row["c"] for row in rows_of(result)] == [quoted, "red"]
    assert [reason for _, _, reason in reasons(result)] == ["the row has 1 values; expected 3"]


def test_a_misspelt_target_is_hinted_at(tmp_path):
    """Rows without a label are valid, but this looks like a mistake."""
    result = taken(tmp_path, "a.csv", "x,Label\n1,a\n", {"x": "number", "label": "category"}, target="label")
    assert (result["labelled_rows"], "did 'Label' mean it?" in result["quality"]["hint"]) == (0, True)


def test_a_name_that_is_no_text_is_read(tmp_path):
    """Bytes that are no UTF-8 in the file's name."""
    import os

    assert taken(tmp_path, os.fsdecode(b"raw\xff.csv"), HEADER + GOOD)["rows"] == 1


def test_large_integers_keep_every_digit(tmp_path):
    """Beyond 2**53 a float would lose some."""
    result = taken(tmp_path, "a.csv", "n,y\n9007199254740993,a\n-1,b\n", {"n": "integer", "y": "category"})
    assert [row["n"] for row in rows_of(result)] == [9007199254740993, -1]


def test_files_share_a_database_and_nothing_in_it(tmp_path: Path) -> None:
    """Each connection has reject tables of its own and the zone UTC, and one can be had after the database broke."""
    (tmp_path / "a.csv").write_text("x\nno number\n")
    read = (
        f"SELECT * FROM read_csv('{tmp_path}/a.csv', columns = {{'x': 'DOUBLE'}}, header = true, store_rejects = true)"
    )
    first, second = sql.connect(), sql.connect()
    first.execute(read).fetchall()
    second.execute(read).fetchall()
    assert first.execute("SELECT count(*) FROM reject_errors").fetchall() == [(1,)]
    sql._database().close()
    assert sql.connect().execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_declared_classes_bind_files_of_rows_and_of_labels(tmp_path):
    """A label that is none of them sets its row aside, with a reason that names both; a missing one does not."""
    classes = {"type": "category", "categories": ["no", "yes"]}
    columns = {"id": "category", "x": "number", "y": classes}
    rows = "id,x,y\n" + "".join(f"{i},1,{y}\n" for i, y in enumerate(["no", "yes", "", "maybe", "YES", "no", "no"]))
    result = taken(tmp_path, "a.csv", rows, columns, id_column="id")
    assert (result["rows"], result["labelled_rows"], result["class_rows"]) == (5, 4, {"no": 3, "yes": 1})
    assert reasons(result) == [
        (5, "y", "'maybe' is none of the declared classes no, yes"),
        (6, "y", "'YES' is none of the declared classes no, yes; 'yes' was likely meant: only case or blanks differ"),
    ]
    labels = taken(tmp_path, "b.csv", "id,y\n1,yes\n2,no\n3,Yes\n", columns, id_column="id")
    assert (labels["kind"], labels["class_rows"]) == ("labels", {"yes": 1, "no": 1})
    assert "'Yes' is none of the declared classes" in labels["rejects"][0]["reason"]
    frame = pa.table({"id": ["1", "2"], "x": [1.0, 2.0], "y": ["no", "never"]})
    assert taken(tmp_path, "c.parquet", parquet(frame), columns, id_column="id")["rejected"] == 1


def test_equal_numbers_and_truths_are_one_class(tmp_path):
    """However they are written, and as the known classes are where these mean the same."""
    columns = {"x": "number", "y": "category"}
    text = "x,y\n1,0.0\n2,1.0\n3,0\n4,1\n5,007\n"
    assert taken(tmp_path, "a.csv", text, columns)["class_rows"] == {"0": 2, "1": 2, "007": 1}
    truths = "x,y\n1,True\n2,true\n3,FALSE\n"
    assert taken(tmp_path, "b.csv", truths, columns)["class_rows"] == {"true": 2, "false": 1}
    settings = ModelSettings(data_dir="d", task="classification", target="y", columns=columns)
    request = {"path": tmp_path / "a.csv", "schema": declared_schema(settings), "settings": settings}
    known = take(TakeRequest(**request, work=tmp_path / "work", classes=("0.0", "1.0")))
    assert known.class_rows == {"0.0": 2, "1.0": 2, "007": 1}
    declared = columns | {"y": {"type": "category", "categories": ["0.0", "1.0", "007"]}}
    assert taken(tmp_path, "a.csv", text, declared)["class_rows"] == {"0.0": 2, "1.0": 2, "007": 1}


def far_moments(unit: str) -> pa.Array:
    """A moment of ours, then the first of the year 10000 and one far before the year 1."""
    per_second = {"ms": 10**3, "us": 10**6}[unit]
    return pa.array([0, 253_402_300_800 * per_second, -70_000_000_000 * per_second], pa.timestamp(unit))


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "x,t,y\n1,2020-01-01T00:00:00,no\n2,12000-01-01T00:00:00,no\n3,infinity,no\n"),
        ("a.jsonl", '{"x":1,"t":0,"y":"no"}\n{"x":2,"t":1e18,"y":"no"}\n{"x":3,"t":-1e18,"y":"no"}\n'),
        ("a.parquet", parquet(pa.table({"x": [1, 2, 3], "t": far_moments("ms"), "y": ["no"] * 3}))),
        ("b.parquet", parquet(pa.table({"x": [1, 2, 3], "t": far_moments("us"), "y": ["no"] * 3}))),
        ("c.parquet", parquet(pa.table({"x": [1, 2, 3], "t": pa.array([0, 2**30, -(2**30)], pa.date32()), "y": ["no"] * 3}))),
    ],
)  # fmt: skip
def test_moments_outside_of_the_years_1_to_9999_cost_their_rows(tmp_path, name, data, declared):
    """The file was delayed for ever: Python knows no such moments."""
    is_told = declared or name.endswith("jsonl")  # there they are numbers, unless somebody says that they are moments
    columns = {"x": "number", "t": "datetime", "y": "category"} if is_told else None
    result = taken(tmp_path, name, data, columns, time_column="t", intake={"max_reject_share": 0.9})
    assert [row["x"] for row in rows_of(result)] == [1.0]
    assert [reject["column"] for reject in result["rejects"]] == ["t", "t"]
    if name.endswith(("csv", "parquet")):
        assert {reject["reason"] for reject in result["rejects"]} == {"is outside of the years 1 to 9999"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "x,X,y\n1,2,no\n"),
        ("a.jsonl", '{"x":1,"X":2,"y":"no"}\n'),
        ("a.parquet", parquet(pa.table([[1], [2], ["no"]], ["x", "X", "y"]))),
    ],
)
def test_columns_that_differ_by_case_alone_are_named(tmp_path, name, data):
    """DuckDB takes them for one, and said so in words of its own."""
    assert "columns 'x' and 'X' differ by case alone; rename one" in refusal(tmp_path, name, data, columns=None)


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.csv", "y,x\0z\nno,1\n"), ("a.jsonl", '{"x\\u0000z":2,"y":"no"}\n'),
     ("a.parquet", parquet(pa.table([["no"], [2]], ["y", "x\0z"])))],
)  # fmt: skip
def test_a_column_whose_name_has_the_character_nul_is_named(tmp_path, name, data):
    """DuckDB cuts it off there, and then there was no column of that name."""
    assert "the name of a column has the character NUL" in refusal(tmp_path, name, data, columns=None)


def test_of_columns_that_differ_by_case_alone_one_may_be_declared(tmp_path):
    """In Parquet and JSON lines the other one is an extra column."""
    table = pa.table([[1, 2], [3, 4], ["no", "yes"]], ["x", "X", "y"])
    for name, data in (("a.parquet", parquet(table)), ("a.jsonl", '{"x":1,"X":3,"y":"no"}\n{"x":2,"X":4,"y":"yes"}\n')):
        result = taken(tmp_path, name, data, {"x": "number", "y": "category"})
        assert [row["x"] for row in rows_of(result)] == [1.0, 2.0]


@pytest.mark.parametrize("neighbour", [b"\xff.csv", b"\xff?[x].csv", b"a[x].csv"])
@pytest.mark.parametrize("name", ["*?[x].csv", "a.[x].csv", "?.jsonl"])
def test_a_name_is_no_pattern_that_finds_neighbours(tmp_path, neighbour, name):
    """A neighbour whose name is no valid text made a file be refused."""
    with (tmp_path / os.fsdecode(neighbour)).open("w") as file:
        file.write("x,y\n9,no\n")
    data = JSON_ROW if name.endswith("jsonl") else HEADER + GOOD
    assert taken(tmp_path, name, data)["rows"] == 1
    assert not list((tmp_path / "work").glob("*.source*"))


def test_line_ends_and_encodings_that_are_not_read_are_named(tmp_path):
    """What is wrong is the file's form, and the way out is to save it otherwise."""
    assert "its lines end in CR alone; save it" in refusal(tmp_path, "a.csv", (HEADER + GOOD).replace("\n", "\r"))
    for name, data in (("b.csv", HEADER + GOOD), ("b.jsonl", JSON_ROW)):
        assert "is a text in UTF-32; save it as UTF-8" in refusal(tmp_path, name, data.encode("utf-32"))


def test_a_row_of_the_far_future_is_not_how_new_a_file_is(tmp_path: Path) -> None:
    """It is counted as odd, and the file's newest row is another one: labels become final, and files old, by that."""
    future = GOOD.replace("2024", "2099")
    result = taken(tmp_path, "a.csv", HEADER + GOOD + future + OTHER, time_column="t")
    assert (result["first_time"], result["last_time"]) == (1704067200.0, 1704182400.0)
    assert result["quality"]["future_times"] == 1


@pytest.mark.parametrize(
    ("versions", "expected"),
    [(["1", "2", "2"], ("2", 2)), (["2", "1", "2", "1"], ("1", 2)), (["1", "1", ""], ("1", 2))],
)
def test_a_file_is_of_the_version_that_predicted_most(
    tmp_path: Path, versions: list[str], expected: tuple[str, int] | None
) -> None:
    """Of a model that another system serves: the last row decides nothing but a tie, and a missing version is none."""
    data = "x,y,said,by\n" + "".join(f"{n},a,b,{version}\n" for n, version in enumerate(versions))
    columns = {"x": "number", "y": "category", "said": "category", "by": "category"}
    more = {"served": "elsewhere", "prediction_column": "said", "version_column": "by"}
    quality = taken(tmp_path, "a.csv", data, columns, **more)["quality"]
    found = (quality["served_version"], quality["served_rows"]) if "served_version" in quality else None
    assert found == expected
