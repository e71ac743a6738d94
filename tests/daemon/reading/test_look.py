"""Looks at files, without opening them."""

import os
import tempfile
from pathlib import Path

import pytest

from daemon.reading.look import Look, Problem, look, matches, scan
from retrain.records.settings import IntakeSettings

NOBODY = 65534


def as_nobody(path: Path) -> str:
    """What a user without rights sees, told by a forked child that gave up its own."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(write_end, str(look(path)).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; others test it with a whole daemon")
def test_an_unreadable_file_is_told_with_its_mode():
    """The way out is in the message."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "a.csv"
        path.write_text("x\n1\n")
        path.chmod(0o600)
        told = as_nobody(path)
        assert "may not be read by this user (-rw-------, owner 0)" in told
        path.chmod(0o644)
        assert as_nobody(path).startswith("Look(")


def test_a_rewrite_of_the_same_size_and_time_is_seen(tmp_path):
    """The inode and the change time tell."""
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    os.utime(path, ns=(1, 1))
    before = look(path)
    other = tmp_path / "b.csv"
    other.write_text("x\n2\n")
    os.utime(other, ns=(1, 1))
    other.replace(path)
    after = look(path)
    assert isinstance(before, Look) and isinstance(after, Look)
    assert before != after and (before.size, before.mtime_ns) == (after.size, after.mtime_ns)


def test_a_file_that_is_gone_has_vanished(tmp_path):
    """That is no fault."""
    assert look(tmp_path / "a.csv") == Problem("it vanished", vanished=True)


def test_scan_finds_files_at_any_depth_but_not_hidden_ones(tmp_path):
    """A hidden name is a producer's temporary one; a folder that is gone is empty."""
    for name in ("a.csv", "deep/er/b.parquet", ".hidden.csv", ".tmp/c.csv", "d.txt", "E.CSV"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    patterns = IntakeSettings().patterns
    assert {path for path, _ in scan(tmp_path, patterns, True)} == {"a.csv", "deep/er/b.parquet", "E.CSV"}
    assert {path for path, _ in scan(tmp_path, patterns, False)} == {"a.csv", "E.CSV"}
    assert list(scan(tmp_path / "gone", patterns, True)) == []
    assert matches("a.csv.gz", patterns) and not matches("a.csv.bak", patterns)
