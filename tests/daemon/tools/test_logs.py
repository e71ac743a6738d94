"""Events are read back from where they were logged: files and what they were rotated to, and the journal."""

import gzip
import itertools
import json
import os
import threading

import pytest
from helpers import wait_for

from daemon.tools.logs import Wanted, follow, from_file, from_lines, journal_entry, rotated, sentence


def line(event: str, at: str = "2026-11-30T08:00:00Z", **fields: object) -> str:
    """An event as it is logged."""
    return json.dumps({"event": event, "level": "info", "timestamp": at} | fields) + "\n"


def test_what_is_no_event_is_passed_over():
    """Stacks of a crash, torn lines and other JSON stand among events."""
    given = [b"Traceback (most recent call last):", b'{"event": ', b"[1]", b'{"x": 1}', b"[" * 100_000, b"\xff\xfe",
             line("file_seen").encode()]  # fmt: skip
    assert [entry["event"] for entry in from_lines(given, Wanted())] == ["file_seen"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["a", "b", "c"]),
        (Wanted(model="m"), ["a"]),
        (Wanted(events=frozenset(["b", "c"])), ["b", "c"]),
        (Wanted(level="warning"), ["c"]),
        (Wanted(since=1_796_025_600.0), ["b", "c"]),
    ],
)
def test_only_what_is_wanted_is_found(wanted, found):
    """By model, name, level and moment."""
    given = [
        line("a", "2026-11-30T07:59:59Z", model="m"),
        line("b", model="n"),
        line("c", level="error"),
    ]
    assert [entry["event"] for entry in from_lines((one.encode() for one in given), wanted)] == found


def test_rotated_files_come_first_oldest_first(tmp_path):
    """As logrotate leaves them, compressed ones too; what only begins with the name is none of them."""
    path = tmp_path / "x[1].log"
    with gzip.open(tmp_path / "x[1].log.2.gz", "wt") as file:
        file.write(line("first"))
    (tmp_path / "x[1].log.1").write_text(line("second"))
    path.write_text(line("third"))
    (tmp_path / "x[1].log.bak").write_text(line("never"))
    (tmp_path / "x1.log").write_text(line("never"))
    for number, name in enumerate(("x[1].log.2.gz", "x[1].log.1", "x[1].log")):
        os.utime(tmp_path / name, (1_000 + number, 1_000 + number))
    assert [entry["event"] for entry in from_file(path, Wanted())] == ["first", "second", "third"]
    assert [one.name for one in rotated(path, since=1_001)] == ["x[1].log.1", "x[1].log"]


def test_a_file_is_followed_through_rotations(tmp_path):
    """Renamed, removed, cut and made anew: each event comes once, in its order."""
    path = tmp_path / "driftd.log"
    found: list[str] = []
    enough = threading.Event()

    def read() -> None:
        for entry in follow(path, Wanted()):
            found.append(entry["event"])
            if entry["event"] == "end":
                enough.set()
                return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    path.write_text(line("a"))
    wait_for(lambda: found == ["a"])
    with path.open("a") as file:
        file.write(line("b")[:10])
        file.flush()
        file.write(line("b")[10:])
    wait_for(lambda: found == ["a", "b"])
    path.rename(tmp_path / "driftd.log.1")
    path.write_text(line("c"))
    wait_for(lambda: found[-1] == "c")
    os.truncate(path, 0)
    wait_for(lambda: thread.is_alive())
    path.unlink()
    path.write_text(line("end"))
    assert enough.wait(30) and found == ["a", "b", "c", "end"]


def test_what_a_renamed_file_gets_last_is_read(tmp_path):
    """A line that was written between the last look and the renaming."""
    path = tmp_path / "driftd.log"
    path.write_text(line("a"))
    looks: list[int] = []

    def sleep(_: float) -> None:
        looks.append(1)
        if len(looks) == 1:
            with path.open("a") as file:
                file.write(line("b"))
            path.rename(tmp_path / "driftd.log.1")
            path.write_text(line("c"))

    assert [one["event"] for one in itertools.islice(follow(path, Wanted(), sleep=sleep), 3)] == ["a", "b", "c"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "", None])
def test_a_moment_that_is_none_is_shown_without(at):
    """Whatever a line says, it is shown."""
    assert sentence({"event": "file_seen", "level": "info", "timestamp": at}).split()[-1] == "file_seen"


def test_the_journal_gives_texts_that_are_no_unicode_as_bytes():
    """journalctl writes such a MESSAGE as a list of numbers."""
    message = line("file_refused", file="é").encode()
    assert (journal_entry(json.dumps({"MESSAGE": list(message)}).encode()) or {})["file"] == "é"
    assert (
        journal_entry(b"{}") is None and journal_entry(b"no") is None and journal_entry(b'{"MESSAGE": "text"}') is None
    )


def test_a_sentence_is_one_line():
    """Whatever a reason holds; what has no value is left out."""
    entry = {"event": "file_refused", "level": "warning", "timestamp": "2026-11-30T08:00:00Z", "model": "m",
             "reason": "a\nb", "rows": 3, "hint": None, "value": 0.123456789}  # fmt: skip
    text = sentence(entry)
    assert "\n" not in text and text.split("  ")[-3:] == ['reason="a\\nb"', "rows=3", "value=0.123457"]


def test_lines_of_any_length_are_read_in_flat_memory(tmp_path):
    """A line of megabytes is none of driftd's, and those after it are found."""
    path = tmp_path / "driftd.log"
    path.write_text("x" * 5_000_000 + "\n" + line("file_seen"))
    assert [entry["event"] for entry in from_file(path, Wanted())] == ["file_seen"]
    assert list(itertools.islice(from_file(path, Wanted(level="error")), 1)) == []
