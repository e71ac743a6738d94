"""Files of the prediction log, and which of their answers became data files."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from daemon.ledger.rows import insert_row, last_rows, update_row
from daemon.ledger.tables import files, prediction_log

LogRow = Row[Any]
MOST_ROWS = 500_000
LEAST_BYTES = 64 * 2**10
"""A file takes at least so much of what may be kept, so that small ones do not pile up without end."""


@dataclass(frozen=True)
class Unit:
    """What is let go of together: files of the log and, if they became one, the data file."""

    rows: tuple[LogRow, ...]
    data_file: str | None
    bytes: int

    @property
    def pending(self) -> bool:
        """Whether its data file is being taken in just now."""
        return self.data_file is not None and any(row.taken_at is None for row in self.rows)


def record(conn: Connection, model: str, path: str, segments: Sequence[str], result: dict[str, Any], now: float) -> int:
    """A file was published; it holds all rows of these segments."""
    kept = ("digest", "rows", "answers", "bytes", "first_time", "last_time")
    values = {"model": model, "path": path, "segments": list(segments), "at": now}
    return insert_row(conn, prediction_log, values | {name: result[name] for name in kept})


def recorded(conn: Connection, model: str, segments: Collection[str]) -> set[str]:
    """Which of these segments any file of the log was made of."""
    if not segments:
        return set()
    query = select(prediction_log.c.segments).where(prediction_log.c.model == model)
    return {name for names in conn.scalars(query) for name in names}.intersection(segments)


def paths(conn: Connection, model: str) -> set[str]:
    """Of all files of the log."""
    return set(conn.scalars(select(prediction_log.c.path).where(prediction_log.c.model == model)))


def waiting(conn: Connection, model: str) -> tuple[int, float | None]:
    """Answers that are in no data file yet, and the time of the oldest."""
    wanted = prediction_log.c.model == model, prediction_log.c.data_file.is_(None), prediction_log.c.answers > 0
    columns = func.coalesce(func.sum(prediction_log.c.answers), 0), func.min(prediction_log.c.first_time)
    row = conn.execute(select(*columns).where(*wanted)).one()
    return int(row[0]), row[1]


def assigned(conn: Connection, model: str) -> Sequence[LogRow]:
    """The files whose answers were meant for a data file that is not taken in yet; of one data file."""
    wanted = prediction_log.c.model == model, prediction_log.c.taken_at.is_(None)
    first = select(prediction_log.c.data_file).where(*wanted, prediction_log.c.data_file.is_not(None))
    name = conn.scalar(first.order_by(prediction_log.c.id).limit(1))
    if name is None:
        return []
    return last_rows(conn, prediction_log, None, *wanted, prediction_log.c.data_file == name)


def assign(conn: Connection, model: str, data_file: str, least_rows: int) -> bool:
    """Mean the oldest waiting answers, at most half a million where files are not longer, for a data file; no where
    there are fewer than `least_rows`."""
    rows = last_rows(conn, prediction_log, None, prediction_log.c.model == model, prediction_log.c.data_file.is_(None))
    chosen: list[int] = []
    total = 0
    for row in rows:
        if chosen and total + row.answers > MOST_ROWS:
            break
        chosen.append(row.id)
        total += row.answers
    if total < max(1, least_rows):
        return False
    conn.execute(update(prediction_log).where(prediction_log.c.id.in_(chosen)).values(data_file=data_file))
    return True


def taken(conn: Connection, model: str, data_file: str, now: float) -> None:
    """The data file was dealt with."""
    meant = prediction_log.c.model == model, prediction_log.c.data_file == data_file
    conn.execute(update(prediction_log).where(*meant).values(taken_at=now))


def of_data_files(conn: Connection, model: str, names: Collection[str]) -> dict[str, list[str]]:
    """By data file, the files of the log that it was made of, in their order."""
    found: dict[str, list[str]] = {}
    columns = prediction_log.c.path, prediction_log.c.data_file
    meant = prediction_log.c.model == model, prediction_log.c.data_file.in_(names)
    for row in conn.execute(select(*columns).where(*meant).order_by(prediction_log.c.id)) if names else ():
        found.setdefault(row.data_file, []).append(row.path)
    return found


def units(conn: Connection, model: str) -> list[Unit]:
    """What may be let go of, oldest first."""
    rows = last_rows(conn, prediction_log, None, prediction_log.c.model == model)
    live = files.c.model == model, files.c.source == "traffic", files.c.snapshot.is_not(None)
    sizes = {row.path: row.size for row in conn.execute(select(files.c.path, files.c.size).where(*live))}
    grouped: dict[Any, list[LogRow]] = {}
    for row in rows:
        grouped.setdefault(row.data_file if row.data_file is not None else row.id, []).append(row)
    found = []
    for key, members in grouped.items():
        name = key if isinstance(key, str) else None
        total = sum(max(LEAST_BYTES, row.bytes) for row in members) + sizes.get(name, 0)
        found.append(Unit(tuple(members), name, total))
    return found


def expire(conn: Connection, model: str, unit: Unit) -> None:
    """Let go of a unit: its rows leave every window. The snapshot is removed later: someone may be reading it."""
    conn.execute(delete(prediction_log).where(prediction_log.c.id.in_([row.id for row in unit.rows])))
    if unit.data_file is not None:
        mine = files.c.model == model, files.c.path == unit.data_file, files.c.source == "traffic"
        states = files.c.state.in_(("accepted", "held"))
        values = {"state": "expired", "reason": "beyond prediction_log.keep"}
        conn.execute(update(files).where(*mine, states).values(**values))


def snapshot_removed(conn: Connection, file_id: int) -> None:
    """Nothing is left of an expired file."""
    update_row(conn, files, file_id, snapshot=None)


def total(conn: Connection, model: str) -> dict[str, Any]:
    """How much is kept, as people read it."""
    columns = (
        func.coalesce(func.sum(prediction_log.c.rows), 0), func.coalesce(func.sum(prediction_log.c.bytes), 0),
        func.min(prediction_log.c.first_time),
    )  # fmt: skip
    rows, size, first = conn.execute(select(*columns).where(prediction_log.c.model == model)).one()
    return {"rows": int(rows), "bytes": int(size), "since": first}
