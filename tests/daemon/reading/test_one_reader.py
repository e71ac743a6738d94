"""The intake and `compare` read a file alike: the same kinds, the same values, the same rows left out."""

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.reading.layout import Layout
from daemon.reading.operations import TakeRequest
from daemon.reading.tabular import open_table
from daemon.reading.take import take
from daemon.tools.init import look_at
from drift.profiles.categorical import Codes
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.rows.columns import column_values

Content = str | bytes | pa.Table
SECONDS = 1714557600.0
"""2024-05-01T10:00:00Z"""


def written(folder: Path, name: str, content: Content) -> Path:
    """The content as a file."""
    path = folder / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def plain(values: Any) -> list[Any]:
    """Values as Python's, None where missing."""
    if isinstance(values, Codes):
        return [None if code < 0 else values.names[code] for code in values.codes]
    return [None if value != value else float(value) for value in values]


def by_intake(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """Kind and values by column, of a first file that is taken in; an integer is a number."""
    settings = ModelSettings(data_dir="d", task="classification", target="y")
    taken = take(TakeRequest(path=path, schema=None, settings=settings, work=path.parent / "work"))
    snapshot = pq.read_table(taken.snapshot)
    kinds = {column.name: column.kind for column in taken.schema.columns}
    read = {name: "category" if kind == "text" else kind for name, kind in kinds.items()}
    return {
        name: ("number" if kind == "integer" else kind, plain(column_values(snapshot.column(name), read[name])))
        for name, kind in kinds.items()
    }


def by_compare(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """Kind and values by column, as `compare` reads a reference."""
    table = open_table(path, path.parent / "converted.parquet")
    return {name: (table.kinds[name], plain(table.values(name))) for name in table.names}


SENTENCES = [f"order {i} arrived broken and late" for i in range(4)]
CASES: list[tuple[str, Content, dict[str, tuple[str, list[Any]]]]] = [
    ("quotes.csv", 'y,q\na,"1,5"\nb,"he said ""x"""\n', {"q": ("category", ["1,5", 'he said "x"'])}),
    ("mark.csv", "\ufeffy;x\na;1\nb;2\n", {"x": ("number", [1.0, 2.0])}),
    ("commas.csv", "y;x\na;1,5\nb;2,5\n", {"x": ("number", [1.5, 2.5])}),
    ("dash.csv", "y,x\na,1\nb,-\n", {"x": ("number", [1.0, None])}),
    ("codes.csv", "y,x\na,01234\nb,00002\n", {"x": ("category", ["01234", "00002"])}),
    ("numbers.csv", "y,x\na, 1.5\nb,1e3\n", {"x": ("number", [1.5, 1000.0])}),
    ("large.csv", "y,x\na,9007199254740993\nb,2\n", {"x": ("number", [2.0**53, 2.0])}),
    ("huge.csv", "y,x\na,123456789012345678901\nb,2\n", {"x": ("number", [123456789012345678901.0, 2.0])}),
    ("infinite.csv", "y,x\na,inf\nb,2\n", {"x": ("number", [None, 2.0])}),
    ("truths.csv", "y,x,w\na,true,yes\nb,FALSE,no\n", {
        "x": ("boolean", ["true", "false"]), "w": ("category", ["yes", "no"]),
    }),
    ("moments.csv", "y,t,u\na,2024-05-01T12:00:00+02:00,2024/05/01\nb,2024-05-01 10:00:00,2024/05/01\n", {
        "t": ("datetime", [SECONDS, SECONDS]), "u": ("datetime", [SECONDS - 36_000, SECONDS - 36_000]),
    }),
    ("german.csv", "y,t\na,01.05.2024\nb,02.05.2024\n", {"t": ("datetime", [SECONDS - 36_000, SECONDS + 50_400])}),
    ("empty.csv", "y,x,w\na,,NA\nb,,null\n", {"x": ("category", [None, None]), "w": ("category", [None, None])}),
    ("unnamed.csv", "y,\na,1\nb,2\n", {"column 2": ("number", [1.0, 2.0])}),
    ("latin.csv", "y,x\na,café\nb,tea\n".encode("latin-1"), {"x": ("category", ["café", "tea"])}),
    ("short.csv", "y,x,z\na,1,2\nb,1\na,1,2,3\na,4,5\n", {"x": ("number", [1.0, 4.0]), "z": ("number", [2.0, 5.0])}),
    ("ends.csv", b"y,x\r\na,1\nb,2\r\n", {"x": ("number", [1.0, 2.0])}),
    ("texts.csv", "y,x\n" + "".join(f"a,{text}\n" for text in SENTENCES), {"x": ("text", SENTENCES)}),
    ("mixed.jsonl", '{"y":"a","x":1,"m":1,"l":[1,2],"o":{"p":1}}\n{"y":"b","x":2.5,"m":"w","l":[3],"o":{"p":2}}\n', {
        "x": ("number", [1.0, 2.5]), "m": ("category", ["1", "w"]), "l": ("category", ["[1,2]", "[3]"]),
        "o": ("category", ['{"p":1}', '{"p":2}']),
    }),
    ("bad.jsonl", '{"y":"a","x":true}\nno object\n[1]\n\n{"y":"b","x":false}\n', {"x": ("boolean", ["true", "false"])}),
    ("dates.jsonl", '{"y":"a","t":"2024/05/01","s":"2024-05-01T10:00:00Z"}\n{"y":"b","t":"2024-5-1","s":null}\n', {
        "t": ("datetime", [SECONDS - 36_000] * 2), "s": ("datetime", [SECONDS, None]),
    }),
    ("texts.jsonl", '{"y":"a","x":"1","z":"007","e":null}\n{"y":"b","x":"2","z":"008","e":null}\n', {
        "x": ("category", ["1", "2"]), "z": ("category", ["007", "008"]), "e": ("category", [None, None]),
    }),
    ("late.jsonl", '{"y":"a"}\n' * 1500 + '{"y":"b","x":3}\n', {"x": ("number", [None] * 1500 + [3.0])}),
    ("types.parquet", pa.table({
        "y": ["a", "b"], "d": pa.array(["u", None]).dictionary_encode(), "m": [Decimal("230.42"), Decimal("2.50")],
        "n": pa.array([0, 10**9], pa.timestamp("ns")), "z": pa.array([0, 10**6], pa.timestamp("us", "Europe/Berlin")),
        "f": [float("nan"), float("inf")], "b": [True, None], "e": pa.nulls(2), "w": pa.array([2**63, 2], pa.uint64()),
        "day": [dt.date(1970, 1, 2), None], "clock": [dt.time(1), dt.time(2)], "raw": [b"p", b"q"],
    }), {
        "d": ("category", ["u", None]), "m": ("number", [230.42, 2.5]), "n": ("datetime", [0.0, 1.0]),
        "z": ("datetime", [0.0, 1.0]), "f": ("number", [None, None]), "b": ("boolean", ["true", None]),
        "e": ("category", [None, None]), "w": ("number", [2.0**63, 2.0]), "day": ("datetime", [86_400.0, None]),
        "clock": ("category", ["01:00:00.000000", "02:00:00.000000"]), "raw": ("category", ["p", "q"]),
    }),
    ("texts.parquet", pa.table({
        "y": ["a", "b"], "x": ["1", "2"], "d": pa.array(["1.5", "2"]).dictionary_encode(), "t": ["2024/05/01", None],
    }), {
        "x": ("category", ["1", "2"]), "d": ("category", ["1.5", "2"]), "t": ("datetime", [SECONDS - 36_000, None]),
    }),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "expected"), CASES, ids=[name for name, *_ in CASES])
def test_a_file_is_read_alike_by_the_intake_and_by_compare(
    tmp_path: Path, name: str, content: Content, expected: dict[str, tuple[str, list[Any]]]
) -> None:
    """Every column has the same kind and values, and they are these."""
    path = written(tmp_path, name, content)
    taken = by_intake(path)
    assert by_compare(path) == taken
    assert {column: taken[column] for column in expected} == expected


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("open.csv", 'y,x\na,"abc\nb,2\n', "a quote is opened and never closed"),
        ("twice.csv", "y,x,x\na,1,2\n", "names a column twice: x"),
        ("nul.csv", "y,a\0b\nu,1\n", r"the name of a column has the character NUL.*: a\\x00b"),
        ("cut.csv.gz", gzip.compress(b"y,rows,\0", mtime=0), "the name of a column has the character NUL"),
        ("none.jsonl", "[1]\n2\n", "no line is a JSON object"),
        ("pages.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("packed.csv.gz", b"not packed", "is no valid gzip file"),
    ],
)
def test_a_file_is_refused_alike(tmp_path: Path, name: str, content: Content, told: str) -> None:
    """With the same words."""
    path = written(tmp_path, name, content)
    for read in (by_intake, by_compare):
        with pytest.raises(Refused, match=told):
            read(path)


def test_a_list_of_numbers_is_no_number(tmp_path: Path) -> None:
    """Its type is not that of its items; the intake refuses such a column, `compare` reads it as JSON."""
    path = written(tmp_path, "lists.parquet", pa.table({"y": ["a", "b"], "l": [[Decimal("1.5")], None]}))
    with pytest.raises(Refused, match="expected text"):
        by_intake(path)
    assert by_compare(path)["l"] == ("category", ['["1.5"]', None])


@pytest.mark.parametrize("name", ["b.csv", "b.jsonl", "b.parquet"])
def test_what_does_not_fit_the_reference_is_missing_and_counted(tmp_path: Path, name: str) -> None:
    """In each format, however often the column is read; a fraction in a column of whole numbers fits."""
    values = ["1", "oops", "2.5", None, "inf"]
    contents: dict[str, Content] = {
        "b.csv": "x\n" + "".join(f"{value or 'NA'}\n" for value in values),
        "b.jsonl": "".join(f'{{"x":"{value}"}}\n' if value else '{"x":null}\n' for value in values),
        "b.parquet": pa.table({"x": values}),
    }
    reference = open_table(written(tmp_path, "a.csv", "x\n1\n2\n"), tmp_path / "a.parquet")
    table = open_table(written(tmp_path, name, contents[name]), tmp_path / "converted", reference.layout)
    assert plain(table.values("x")) == plain(table.values("x")) == [1.0, None, 2.5, None, None]
    table.note_misfits("x")
    assert table.notes == ["1 value of x is no number; it counts as missing"]


def test_a_type_that_holds_no_such_values_is_all_missing(tmp_path: Path) -> None:
    """Dates where the reference has numbers: no crash, and counted."""
    path = written(tmp_path, "b.parquet", pa.table({"x": pa.array([1, None], pa.timestamp("us"))}))
    table = open_table(path, tmp_path / "unused", Layout({"x": "number"}))
    assert plain(table.values("x")) == [None, None] and table.misfits == {"x": 1}


def test_damaged_pages_cost_a_message(tmp_path: Path) -> None:
    """The columns of a file whose end is whole and whose middle is not are refused, with the file's path."""
    path = written(tmp_path, "a.parquet", pa.table({"x": [float(n) for n in range(5000)]}))
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 200 + data[204:])
    with pytest.raises(Refused, match=r"a\.parquet: cannot be read as Parquet"):
        open_table(path, tmp_path / "unused").values("x")


def test_init_infers_as_the_intake_does(tmp_path: Path) -> None:
    """A target of many codes with leading zeros is a category: its values are no numbers to either."""
    rows = "".join(f"{position / 7},{position:04}\n" for position in range(60))
    assert look_at(written(tmp_path, "a.csv", "x,y\n" + rows), "y").task == "classification"
    assert look_at(written(tmp_path, "b.csv", "x,y\n" + rows.replace(",", ",1")), "y").task == "regression"
