"""Looks at the snapshots that the ledger names: whether each is there and is what its name says; and at what is on its
way from or to an object store."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.ledger import files
from daemon.reading.digest import file_digest
from daemon.runtime.fetching import Fetching, fetching_sentence
from drift.notation import counted

READ_BYTES = 4 * 10**9
"""So much is read of the newest snapshots of each model; a byte too many shows in all."""
MAGIC = b"PAR1"
SHOWN = 3
RECENT_S = 60.0
WAY_OUT = "`driftd restore DIR` brings a backup's back; or `driftd forget FILE`, and drop the file again"


def snapshots_told(conn: Connection, config: Config, name: str) -> Iterator[tuple[str, str, str]]:
    """Level, finding and way out of a model's snapshots."""
    named = files.kept_snapshots(conn, name)
    wrong, unread, left = [], 0, READ_BYTES
    for snapshot in named:  # the newest first
        path = config.state_dir / snapshot
        try:
            size = path.stat().st_size
            if size > left:
                unread += 1
            if why := _wrong(path, size <= left):
                wrong.append(f"{snapshot} {why}")
            left -= min(size, left)
        except FileNotFoundError:
            wrong.append(f"{snapshot} is gone")
        except OSError as error:
            wrong.append(f"{snapshot} cannot be read: {error.strerror}")
    for what in wrong[:SHOWN]:
        yield "error", f"{name}: {what}", WAY_OUT
    if len(wrong) > SHOWN:
        yield "error", f"{name}: {counted(len(wrong) - SHOWN, 'more snapshot')} like these", WAY_OUT
    if named and not wrong:
        which = f"; only the ends of {unread:,} older ones were looked at" if unread else ""
        yield "ok", f"{name}: {counted(len(named), 'snapshot')} as published{which}", ""


def store_told(config: Config, now: float) -> Iterator[tuple[str, str, str]]:
    """How far a fetch is, and what waits on this host's disk to be uploaded, at a moment in Unix seconds."""
    with suppress(OSError, ValueError, TypeError):
        if now - config.paths.fetching.stat().st_mtime < RECENT_S:
            yield "ok", fetching_sentence(Fetching(**json.loads(config.paths.fetching.read_bytes()))), ""
    sizes = [path.stat() for path in config.paths.uploads.glob("*/*/*.jsonl")]
    late = [one for one in sizes if now - one.st_mtime > RECENT_S]
    if late:
        size = sum(one.st_size for one in late)
        what = f"{counted(len(late), 'segment')} of what servers here wrote down, {size:,} bytes, wait to be uploaded"
        yield "warning", what, "they go up once `driftd serve` runs here and the store takes them"


def _wrong(path: Path, whole: bool) -> str:
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
        file.seek(-len(MAGIC), 2)
        if (begin, file.read(len(MAGIC))) != (MAGIC, MAGIC):
            return "differs from what was published"
    return "" if not whole or file_digest(path).startswith(path.stem) else "differs from what was published"
