"""What a spreadsheet file would unpack to, before it is read whole: a few kilobytes may name a cell in the last row of
the last column, or unpack to gigabytes."""

import re
import zipfile
import zlib
from pathlib import Path

from retrain.records.errors import Refused

MOST_CELLS = 20_000_000
"""Rows times columns of a sheet, from the first to the last used cell: the reader holds them all, at about 60 bytes."""
MOST_BYTES = 2**30
"""Of all parts of the file, unpacked."""
CHUNK = 2**20
LONGEST_CELL = 200
"""Bytes of a cell's tag up to its place; so much of a chunk is looked at again with the next one."""
CELL = re.compile(rb'<c\s[^>]{0,100}?\br="([A-Z]{1,3})([0-9]{1,7})"')


def refuse_hugeness(path: Path) -> None:
    """Refused where the workbook (.xlsx) would take more memory than its rows deserve, or is none. Time is linear
    in the unpacked bytes, memory does not grow."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > MOST_BYTES:
                raise Refused(
                    f"the spreadsheet unpacks to over {MOST_BYTES:,} bytes", "save the rows as CSV or Parquet"
                )
            for part in parts:
                if part.filename.startswith("xl/"):
                    _look_through(archive, part)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        way_out = "save it as .xlsx without a password, or as CSV"
        raise Refused(f"cannot be read as a spreadsheet: {error}", way_out) from None


def _look_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Unpack a part, which checks its size and sum; of a sheet, where its used cells are."""
    is_sheet = part.filename.startswith("xl/worksheets/")
    rows, columns, cells = [2**31, 0], [2**31, 0], 0
    with archive.open(part) as stream:
        kept = b""
        while chunk := stream.read(CHUNK):
            for letters, digits in CELL.findall(kept + chunk) if is_sheet else ():
                for extent, place in ((rows, int(digits)), (columns, column_number(letters.decode()))):
                    extent[:] = min(extent[0], place), max(extent[1], place)
            cells += chunk.count(b"<c") if is_sheet else 0
            width = columns[1] - columns[0] + 1
            if max(cells, width * (rows[1] - rows[0] + 1) if rows[1] else 0) > MOST_CELLS:
                raise Refused(
                    f"the sheet's cells reach from row {rows[0]:,} to {rows[1]:,} and over {width:,} columns: more "
                    f"than the {MOST_CELLS:,} cells that are read",
                    "delete what lies apart from the table, or save the rows as CSV or Parquet",
                )
            kept = chunk[-LONGEST_CELL:]


def column_number(letters: str) -> int:
    """Of a column's letters.

    >>> column_number("A"), column_number("AA"), column_number("XFD")
    (1, 27, 16384)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
