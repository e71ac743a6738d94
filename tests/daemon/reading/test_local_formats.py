"""Numbers, dates and missing values as people write them: found by a file's texts, applied to it, never guessed in
silence."""

import datetime as dt
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.reading.clean import clean
from daemon.reading.local_formats.findings import Finding
from daemon.reading.local_formats.found import Columns, Found, find_formats
from daemon.reading.local_formats.numbers import NUMBER, WITH_UNIT, number_in, numbers_of
from daemon.reading.local_formats.shapes import LONGEST, shape, shape_sql, shapes_of
from daemon.reading.misread import advice_on
from daemon.reading.operations import TakeRequest, TakeResult
from daemon.reading.sql import connect, literal
from daemon.reading.take import take
from daemon.tools.compare import compare
from daemon.tools.init import look_at
from retrain.records.errors import Refused
from retrain.records.formats import PLAIN, Formats
from retrain.records.schema import Schema, declared_schema
from retrain.records.settings import IntakeSettings, ModelSettings

GERMAN = Formats(",", ".", ("%d.%m.%Y",), ("-",), currency=("€",))


def taken(path: Path, target: str = "y", schema: Schema | None = None, **more: Any) -> TakeResult:
    """Take a file in, inferring its schema where none is given."""
    values = {"data_dir": "d", "task": "classification", "target": target} | more
    settings = ModelSettings.model_validate(values)
    declared = declared_schema(settings) or schema
    return take(TakeRequest(path=path, schema=declared, settings=settings, work=path.parent / "work"))


def column(result: TakeResult, name: str) -> list[Any]:
    """The values of a snapshot's column."""
    return pq.read_table(result.snapshot).column(name).to_pylist()


def kinds(result: TakeResult) -> dict[str, str]:
    """The kind of each column."""
    return {one.name: one.kind for one in result.schema.columns}


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    """The text as a file."""
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def table(*columns: Sequence[object], delimiter: str = ",") -> str:
    """Lines of a CSV of columns that begin with their names, each value quoted."""
    return "".join(delimiter.join(f'"{value}"' for value in row) + "\n" for row in zip(*columns, strict=True))


# --- pure: what texts tell --------------------------------------------------------------------------------------


def found(delimiter: str = ",", **columns: Sequence[str]) -> Found:
    """What a file of these columns of numbers is."""
    numbers = {name: numbers_of(shapes_of(texts)) for name, texts in columns.items()}
    assert None not in numbers.values()
    return find_formats(Columns({n: c for n, c in numbers.items() if c}, {}, delimiter=delimiter), IntakeSettings())


@pytest.mark.parametrize(
    ("columns", "decimal", "thousands", "level"),
    [
        ({"x": ["1,5", "0,25"]}, ",", "", "understood"),
        ({"x": ["1.234,5"]}, ",", ".", "understood"),
        ({"x": ["1,234.5"]}, ".", ",", "understood"),
        ({"x": ["1 234,5", "7"]}, ",", " ", "understood"),
        ({"x": ["1'234.50"]}, ".", "'", "understood"),
        ({"x": ["12,34,567.5"]}, ".", ",", "understood"),
        ({"km": ["144.020", "1.234.567"]}, ",", ".", "understood"),  # two points: no decimals
        ({"km": ["144.020", "98.500", "950"]}, ",", ".", "understood"),  # where 98.500 keeps its zeros, 950 has none
        ({"km": ["144.020", "98.500"], "x": ["1,5"]}, ",", ".", "understood"),  # as another column says
        ({"km": ["144.020", "98.500"], "x": ["1.5"]}, ".", "", "understood"),
        ({"km": ["0.125", "144.020"]}, ".", "", "understood"),  # 0.125 is in no groups
        ({"km": ["144.020", "1500.125"]}, ".", "", "understood"),
        ({"km": ["144.020", "98.500"]}, ".", "", "assumed"),
        ({"x": ["1,234", "5,678"]}, ".", ",", "assumed"),
    ],
)
def test_marks_are_told_by_what_a_column_and_the_others_say(
    columns: dict[str, list[str]], decimal: str, thousands: str, level: str
) -> None:
    """A point or comma is for decimals or for thousands by evidence; where there is none, that is told."""
    result = found(**columns)
    assert (result.formats.decimal, result.formats.thousands) == (decimal, thousands)
    first = next(iter(columns))
    assert [one.level for one in result.findings if one.column == first] in (
        [level],
        [] if level != "assumed" else None,
    )


def test_semicolons_make_an_ambiguous_point_one_of_thousands_and_say_so() -> None:
    """Programs separate columns by semicolons where the comma is the decimal mark; still it is an assumption."""
    result = found(";", km=["144.020", "98.500"])
    assert (result.formats.decimal, result.formats.thousands, result.kinds["km"]) == (",", ".", "integer")
    (told,) = result.findings
    assert told.level == "assumed"
    assert '"144.020" is read as 144020' in str(told) or '"98.500" is read as 98500' in str(told)
    assert 'set decimal = "."' in str(told)


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "12"],  # codes
        ["$5", "€5"],  # of two currencies there is no sum
        ["12 %", "0.12"],
        ["192.168.100.101", "192.168.100.102"],  # addresses
        ["1.23", "1.234.567"],
        ["(5", "6"],
        ["5 km"],
    ],
)
def test_what_only_looks_like_numbers_is_none(texts: list[str]) -> None:
    """Codes, addresses, mixtures and units are left as text."""
    assert numbers_of(shapes_of(texts)) is None


@pytest.mark.parametrize("text", ["9{}x", "({}x", "- $ {}x", "9 €{}x", "9 %{}x", "-{0}${0}9{0}x", "9{}km"])
def test_blanks_in_a_text_are_matched_in_one_pass(text: str) -> None:
    """Whoever writes a cell must not decide how long it takes: twice the blanks take no eight times the steps."""
    spent = [0.001]
    for blanks in (100, 200, 400):
        begin = time.process_time()
        for pattern in (NUMBER, WITH_UNIT):
            pattern.fullmatch(text.format(" " * blanks))
        spent.append(max(time.process_time() - begin, 0.001))
    assert spent[3] < 6 * spent[2] and spent[2] < 6 * spent[1]


def test_long_texts_are_no_numbers_and_no_dates() -> None:
    """However long they are, they are told by their length: no pattern sees them, in Python as in SQL."""
    long = "9" * (LONGEST + 1)
    assert number_in(long) is None and number_in(long[1:]) is not None
    shapes = shapes_of(["1,5", "9" * 100_000])
    assert max(map(len, shapes)) == LONGEST + 1 and numbers_of(shapes) is None
    assert advice_on([f"'{'9' * 5000}' is not a date"], PLAIN) == ""


def test_shapes_in_sql_are_those_of_python() -> None:
    """Both paths to a shape give the same."""
    texts = ["1.234,50 €", "0.5", "007", "0", "-0,10", "(12.00)", "31.12.2020", "a", "1 000", "10.500 km"]
    query = "SELECT " + ", ".join(shape_sql(literal(text)) for text in texts)
    assert list(connect().execute(query).fetchone() or ()) == [shape(text) for text in texts]


@pytest.mark.parametrize(
    ("kind", "formats", "texts", "values", "bad"),
    [
        ("number", GERMAN, ["1.234,56 €", "-0,5", "- 1,5", " 7 ", "-", None], [1234.56, -0.5, -1.5, 7.0, None, None], []),
        ("number", GERMAN, ["1.5", "12.34,5", "1,2,3", "x"], [None] * 4, [0, 1, 2, 3]),
        ("integer", GERMAN, ["144.020", "950", "1,5"], [144020, 950, None], [2]),
        ("integer", Formats(thousands=","), ["9,007,199,254,740,993"], [9007199254740993], []),
        ("number", Formats(",", " "), ["1 234,5", "1\u202f234", "1\u00a0234"], [1234.5, 1234.0, 1234.0], []),
        ("number", Formats(thousands=",", currency=("$",), accounting=True), ["($1,234.50)", "$5-", "-$3", "(5", "--5"],
         [-1234.5, -5.0, -3.0, None, None], [3, 4]),
        ("number", Formats(",", percent=True), ["12,5 %", "3%", "1,5E+03"], [12.5, 3.0, 1500.0], []),
        ("datetime", GERMAN, ["31.12.2025", "1.2.2025 13:45", "2025-12-31", "31.02.2025", "31.12.25"],
         [dt.datetime(2025, 12, 31), dt.datetime(2025, 2, 1, 13, 45), dt.datetime(2025, 12, 31), None, None], [3, 4]),
        ("datetime", Formats(date_format=("%m/%d/%Y",)), ["12/31/2025", "1/2/2025 1:05:10 PM", "31/12/2025"],
         [dt.datetime(2025, 12, 31), dt.datetime(2025, 1, 2, 13, 5, 10), None], [2]),
        ("category", GERMAN, ["1.234,56 €", "-"], ["1.234,56 €", None], []),
    ],
)  # fmt: skip
def test_texts_are_read_by_the_formats_and_by_nothing_else(
    kind: Any, formats: Formats, texts: list[Any], values: list[Any], bad: list[int]
) -> None:
    """What is in the formats is read to the last digit; what is not is a misfit, never another number."""
    cleaned = clean(pa.array(texts, pa.string()), "x", kind, formats)
    assert cleaned.values.to_pylist() == values
    assert cleaned.bad.nonzero()[0].tolist() == bad


# --- files ------------------------------------------------------------------------------------------------------


def bank_export() -> bytes:
    """As German banks write them: in the encoding of Windows, with lines about the account above the header."""
    above = '"Kontonummer:";"DE12345 / Girokonto";\n\n"Kontostand vom 31.12.2025:";"1.234,56 EUR";\n\n'
    header = '"Buchungstag";"Verwendungszweck";"Betrag (€)";"km";"n";"ziel"\n'
    rows = [
        f'"{i % 28 + 1:02d}.{i % 12 + 1:02d}.2025";"Müller & Söhne";"{-1 if i % 2 else 1}.{i:03d},56";'
        f'"{100 + i}.020";"{"-" if i == 40 else i}";"{"ja" if i % 3 else "nein"}"\n'
        for i in range(100)
    ]
    return (above + header + "".join(rows)).encode("cp1252")


def test_a_bank_export_is_read_whole(tmp_path: Path) -> None:
    """Encoding, header, decimal comma, dates and a dash among numbers; 144.020 is no fraction beside decimal commas."""
    path = tmp_path / "umsaetze.csv"
    path.write_bytes(bank_export())
    result = taken(path, "ziel", time_column="Buchungstag")
    assert (result.rows, result.rejected, result.quality["unclear"]) == (100, 0, [])
    assert kinds(result) == {
        "Buchungstag": "datetime", "Verwendungszweck": "category", "Betrag (€)": "number", "km": "integer",
        "n": "integer", "ziel": "category",
    }  # fmt: skip
    assert column(result, "Betrag (€)")[1:3] == [-1001.56, 1002.56] and column(result, "km")[44] == 144_020
    assert column(result, "Buchungstag")[30] == dt.datetime(2025, 7, 3) and column(result, "n")[40] is None
    assert column(result, "Verwendungszweck")[0] == "Müller & Söhne"
    assert any("the header is line 5" in note for note in result.quality["notes"])
    again = taken(path, "ziel", schema=result.schema)
    assert again.snapshot_digest == result.snapshot_digest and not again.inferred


def test_bad_cells_are_set_aside_at_their_line(tmp_path: Path) -> None:
    """By the new rules as by the old ones, below lines that are skipped."""
    data = bank_export().replace(b'"1.002,56"', b'"1.002.56"')
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    good = tmp_path / "good.csv"
    good.write_bytes(bank_export())
    result = taken(path, "ziel", schema=taken(good, "ziel").schema)
    (reject,) = result.rejects
    assert (reject["line"], reject["column"], reject["reason"]) == (8, "Betrag (€)", "'1.002.56' is not a number")


def us_sheet() -> str:
    """Money, brackets, percents and dates as a spreadsheet of the United States has them."""
    rows = [(i, f"{i % 12 + 1}/{i % 28 + 1}/2025", f"${i * 700:,}.50" if i % 4 else f"($1,{i:03d}.25)", f"{i / 2}%",
             f"{i * 100:,}", "yes" if i % 3 else "no") for i in range(60)]  # fmt: skip
    return table(*zip(("Order", "Date", "Amount", "Discount", "Units", "y"), *rows, strict=True))


def test_a_spreadsheet_of_the_united_states_is_read(tmp_path: Path) -> None:
    """Dollars, brackets, percents, thousands, month first."""
    result = taken(written(tmp_path, "us.csv", us_sheet()))
    assert result.schema.formats == Formats(
        thousands=",", date_format=("%m/%d/%Y",), percent=True, currency=("$",), accounting=True
    )
    assert column(result, "Amount")[3:5] == [2100.5, -1004.25] and column(result, "Units")[20] == 2000
    assert column(result, "Date")[13] == dt.datetime(2025, 2, 14) and column(result, "Discount")[5] == 2.5


def test_text_from_excel_is_read(tmp_path: Path) -> None:
    """UTF-16 with tabs, as Excel saves "Unicode text", with a mark at the beginning or without."""
    text = "Straße\tPreis\ty\r\n" + "".join(f"Weg {i}\t{i},50\t{'a' if i % 2 else 'b'}\r\n" for i in range(30))
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        result = taken(written(tmp_path, f"{encoding}.txt", text, encoding))
        assert column(result, "Preis")[1] == 1.5 and column(result, "Straße")[2] == "Weg 2"


@pytest.mark.parametrize(
    "text",
    ['[{"x": 1.5, "y": "a"},\n {"x": 2, "y": "b"}]', '{"x": 1.5, "y": "a"}\n{"x": 2, "y": "b"}\n',
     json.dumps([{"x": 1.5, "y": "a"}, {"x": 2, "y": "b"}], indent=2), '\ufeff{"x":1.5,"y":"a"}\n{"x":2,"y":"b"}'],
)  # fmt: skip
def test_json_is_read_as_an_array_or_a_line_each(tmp_path: Path, text: str) -> None:
    """However it is laid out."""
    assert column(taken(written(tmp_path, "a.json", text)), "x") == [1.5, 2.0]


def test_json_of_odd_first_lines_is_read(tmp_path: Path) -> None:
    """An empty object, and a line of over a megabyte."""
    for first in ("{}", json.dumps({"x": 1, "y": "a", "note": "n" * 2**21})):
        text = first + "\n" + '{"x": 1.5, "y": "a"}\n{"x": 2, "y": "b"}\n' * 3
        assert column(taken(written(tmp_path, "a.json", text)), "x")[-2:] == [1.5, 2.0]


def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    """It is not tried again and again."""
    with pytest.raises(Refused, match="nested too deeply"):
        taken(written(tmp_path, "a.json", '{"a":' * 100_000 + "1" + "}" * 100_000))


def test_one_json_value_is_refused_with_where_the_rows_are(tmp_path: Path) -> None:
    """An object around the array is named."""
    for text in ('{"meta": 1, "data": [{"x": 1, "y": "a"}]}', '{\n "data": [\n{"x": 1}]}'):
        with pytest.raises(Refused, match=r"is one JSON value.*'data'"):
            taken(written(tmp_path, "a.json", text))


def test_json_logs_with_dashes_and_numbers_in_text(tmp_path: Path) -> None:
    """A dash among numbers is missing; a number that the file writes as text stays text."""
    rows = [{"t": i / 10 if i else "-", "code": str(200 + i % 3), "y": "ab"[i % 2]} for i in range(40)]
    result = taken(written(tmp_path, "log.jsonl", "\n".join(map(json.dumps, rows))))
    assert kinds(result) == {"t": "number", "code": "category", "y": "category"}
    assert column(result, "t")[:2] == [None, 0.1] and result.schema.formats == Formats(na_values=("-",))


def test_a_spreadsheet_file_is_read_with_the_types_of_its_cells(tmp_path: Path) -> None:
    """Numbers, dates, codes in text and money in text, below a title; the sheet that was read is named."""
    book = openpyxl.Workbook()
    rows = [("Sales",), (), ("Amount", "When", "Zip", "Money", "y")]
    rows += [(i + 0.5, dt.date(2025, 1, i + 1), f"{i:05d}", f"${i * 1000:,}.50", "ab"[i % 2]) for i in range(25)]
    for row in rows:
        book.active.append(row)
    book.create_sheet("Notes")
    book.save(tmp_path / "a.xlsx")
    result = taken(tmp_path / "a.xlsx")
    assert kinds(result) == {
        "Amount": "number", "When": "datetime", "Zip": "category", "Money": "number", "y": "category",
    }  # fmt: skip
    assert column(result, "Money")[3] == 3000.5 and column(result, "Zip")[3] == "00003"
    assert column(result, "When")[3] == dt.datetime(2025, 1, 4)
    assert any("sheet 'Sheet' was read" in note for note in result.quality["notes"])


def test_types_that_a_file_declares_are_kept(tmp_path: Path) -> None:
    """Digits in Parquet's strings and dictionaries are categories, not numbers."""
    zips, codes = [f"{i % 7}1234" for i in range(20)], [str(i % 3) for i in range(20)]
    columns = {"zip": zips, "code": pa.array(codes).dictionary_encode(), "n": list(range(20)), "y": ["a", "b"] * 10}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert kinds(taken(tmp_path / "a.parquet")) == {
        "zip": "category", "code": "category", "n": "integer", "y": "category",
    }  # fmt: skip


def test_texts_of_too_many_shapes_are_no_doubtful_numbers(tmp_path: Path) -> None:
    """Such as hexadecimal ids, of which hardly two have digits in the same places."""
    ids = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(1, 4001)]
    path = written(tmp_path, "a.csv", table(["id", *ids], ["y", *["a", "b"] * 2000]))
    assert look_at(path, "y").findings == ()


def test_an_unclear_time_column_refuses_the_file(tmp_path: Path) -> None:
    """Windows go by it: day and month are not guessed; the key decides."""
    text = table(["t", *(f"0{i % 9 + 1}/0{(i + 2) % 9 + 1}/2025" for i in range(30))], ["y", *"ab" * 15])
    path = written(tmp_path, "a.csv", text)
    with pytest.raises(Refused, match='day and month cannot be told apart: set date_format = "%d/%m/%Y" or'):
        taken(path, time_column="t")
    result = taken(path, time_column="t", intake={"date_format": "%d/%m/%Y"})
    assert column(result, "t")[0] == dt.datetime(2025, 3, 1)


# --- never in silence -------------------------------------------------------------------------------------------


def test_an_assumed_decimal_point_is_not_written_down(tmp_path: Path) -> None:
    """As if it were known, a later file that says otherwise would be read in silence."""
    path = written(tmp_path, "a.csv", table(["km", *(f"{100 + i}.020" for i in range(30))], ["y", *"ab" * 15]))
    inferred = look_at(path, "y")
    assert [one.level for one in inferred.findings] == ["assumed"] and inferred.intake == {}


def test_declared_numbers_are_not_read_a_thousand_times_too_small(tmp_path: Path) -> None:
    """Where columns are declared and no formats, a file whose other columns have decimal commas is refused with the
    key; an ambiguous one is told; a decimal mark in the configuration ends both."""
    columns = {"km": "number", "p": "category", "y": "category"}
    values = [f"{100 + i}.020" for i in range(30)]
    clear = table(["km", *values], ["p", *(f"{i},5" for i in range(30))], ["y", *"ab" * 15], delimiter=";")
    path = written(tmp_path, "a.csv", clear)
    with pytest.raises(Refused, match=r"'100\.020' is read with a decimal point, but may be 100020, as in 'p'"):
        taken(path, columns=columns)
    assert column(taken(path, columns=columns, intake={"decimal": "."}), "km")[44 - 30] == 114.02
    local = taken(path, columns=columns, intake={"decimal": ",", "thousands": "."})
    assert column(local, "km")[14] == 114_020
    dated = table(["km", *values], ["p", *(f"{i % 28 + 1:02d}.03.2025" for i in range(30))], ["y", *"ab" * 15])
    (told,) = taken(written(tmp_path, "c.csv", dated), columns=columns).quality["unclear"]
    assert "may be 100020, as the dates of 'p' are written: set intake.decimal" in told
    alone = written(tmp_path, "b.csv", table(["km", *values], ["p", *"uv" * 15], ["y", *"ab" * 15]))
    assert "may be 100020: set intake.decimal" in taken(alone, columns=columns).quality["unclear"][0]
    assert taken(alone, columns=columns, intake={"decimal": "."}).quality["unclear"] == []


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("1.234,56 €", 'set intake.decimal = ",", intake.thousands = ".", intake.currency = ["€"]'),
        ("k. A.", 'is a missing value, set intake.na_values = ["k. A."]'),
        ("12 %", "intake.percent = true"),
    ],
)
def test_rejects_name_the_key_that_would_let_them_in(tmp_path: Path, value: str, advice: str) -> None:
    """In the report of a file, and in the refusal where too many are bad."""
    columns = {"x": "number", "y": "category"}
    some = written(tmp_path, "some.csv", table(["x", *["1"] * 9, value], ["y", *"ab" * 5]))
    assert advice in taken(some, columns=columns).quality["advice"]
    every = written(tmp_path, "every.csv", table(["x", *[value] * 10], ["y", *"ab" * 5]))
    with pytest.raises(Refused) as refused:
        taken(every, columns=columns)
    assert advice in str(refused.value)


def test_dates_that_do_not_fit_name_the_format(tmp_path: Path) -> None:
    """As numbers do."""
    path = written(tmp_path, "a.csv", table(["t", *["2025-01-01"] * 9, "31.12.2025"], ["y", *"ab" * 5]))
    result = taken(path, columns={"t": "datetime", "y": "category"})
    assert 'is a date, set intake.date_format = ["%d.%m.%Y"]' in result.quality["advice"]
    impossible = written(tmp_path, "b.csv", table(["t", *["28.02.2025"] * 9, "29.02.2025"], ["y", *"ab" * 5]))
    intake = {"date_format": "%d.%m.%Y"}
    result = taken(impossible, columns={"t": "datetime", "y": "category"}, intake=intake)
    assert result.rejected == 1 and result.quality["advice"] == ""


# --- the other readers ------------------------------------------------------------------------------------------


def test_init_tells_what_it_understood_and_what_not(tmp_path: Path) -> None:
    """Each column with the key; a mixture, a unit and a typing error are named."""
    n = 40
    text = table(
        ["price", *(f"{i},5" for i in range(n))], ["when", *(f"{i % 9 + 1}/0{i % 8 + 1}/2025" for i in range(n))],
        ["unit", *(f"{i} km" for i in range(n))], ["typo", *range(n - 1), "abc"], ["y", *"ab" * (n // 2)],
        delimiter=";",
    )  # fmt: skip
    inferred = look_at(written(tmp_path, "a.csv", text), "y")
    told = {one.column: one for one in inferred.findings}
    assert told["price"] == Finding(
        "price", "understood", 'looks like numbers with a decimal comma ("10,5")', 'decimal = ","'
    )
    assert told["when"].level == "assumed" and 'date_format = "%d/%m/%Y"' in str(told["when"])
    assert told["unit"].level == told["typo"].level == "not understood"
    assert "'km' behind them" in str(told["unit"]) and "such as 'abc'" in str(told["typo"])
    assert inferred.intake == {"decimal": ",", "date_format": ["%d/%m/%Y"]}


def test_columns_beside_local_ones_keep_their_decimal_point(tmp_path: Path) -> None:
    """A file may have both; the plain ones are declared so."""
    text = table(["price", *(f"{i},5" for i in range(30))], ["lat", *(f"52.{i:03d}" for i in range(30))],
                 ["y", *"ab" * 15], delimiter=";")  # fmt: skip
    text = text.replace('"52.001"', '"52.1"')
    result = taken(written(tmp_path, "a.csv", text))
    assert result.schema.column("lat").plain and column(result, "lat")[2] == 52.002
    assert Schema.from_json(result.schema.to_json()) == result.schema


def test_compare_reads_both_files_by_their_own_formats(tmp_path: Path) -> None:
    """The same numbers written in two ways do not drift, and what was assumed is noted."""
    values = [i * 997 / 4 for i in range(200)]
    plain = written(tmp_path, "plain.csv", table(["x", *values], ["c", *"uv" * 100]))
    local = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in values]
    german = written(tmp_path, "german.csv", table(["x", *local], ["c", *"uv" * 100], delimiter=";"))
    for pair in ((plain, german), (german, plain)):
        report = compare(*pair)
        (x,) = [one for one in report["columns"] if one["name"] == "x"]
        assert (x["kind"], x["effect"], x["missing"]["reference"], x["missing"]["current"]) == (
            "numeric",
            0.0,
            0.0,
            0.0,
        )
    assert 'german.csv: read with decimal = ",", thousands = "."' in report["notes"]


def test_schemas_without_local_formats_keep_their_digests() -> None:
    """What older versions stored still has the digest that they recorded."""
    schema = declared_schema(
        ModelSettings.model_validate(
            {"data_dir": "d", "task": "regression", "target": "y", "columns": {"x": "number", "y": "number"}}
        )
    )
    assert schema is not None and schema.formats == PLAIN
    assert schema.digest() == "4af4e7a69b327ba1f0ea206ce68ddf82d44186667366b1f6215829e9af41e3a8"
