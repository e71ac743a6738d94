"""A spreadsheet's first sheet with rows as JSON lines, whose values keep the types of the cells."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from daemon.reading.header import LOOKED_AT, column_names, header_row, refuse_doubles
from daemon.reading.look import EXCEL_EXTRA, excel_is_installed
from daemon.reading.workbook import refuse_hugeness
from retrain.records.errors import Refused


def to_json_lines(path: Path, wanted: tuple[str, ...], target: Path) -> tuple[list[str], list[str]]:
    """Write each row below the header as an object, at the line of its row; the column names, and what is to be told.
    Refused where it is no spreadsheet or has no rows."""
    if not excel_is_installed():
        raise Refused("spreadsheets need a package that is not installed", EXCEL_EXTRA)
    from python_calamine import CalamineError, CalamineWorkbook

    refuse_hugeness(path)
    try:
        book = CalamineWorkbook.from_path(str(path))
        sheet = next((one for one in map(book.get_sheet_by_name, book.sheet_names) if one.height), None)
    except CalamineError as error:
        raise Refused(f"cannot be read as a spreadsheet: {error}") from None
    if sheet is None:
        raise Refused("the file is empty", "expected a header and rows")
    rows = iter(sheet.iter_rows())
    first = list(islice(rows, LOOKED_AT))
    filled = [place for place, row in enumerate(first) if any(cell != "" for cell in row)]
    place = filled[header_row([[_word(cell) for cell in first[at]] for at in filled], wanted)]
    names = column_names([_word(cell) for cell in first[place]])
    refuse_doubles(names)
    above = sheet.start[0] + place + 1
    with target.open("w", encoding="utf-8") as sink:
        sink.write("\n" * above)
        for row in chain(first[place + 1 :], rows):
            sink.write(_line(names, row) + "\n")
    return names, list(_notes(sheet.name, len(book.sheet_names), above))


def _notes(sheet: str, sheets: int, line: int) -> Iterator[str]:
    if sheets > 1:
        yield f"sheet {sheet!r} was read, the first of {sheets} with rows"
    if line > 1:
        yield f"the header is row {line}; what is above it is skipped"


def _line(names: list[str], row: list[Any]) -> str:
    """A row as JSON; nothing for one of empty cells."""
    cells = {name: _plain(cell) for name, cell in zip(names, row, strict=False) if cell != ""}
    return json.dumps(cells, ensure_ascii=False) if cells else ""


def _plain(cell: Any) -> Any:
    """A cell's value as JSON: whole numbers without a fraction, dates in ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, date | datetime | time):
        return cell.isoformat()
    return cell.total_seconds() if isinstance(cell, timedelta) else cell


def _word(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(_plain(cell))
