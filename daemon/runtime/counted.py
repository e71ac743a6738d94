"""Which files a recommender's counters are made of, as a file beside the ledger: servers count by it while that is
away. The ledger is the truth; control writes the file after files of such a model were taken in or let go."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import files as ledger_files
from retrain import durable
from retrain.operations import AcceptedFile

ALL = 2**62


class CountedFile(msgspec.Struct, frozen=True, array_like=True):
    """An accepted file of rows; `snapshot` is below the state folder."""

    seq: int
    snapshot: str
    digest: str
    rows: int
    source: str
    accepted_at: float


class Counted(msgspec.Struct, frozen=True):
    """The files of a model in the order of arrival; of the newest accepted file of items its place in that order and
    its snapshot, None without one."""

    files: tuple[CountedFile, ...]
    items: tuple[int, str] | None = None


def counted(conn: Connection, model: str, items: str | None) -> Counted:
    """What the ledger says: the accepted files of rows, and the newest one of items at the path `items`."""
    rows = [row for row in ledger_files.usable(conn, model, ALL) if row.kind == "rows"]
    found = ledger_files.newest_items(conn, model, items) if items is not None else None
    return Counted(
        tuple(CountedFile(row.seq, row.snapshot, row.sha256, row.rows, row.source, row.accepted_at) for row in rows),
        None if found is None or found.seq is None or found.snapshot is None else (found.seq, found.snapshot),
    )


def describe_counted(paths: StatePaths, model: str, counted: Counted) -> None:
    """Write down what is counted, whole or not at all; OSError."""
    path = paths.counted(model)
    durable.make_folder(path.parent, "promoted.folder")
    durable.replace_file(path, msgspec.json.encode(counted), "counted")


def described_counted(paths: StatePaths, model: str) -> Counted | None:
    """What was written down last, less what was removed meanwhile; None where nothing was, or it cannot be understood.
    OSError where it cannot be read."""
    try:
        counted = msgspec.json.decode(paths.counted(model).read_bytes(), type=Counted)
    except (FileNotFoundError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    there = tuple(file for file in counted.files if (paths.state / file.snapshot).exists())
    items = counted.items if counted.items and (paths.state / counted.items[1]).exists() else None
    return Counted(there, items)


def accepted_files(state: Path, files: Iterable[CountedFile]) -> list[AcceptedFile]:
    """As the reader of logs takes them."""
    return [
        AcceptedFile(
            seq=file.seq, snapshot=state / file.snapshot, digest=file.digest, rows=file.rows, source=file.source,
            accepted_at=file.accepted_at,
        )
        for file in files
    ]  # fmt: skip
