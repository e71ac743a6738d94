"""Is this file the ledger that it should be? Empty, cut off, damaged and foreign ones are refused with the way back."""

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from daemon.config.paths import StatePaths
from retrain.records.errors import Refused

MAGIC = b"SQLite format 3\0"
CHECKED_BYTES = 256 * 2**20
"""A longer ledger is not read whole at each start; `driftd doctor` and `driftd backup` do."""
WAY_BACK = "`driftd restore DIR` brings a backup back, or move the whole state folder away to begin anew"
MOVE = "`driftd migrate-state` moves it there"
BUSY_S = 10.0
WAL_HEADER, FRAME_HEADER = 32, 24
"""Bytes before the frames of a -wal file, and before the page of each."""


class OlderLedger(Refused):
    """It is of an older driftd: who only reads it does not migrate it."""


def older(place: object, found: str | None) -> OlderLedger:
    """The refusal of a ledger with the schema of before."""
    return OlderLedger(f"{place} has the older schema {found}", "start the service once: it migrates the ledger")


def refuse_unfinished_restore(state_dir: Path) -> None:
    """Refused where a restore was interrupted: the folder holds parts of two states."""
    if StatePaths(state_dir).restoring.exists():
        raise Refused(f"a restore of {state_dir} was interrupted", "run `driftd restore DIR` again")


def refuse_missing(path: Path) -> None:
    """Refused where the ledger is missing and what it described is not: a new one would know nothing of it."""
    if holds_work(path.parent):
        raise Refused(f"{path} is missing, but its snapshots or versions are there; nothing was changed", WAY_BACK)


def refuse_cut_off(path: Path) -> None:
    """Refused where the file is no SQLite file, or shorter than it says itself and its -wal file does not have the rest
    (a checkpoint on a full disk writes the first page and cannot lengthen the file); reads 100 bytes, as a rule."""
    with path.open("rb") as file:
        header = file.read(100)
    size = path.stat().st_size
    if not size:
        if holds_work(path.parent):
            raise damaged(path, "it is empty")
        return
    if not header.startswith(MAGIC):
        raise damaged(path, "it is no SQLite file")
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    is_current = header[24:28] == header[92:96]
    if is_current and size < pages * page and not _has_pages(in_wal(path, page), size // page + 1, pages):
        raise damaged(path, f"it is cut off: {size:,} of {pages * page:,} bytes")


def _has_pages(found: set[int], first: int, last: int) -> bool:
    """Whether all pages between are found; a damaged header may claim billions of them."""
    return last - first < len(found) and all(number in found for number in range(first, last + 1))


def in_wal(path: Path, page: int) -> set[int]:
    """The numbers of the pages that the ledger's -wal file has, as long as these are (https://sqlite.org/fileformat.html,
    4.1: frames count whose salt is that of the file's header)."""
    found = set[int]()
    with contextlib.suppress(FileNotFoundError), path.with_name(f"{path.name}-wal").open("rb") as file:
        header = file.read(WAL_HEADER)
        while len(frame := file.read(FRAME_HEADER)) == FRAME_HEADER and frame[8:16] == header[16:24]:
            found.add(int.from_bytes(frame[:4], "big"))
            file.seek(page, os.SEEK_CUR)
    return found


def refuse_foreign(path: Path) -> None:
    """Refused where the tables are not ours, or none where there is work: its -wal file was lost."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = {row[0] for row in found}
    except sqlite3.OperationalError:
        return  # who may not read it, or locks it, gets an error at the next step
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from None
    if {"alembic_version", "models", "files"} <= names:
        return
    if names:
        raise foreign(path)
    if holds_work(path.parent):
        raise damaged(path, "it has no tables; was its -wal file lost?")


def refuse_broken(engine: Engine, path: Path) -> None:
    """Refused where SQLite finds fault with the file's pages."""
    if path.stat().st_size > CHECKED_BYTES:
        return
    with engine.connect() as connection:
        answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if answer != "ok":
        raise damaged(path, str(answer).splitlines()[-1])


def integrity(path: Path) -> str:
    """What SQLite says of a closed ledger file, read whole: "ok", or what is wrong; changes and makes nothing."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    if broken is not None:
        return f"a row of {broken[0]} refers to one that is missing"
    return "ok" if found == ["ok"] else "; ".join(found)


def damaged(path: Path, why: str) -> Refused:
    """The refusal of a damaged ledger."""
    return Refused(f"{path} is damaged: {why}; nothing was changed", WAY_BACK)


def foreign(path: Path) -> Refused:
    """The refusal of somebody else's file."""
    return Refused(f"{path} is a SQLite file, but no ledger of driftd; nothing was changed", WAY_BACK)


def holds_work(state_dir: Path) -> bool:
    """Whether the folder holds snapshots or versions, which mean nothing without a ledger."""
    paths = StatePaths(state_dir)
    found = (path for folder in (paths.snapshots, paths.versions) for path in folder.glob("*/*"))
    return next(found, None) is not None
