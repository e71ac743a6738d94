"""The log file takes each event as a line, whoever rotates it, and never keeps the service waiting."""

import json
import os
import threading
from pathlib import Path

import pytest
from helpers import wait_for

from daemon.runtime.log import json_line
from daemon.runtime.log_file import MOST_WAITING, LogFile


@pytest.fixture
def log_file(tmp_path):
    """A log file in a folder that is not there yet, and the reasons of what it could not write."""
    made: list[LogFile] = []

    def make(path: Path | None = None) -> tuple[LogFile, Path, list[str]]:
        told: list[str] = []
        at = path or tmp_path / "logs" / "driftd.log"
        made.append(LogFile(at, json_line, told.append))
        return made[-1], at, told

    yield make
    for one in made:
        one.close()


def lines(path: Path) -> list[dict]:
    """The events of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_event_is_a_line_and_the_end_waits_for_the_last(log_file):
    """Its folder is made, others may not read it, and what was logged before the end is there after it."""
    file, path, _ = log_file()
    for number in range(100):
        file.add({"event": "file_seen", "level": "info", "rows": number, "file": "a\nb"})
    file.close()
    assert [one["rows"] for one in lines(path)] == list(range(100))
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("how", ["renamed", "removed", "cut"])
def test_after_a_rotation_lines_go_to_the_new_file(log_file, how):
    """By renaming, by removing, and by cutting what is there (copytruncate)."""
    file, path, told = log_file()
    file.add({"event": "before"})
    wait_for(lambda: lines(path))
    if how == "renamed":
        path.rename(path.with_suffix(".log.1"))
    elif how == "removed":
        path.unlink()
    else:
        os.truncate(path, 0)
    file.add({"event": "after"})
    file.close()
    assert [one["event"] for one in lines(path)] == ["after"] and not told
    if how == "renamed":
        assert [one["event"] for one in lines(path.with_suffix(".log.1"))] == ["before"]


def test_what_cannot_be_written_is_counted_and_told_once(log_file, tmp_path, monkeypatch):
    """A folder where the file should be: told once; the next line that is taken says how many are missing."""
    monkeypatch.setattr("daemon.runtime.log_file.AGAIN_S", 0.0)
    (tmp_path / "busy").mkdir()
    file, path, told = log_file(tmp_path / "busy")
    for _ in range(3):
        file.add({"event": "lost"})
    wait_for(lambda: file._dropped == 3)
    path.rmdir()
    file.add({"event": "kept"})
    file.close()
    assert lines(path) == [{"event": "kept", "dropped_before": 3}] and len(told) == 1


def test_a_line_that_was_cut_short_does_not_spoil_the_next(log_file, monkeypatch):
    """A disk that took a part of a line: the next one begins on a line of its own."""
    monkeypatch.setattr("daemon.runtime.log_file.AGAIN_S", 0.0)
    file, path, _ = log_file()
    write, calls = os.write, []

    def short(number: int, data: bytes) -> int:
        if threading.current_thread().name != "log file":
            return write(number, data)
        calls.append(data)
        return write(number, data[:9] if len(calls) == 1 else data)

    monkeypatch.setattr("daemon.runtime.log_file.os.write", short)
    file.add({"event": "torn"})
    file.add({"event": "whole"})
    file.close()
    torn, whole = path.read_text().splitlines()
    assert torn == '{"event":' and json.loads(whole) == {"event": "whole", "dropped_before": 1}


def test_a_torn_line_of_another_process_does_not_spoil_the_next(log_file):
    """It died in the middle of a line."""
    file, path, _ = log_file()
    path.parent.mkdir()
    path.write_text('{"event": "to')
    file.add({"event": "whole"})
    file.close()
    assert path.read_text().splitlines()[1:] == ['{"event": "whole"}']


def test_who_logs_never_waits_for_the_disk(log_file, monkeypatch):
    """A write that hangs: so many events wait, the others are counted."""
    gate, write = threading.Event(), os.write

    def hanging(number: int, data: bytes) -> int:
        if threading.current_thread().name == "log file":
            gate.wait(30)
        return write(number, data)

    monkeypatch.setattr("daemon.runtime.log_file.os.write", hanging)
    file, path, _ = log_file()
    for number in range(MOST_WAITING + 50):
        file.add({"event": "file_seen", "rows": number})
    gate.set()
    file.close()
    found = lines(path)
    dropped = sum(one.get("dropped_before", 0) for one in found)
    assert len(found) + dropped + file._dropped == MOST_WAITING + 50


def test_a_line_that_another_process_is_writing_is_waited_for(log_file, monkeypatch):
    """It is not taken for a torn one, of which an empty line would follow."""
    file, path, _ = log_file()
    path.parent.mkdir()
    path.write_bytes(b'{"event": "other"}\n')
    looks, pread = iter([b"x", b"x"]), os.pread
    monkeypatch.setattr(os, "pread", lambda *where: next(looks, None) or pread(*where))
    file.add({"event": "one"})
    file.close()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["other", "one"]


def test_processes_share_a_file(log_file):
    """Two writers: no line is torn."""
    one, path, _ = log_file()
    other, _, _ = log_file(path)
    for number in range(200):
        for file, name in ((one, "one"), (other, "other")):
            file.add({"event": name, "rows": number, "reason": "x" * 500})
    one.close()
    other.close()
    assert sorted(entry["event"] for entry in lines(path)) == ["one"] * 200 + ["other"] * 200
