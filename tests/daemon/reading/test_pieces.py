"""Rows of a CSV that do not fit cost what their bytes cost, and are told by their lines."""

import io
import random
from pathlib import Path

import numpy as np
import pytest

from daemon.reading import pieces as cut
from daemon.reading.operations import TakeRequest
from daemon.reading.pieces import pieces
from daemon.reading.rejects import ENOUGH_ROWS, Reject, Rejects, Share
from daemon.reading.take import take
from retrain.records.errors import Refused
from retrain.records.schema import declared_schema
from retrain.records.settings import ModelSettings

ANY = Share(1.0)


def read(text: bytes, width: int = 3, skipped: int = 0) -> tuple[list[bytes], list[int], list[tuple[int | None, str]]]:
    """The good rows, their lines, and the others by line and reason."""
    rejects, rows, lines = Rejects(), list[bytes](), list[int]()
    for piece in pieces(io.BytesIO(text), width, ",", skipped, rejects, ANY):
        ends = [*piece.starts[1:].tolist(), len(piece.text)]
        rows += [piece.text[start : end - 1] for start, end in zip(piece.starts.tolist(), ends, strict=True)]
        lines += piece.lines.tolist()
    return rows, lines, [(one.line, one.reason) for one in rejects.first()]


def test_rows_of_another_length_are_set_aside_by_their_line() -> None:
    """Lines that values in quotes span count, and so do empty ones; empty fields behind the last are none."""
    rows, lines, bad = read(b'a,b,c\n1,"2\n2",3\n\n4,5\n6,"7,7",8,,""\r\n1,2,3,4\n"a""b,",x"y,')
    assert rows == [b'1,"2\n2",3', b'6,"7,7",8,,""', b'"a""b,",x"y,'] and lines == [2, 6, 8]
    assert bad == [(5, "the row has 2 values; expected 3"), (7, "the row has 4 values; expected 3")]


def test_what_no_reader_takes_is_set_aside() -> None:
    """Bytes that are no UTF-8, and lines that end in CR alone."""
    rows, _, bad = read(b"t\nitle\na,b,c\n1,\xff,3\n4,5\r,6\n7,8,9\n", skipped=2)
    assert rows == [b"7,8,9"] and [line for line, _ in bad] == [4, 5]
    assert "no UTF-8" in bad[0][1] and "CR alone" in bad[1][1]


@pytest.mark.parametrize("row", [b'1,"2,3', b'1,"2"x,3', b'1, "2,3\n4,5,6'])
def test_a_quote_that_is_not_closed_is_told_by_its_line(row: bytes) -> None:
    """Which of the rows after it are rows nobody can tell."""
    with pytest.raises(Refused, match="line 3: a quote is opened and never closed"):
        read(b"a,b,c\n1,2,3\n" + row)


def test_a_row_that_is_too_long_is_told_by_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of it is not read."""
    monkeypatch.setattr(cut, "LONGEST_LINE", 5_000)
    monkeypatch.setattr(cut, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(cut, "LONGEST_HEADER", 100)
    with pytest.raises(Refused, match="line 2 has more than 5,000 bytes"):
        read(b"a,b,c\n" + b"1" * 40_000, width=0)


def test_where_a_file_is_cut_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands at the cuts: quotes, line ends within them, CR LF."""
    rng = random.Random(3)
    fields = [b"1", b"", b'"a\nb"', b'""', b'"x,""y"', b'a"b', b"\xc3\xa9", b' "z" ']
    rows = [b",".join(rng.choices(fields, k=rng.choice([3, 3, 3, 2, 4]))) for _ in range(400)]
    text = b"a,b,c\n" + b"".join(row + rng.choice([b"\n", b"\r\n"]) for row in rows)
    whole = read(text)
    monkeypatch.setattr(cut, "LONGEST_HEADER", 50)
    monkeypatch.setattr(cut, "BYTES_A_COLUMN", 1)
    monkeypatch.setattr(cut, "PIECE_ROWS", 7)
    for size in (17, 64, 1_000):
        monkeypatch.setattr(cut, "PIECE_BYTES", size)
        assert read(text) == whole
    assert len(whole[0]) > 200 and len(whole[2]) > 50


def test_of_enough_rows_that_are_bad_the_rest_is_not_read() -> None:
    """What is read costs the same for a file of any length; half of the rows may be bad all the way through."""
    bad, half = b"1,2\n" * 2_500_000, b"1,2\n1,2,3\n" * ENOUGH_ROWS
    with pytest.raises(
        Refused, match=r"of the first 1,5\d\d,\d{3} rows are bad \(100%\); the first: line 2: the row has 2"
    ):
        list(pieces(io.BytesIO(b"a,b,c\n" + bad), 3, ",", 0, Rejects(), Share(0.5)))
    rejects = Rejects()
    assert sum(len(piece.lines) for piece in pieces(io.BytesIO(b"a,b,c\n" + half), 3, ",", 0, rejects, Share(0.5)))
    assert rejects.count == ENOUGH_ROWS


def test_all_rejects_are_counted_and_the_first_kept() -> None:
    """In whatever order they come."""
    rejects, order = Rejects(10), np.random.default_rng(0).permutation(500).tolist()
    for start in range(0, 500, 50):
        lines = sorted(order[start : start + 50])
        rejects.add(lines, lambda place, lines=lines: Reject(lines[place], None, "bad"))  # type: ignore[misc]
    assert rejects.count == 500 and [one.line for one in rejects.first()] == list(range(10))


def test_misfits_and_rows_of_another_length_are_told_together(tmp_path: Path) -> None:
    """By their lines, with the text of the row; the good rows are numbered without them."""
    path = tmp_path / "a.csv"
    path.write_text("x,c,y\n" + "1,a,no\n2,b,yes\n" * 20 + "abc,é,no\n1,2\n3,d,yes\n")
    columns = {"x": "number", "c": "category", "y": "category"}
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "columns": columns}
    )
    for schema in (declared_schema(settings), None):
        told = (
            settings
            if schema
            else ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
        )
        result = take(TakeRequest(path=path, schema=schema, settings=told, work=tmp_path / "work"))
        assert (result.rows, result.rejected) == ((41, 2) if schema else (42, 1))
        assert result.rejects[-1] == {
            "line": 43,
            "column": None,
            "reason": "the row has 2 values; expected 3",
            "raw": "1,2",
        }
        assert not schema or result.rejects[0] == {
            "line": 42,
            "column": "x",
            "reason": "'abc' is not a number",
            "raw": "abc,é,no",
        }
