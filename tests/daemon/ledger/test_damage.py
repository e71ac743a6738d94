"""A ledger that is damaged in any way is refused with the way back, and never taken for a new one."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from daemon.config.paths import LEDGER
from daemon.ledger import models, open_ledger
from daemon.runtime.lock import sole_owner
from retrain.records.errors import Refused


@pytest.fixture
def ledger(tmp_path) -> Path:
    """A closed ledger of a state with a snapshot."""
    (tmp_path / "snapshots/m").mkdir(parents=True)
    (tmp_path / "snapshots/m/a.parquet").write_bytes(b"x")
    path = tmp_path / LEDGER
    path.unlink(missing_ok=True)
    shutil.move(tmp_path / "snapshots", tmp_path / "apart")
    opened = open_ledger(tmp_path)
    with opened.begin() as conn:
        for i in range(200):
            models.ensure(conn, f"m{i}")
    opened.close()
    shutil.move(tmp_path / "apart", tmp_path / "snapshots")
    return path


def scribble(path: Path) -> None:
    """Random bytes over pages in the middle."""
    data = bytearray(path.read_bytes())
    data[8192:40960] = os.urandom(32768)
    path.write_bytes(data)


def flip(path: Path, place: int, bits: int) -> None:
    """One byte with some bits turned."""
    data = bytearray(path.read_bytes())
    data[place] ^= bits
    path.write_bytes(data)


def foreign(path: Path) -> None:
    """Somebody else's database."""
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")


DAMAGES = {
    "garbage": lambda path: path.write_bytes(b"this is no database" * 1000),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a header of billions of pages": lambda path: flip(path, 28, 0x10),
    "one page": lambda path: os.truncate(path, 4096),
    "a few bytes": lambda path: os.truncate(path, 50),
    "scribbled": scribble,
    "foreign": foreign,
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_ledger_is_refused_with_the_way_back(ledger, damage):
    """Whatever happened to it; nothing is written to it."""
    damage(ledger)
    before = ledger.read_bytes() if ledger.exists() else None
    with pytest.raises(Refused, match=r"nothing was changed; `driftd restore DIR`"):
        open_ledger(ledger.parent)
    assert (ledger.read_bytes() if ledger.exists() else None) == before


def page_of_wal(ledger: Path, number: int, size: int = 4096) -> bytes:
    """The newest content of a page in the -wal file."""
    wal = ledger.with_name(f"{LEDGER}-wal").read_bytes()
    frames = [wal[at : at + 24 + size] for at in range(32, len(wal), 24 + size)]
    return next(frame[24:] for frame in reversed(frames) if int.from_bytes(frame[:4], "big") == number)


def half_written(tmp_path: Path) -> Path:
    """A copy of a ledger that is in use, whose checkpoint wrote the first page, and could not lengthen the file."""
    opened = open_ledger(tmp_path / "state")
    with opened.begin() as conn:
        for i in range(200):
            models.ensure(conn, f"m{i}")
    copy = shutil.copytree(tmp_path / "state", tmp_path / "copy")
    opened.close()
    path = copy / LEDGER
    path.write_bytes(page_of_wal(path, 1))
    return path


def test_what_a_checkpoint_could_not_write_is_in_the_wal(tmp_path):
    """A full disk keeps a checkpoint from lengthening the file: the ledger is whole, and opens once there is room."""
    path = half_written(tmp_path)
    opened = open_ledger(path.parent)
    with opened.connect() as conn:
        assert all(models.get(conn, f"m{i}") is not None for i in range(200))
    opened.close()


def test_what_is_in_no_wal_either_is_cut_off(tmp_path):
    """Pages of a -wal file that ends early, or was written for another ledger, make nothing whole."""
    path = half_written(tmp_path)
    wal = path.with_name(f"{LEDGER}-wal")
    os.truncate(wal, wal.stat().st_size // 2)
    with pytest.raises(Refused, match="cut off"):
        open_ledger(path.parent)


def test_a_ledger_without_its_wal_is_its_last_checkpoint_or_refused(tmp_path):
    """Before the first checkpoint nothing is left, which is not taken for a new ledger."""
    opened = open_ledger(tmp_path)
    copy = tmp_path / "copy"
    (copy / "versions/m").mkdir(parents=True)
    (copy / "versions/m/v0001-aaaaaaaa").mkdir()
    shutil.copy(tmp_path / LEDGER, copy)
    with pytest.raises(Refused, match="-wal file lost"):
        open_ledger(copy)
    with opened.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    with opened.begin() as conn:
        models.ensure(conn, "late")
    shutil.copy(tmp_path / LEDGER, copy)
    older = open_ledger(copy)
    with older.connect() as conn:
        assert models.get(conn, "late") is None
    older.close()
    opened.close()


def test_a_folder_that_a_kill_left_with_an_empty_ledger_begins_anew(tmp_path):
    """Nothing was lost: there is no work beside it."""
    (tmp_path / LEDGER).write_bytes(b"")
    open_ledger(tmp_path).close()


def test_a_state_folder_that_cannot_be_is_refused_with_the_way_out():
    """No traceback, and what to look at."""
    with (
        pytest.raises(Refused, match=r"cannot be written: .*; check \[service\] state_dir, its mount"),
        sole_owner(Path("/proc/nowhere/state")),
    ):
        pass
