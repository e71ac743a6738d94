"""People on the command line are taken as they are written."""

import io
import sys
from pathlib import Path

import pytest

from daemon.cli.people import MOST_IDS, named_people
from daemon.cli.session import Exit


def test_ids_are_taken_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, tabs and odd characters within an id or around it are of it; ends of lines, empty lines and the mark that
    spreadsheets write first are not."""
    path = tmp_path / "ids"
    path.write_bytes("\ufeffa-1\r\n  b 2\n\n  \nc\t3\x85d\na-1\n".encode())
    assert named_people(["0417", "417"], path) == ["0417", "417", "a-1", "  b 2", "c\t3\x85d"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\ny\n"))
    assert named_people(None, Path("-")) == ["x", "y"]


def test_too_many_ids_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """As is none."""
    path = tmp_path / "ids"
    path.write_text("\n".join(map(str, range(MOST_IDS + 1))))
    with pytest.raises(Exit, match="10,001 ids; at most 10,000 at once: split the file"):
        named_people(None, path)
    with pytest.raises(Exit, match="there is no id"):
        named_people([" "], None)
