"""A small spreadsheet file costs no more than its bytes, whatever it says of itself."""

import zipfile
from pathlib import Path

import openpyxl
import pytest

from daemon.reading.excel import to_json_lines
from daemon.reading.workbook import MOST_BYTES, refuse_hugeness
from retrain.records.errors import Refused


def test_a_cell_in_the_last_corner_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The reader would hold all cells up to it; the message says how far they reach, and the way out."""
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "y", 1
    book.save(tmp_path / "far.xlsx")
    with pytest.raises(Refused, match=r"row 1 to 1,048,576 and over 16,384 columns.*delete what lies apart"):
        to_json_lines(tmp_path / "far.xlsx", (), tmp_path / "rows.jsonl")


@pytest.mark.parametrize("name", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "other.bin"])
def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, name: str) -> None:
    """Whichever of its parts does."""
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as part,
    ):
        for _ in range(MOST_BYTES // 2**24 + 1):
            part.write(bytes(2**24))
    with pytest.raises(Refused, match="unpacks to over"):
        refuse_hugeness(tmp_path / "bomb.xlsx")


def test_cells_without_a_place_are_counted(tmp_path: Path) -> None:
    """They follow one another."""
    with zipfile.ZipFile(tmp_path / "cells.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<c/>" * 20_000_001)
    with pytest.raises(Refused, match="20,000,000 cells"):
        refuse_hugeness(tmp_path / "cells.xlsx")


def test_what_is_no_spreadsheet_is_refused(tmp_path: Path) -> None:
    """Such as one that is encrypted, which is no archive, or is cut off."""
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    with pytest.raises(Refused, match="without a password"):
        to_json_lines(tmp_path / "a.xlsx", (), tmp_path / "rows.jsonl")
