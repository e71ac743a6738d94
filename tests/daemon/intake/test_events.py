"""Posted events on their way into files, without a service."""

from pathlib import Path

import pytest

from daemon.intake.events import ROWS, data_file_name, rows_file, set_apart
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from daemon.runtime.spool import Spool, finished_segments, taking_folders
from daemon.server.recommendation.tail import Tail
from retrain import durable
from retrain.operations import AcceptedFile
from retrain.recommendation.log import read_log
from retrain.recommendation.posted import PostedEvent, event_of, line_of
from retrain.recommendation.unfiled import interactions_of_posted
from retrain.records.settings import ModelSettings

SETTINGS = ModelSettings.model_validate(
    {
        "data_dir": "d", "task": "recommendation", "user_column": "who", "item_column": "what", "time_column": "at",
        "value_column": "stars", "positive": 4, "event_column": "kind",
    }
)  # fmt: skip


def posted(folder: Path, *events: PostedEvent, close: bool = True) -> Spool:
    """A spool into which one server wrote."""
    spool = Spool(folder)
    spool.append_lines([line_of(event) for event in events])
    if close:
        spool.close_old(at_once=True)
    return spool


def event(k: int) -> PostedEvent:
    """One of many."""
    return PostedEvent(f"u{k}", "x", 1_700_000_000_000 + k, 4.5, "view")


def test_an_event_comes_back_from_its_line() -> None:
    """Odd ids too; half a line is none."""
    odd = PostedEvent('a"\n\r☃\x1f', "42", 1, None, None)
    assert event_of(line_of(odd)) == odd and b"\n" not in line_of(odd)
    assert event_of(line_of(odd)[:-3]) is None


def test_rows_are_written_once(tmp_path: Path) -> None:
    """Asked again, the same file, whatever else would be in it now; by the names of the columns, times in ms."""
    posted(tmp_path / "s", event(0))
    posted(tmp_path / "s", event(1))
    set_apart(tmp_path / "s", finished_segments(tmp_path / "s"))
    (folder,) = taking_folders(tmp_path / "s")
    path = rows_file(folder, SETTINGS)
    assert path is not None and path.name == ROWS
    first = path.read_text()
    expected = '{"who":"u0","what":"x","at":"2023-11-14T22:13:20.000Z","stars":4.5,"kind":"view"}'
    assert first.splitlines()[0] == expected and len(first.splitlines()) == 2
    assert rows_file(folder, SETTINGS) == path and path.read_text() == first
    assert data_file_name(folder).startswith("events/20")


def test_what_a_crash_cut_off_is_no_row(tmp_path: Path) -> None:
    """Nobody was told that it was kept; a folder of nothing else makes no file."""
    folder = tmp_path / "taking-1-1-1"
    folder.mkdir()
    (folder / "1-1-1.jsonl").write_bytes(line_of(event(0))[:20])
    assert rows_file(folder, SETTINGS) is None


def test_a_tail_reads_each_line_once_wherever_it_moves(tmp_path: Path) -> None:
    """An open segment, the same one closed, and set apart; a part of a line waits for its end."""
    folder = tmp_path / "s"
    spool, tail = posted(folder, event(0), close=False), Tail(folder)
    assert tail.new_lines() == [line_of(event(0))] and tail.new_lines() == []
    spool.append_lines([line_of(event(1))])
    spool.close_old(at_once=True)
    set_apart(folder, finished_segments(folder))
    assert tail.new_lines() == [line_of(event(1))]
    (segment,) = taking_folders(folder)[0].iterdir()
    with segment.open("ab") as file:
        file.write(line_of(event(2))[:9])
    assert tail.new_lines() == []
    with segment.open("ab") as file:
        file.write(line_of(event(2))[9:] + b"\n")
    assert tail.new_lines() == [line_of(event(2))] and not tail.shrunk
    rows_file(segment.parent, SETTINGS)
    assert tail.new_lines() == []


def test_lines_that_a_full_disk_took_back_are_told(tmp_path: Path) -> None:
    """They were counted, and are no more: all is counted anew."""
    folder = tmp_path / "s"
    posted(folder, event(0), event(1))
    tail = Tail(folder)
    tail.new_lines()
    (segment,) = folder.glob("*.jsonl")
    with segment.open("r+b") as file:
        durable.cut_back(file, 0, "test")
    tail.new_lines()
    assert tail.shrunk


@pytest.mark.parametrize("times", [1, 3])
def test_set_apart_again_goes_on_where_it_stopped(tmp_path: Path, times: int) -> None:
    """Segments that came later make another folder."""
    folder = tmp_path / "s"
    for k in range(times):
        posted(folder, event(k))
        set_apart(folder, finished_segments(folder))
    assert len(taking_folders(folder)) == times and not finished_segments(folder)


def test_a_file_says_what_was_posted(tmp_path: Path) -> None:
    """Whatever ids look like, with values and types: the same interactions, bit for bit."""
    odd = ("NA", " x ", "007", "1.0", "true", "null", "", "-", "☃", 'a"b,c', "1e5", "2024-01-01", "Ünï", "NaN")
    events = [
        PostedEvent(name or "u", other, 1_700_000_000_123 + k, value, kind)
        for k, (name, other) in enumerate((name, other) for name in odd for other in odd if other)
        for value, kind in ((4.5, "view"), (None, None), (2.0, "buy"))
    ]
    posted(tmp_path / "s", *events)
    set_apart(tmp_path / "s", finished_segments(tmp_path / "s"))
    path = rows_file(taking_folders(tmp_path / "s")[0], SETTINGS)
    assert path is not None
    taken = take(TakeRequest(path=path, schema=None, settings=SETTINGS, work=tmp_path))
    assert (taken.rows, taken.rejected) == (len(events), 0)
    file = AcceptedFile(seq=1, snapshot=taken.snapshot, digest="d", rows=taken.rows)
    found, expected = read_log([file], taken.schema, SETTINGS).events, interactions_of_posted(events, SETTINGS)
    assert (found.users.tolist(), found.items.tolist()) == (expected.users.tolist(), expected.items.tolist())
    for name in ("user", "item", "time_ms", "weight"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()
