"""Whether a table's numbers may be read as others than were meant, where no local formats are known."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daemon.reading.formats import OpenedFile, first_bytes
from daemon.reading.local_formats.dates import dates_of
from daemon.reading.local_formats.findings import toml_keys
from daemon.reading.local_formats.found import Columns, decimal_mark
from daemon.reading.local_formats.numbers import numbers_of
from daemon.reading.local_formats.shapes import LONGEST, is_missing_word, shapes_of
from retrain.records.errors import Refused
from retrain.records.formats import Formats
from retrain.records.schema import Schema

LOOKED_AT_BYTES = 2**18
LOOKED_AT_ROWS = 500
WAY_OUT = 'set intake.decimal = "," and intake.thousands = ".", or plain = true for the column'
MEANINGS = {"na_values": "a missing value", "date_format": "a date"}
VALUE = re.compile(r"'(.*)' is not ", re.DOTALL)


def misread(file: OpenedFile, schema: Schema) -> tuple[str, ...]:
    """What may be wrong about columns of plain numbers such as 144.020, by the first rows of a CSV. Refused where
    other columns of numbers say that these points stand between thousands; where only dates do, it is told. A `decimal`
    in the configuration ends it."""
    settled = file.intake.decimal is not None or file.intake.thousands is not None or schema.formats.numbers
    if settled or file.kind.format != "csv":
        return ()
    columns = _first_columns(file)
    decimal = decimal_mark(columns, file.intake)
    by_numbers = decimal_mark(replace(columns, dates={}), file.intake)
    numeric = {column.name for column in schema.columns if column.kind in ("number", "integer") and not column.plain}
    unclear = {name: one for name, one in columns.numbers.items() if one.unclear and one.plain and name in numeric}
    for name, one in unclear.items():
        where = (
            f"column {name!r}: {one.example!r} is read with a decimal point, but may be {one.example.replace('.', '')}"
        )
        if by_numbers.mark == "," and by_numbers.how == "evident":
            raise Refused(f"{where}, {by_numbers.reason}", WAY_OUT)
        if decimal.mark == ",":
            return (f"{where}, {decimal.reason}: {WAY_OUT}",)
        if decimal.how == "assumed":
            return (f"{where}: set intake.decimal, or plain = true for the column",)
    return ()


def advice_on(reasons: Sequence[str], formats: Formats) -> str:
    """The key that would let values fit which do not, by the reasons of rejects and the formats that they were read
    with; empty where there is none."""
    for reason in reasons:
        value = VALUE.match(reason)
        keys = _keys_for(value[1]) if value else {}
        new = {key: setting for key, setting in keys.items() if not _is_set(setting, getattr(formats, key))}
        if value and new:
            settings = ", ".join(f"intake.{line}" for line in toml_keys(new))
            return f"if {value[1]!r} is {MEANINGS.get(next(iter(keys)), 'a number')}, set {settings}"
    return ""


def _is_set(setting: Any, current: Any) -> bool:
    return setting == current or (isinstance(current, tuple) and set(setting) <= set(current))


def _keys_for(text: str) -> dict[str, Any]:
    """The formats that a text is written in, as keys and values."""
    if len(text) > LONGEST:
        return {}
    if is_missing_word(text):
        return {"na_values": [text]}
    shapes = shapes_of([text])
    number = numbers_of(shapes)
    if number is not None and not number.plain:
        decimal, thousands = min(number.marks, key=lambda marks: (len(marks[1]), marks))
        values = {"decimal": decimal, "thousands": thousands, "currency": sorted(number.currency)}
        flags = {"percent": number.percent, "accounting": number.accounting}
        return {key: value for key, value in (values | flags).items() if value}
    first, second, *_ = [*map(int, re.findall("[0-9]+", text)[:2]), 0, 0]
    dates = dates_of(shapes, (first, second))
    return {} if dates is None else {"date_format": list(dates.formats[:1])}


def _first_columns(file: OpenedFile) -> Columns:
    """The numbers and dates in the first rows."""
    data = first_bytes(file.path, file.kind, LOOKED_AT_BYTES)
    lines = data.decode("utf-8", errors="replace").splitlines(keepends=True)
    whole = lines if len(data) < LOOKED_AT_BYTES else lines[:-1]
    text = "".join(whole[file.skipped + 1 : file.skipped + 1 + LOOKED_AT_ROWS])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter)
    try:
        rows = [row for row in reader if len(row) == len(file.names)]
    except csv.Error:
        return Columns({}, {})
    numbers, dates = {}, {}
    for name, values in zip(file.names, zip(*rows, strict=True), strict=False):
        if not any("." in value or "," in value for value in values):
            continue
        shapes = shapes_of(values)
        if number := numbers_of(shapes):
            numbers[name] = number
        elif found := dates_of(shapes, (1, 1)):
            dates[name] = found
    return Columns(numbers, dates, delimiter=file.delimiter)
