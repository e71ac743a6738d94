"""What was served came to, file by file: for charts of quality over time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from daemon.ledger.files import newest_of_state
from daemon.ledger.rows import last_row
from daemon.ledger.tables import assessments, checks, files

OF_FILES = files.c.kind == "rows", checks.c.kind == "file", checks.c.started_at <= files.c.at
"""The check of a file when it came; what later champions would have said of it was answered to nobody."""
USED = ("accepted", "held", "forgotten", "expired")


def of_answers(conn: Connection, model: str, last: int) -> Sequence[Any]:
    """The newest checks of files when these came, oldest first: version, performance, estimate, verdict and columns,
    with the file's id, path and time."""
    columns = (
        checks.c.id, checks.c.version, checks.c.performance, checks.c.estimated, checks.c.drift, checks.c.dropped,
        checks.c.drifted, files.c.id.label("file_id"), files.c.path, files.c.at, files.c.last_time, files.c.state,
        files.c.rows,
    )  # fmt: skip
    query = select(*columns).join(files, checks.c.file_id == files.c.id).where(checks.c.model == model, *OF_FILES)
    return conn.execute(query.order_by(checks.c.id.desc()).limit(last)).all()[::-1]


def of_assessments(conn: Connection, model: str, last: int) -> Sequence[Any]:
    """The newest assessed files, oldest first: what was found, with the file's id, path and time."""
    columns = assessments.c.found, files.c.id.label("file_id"), files.c.path, files.c.at, files.c.last_time
    same = (files.c.model == assessments.c.model) & (files.c.seq == assessments.c.seq)
    wanted = assessments.c.model == model, assessments.c.kind == "file"
    query = select(*columns, files.c.state, files.c.rows).join(files, same).where(*wanted)
    return conn.execute(query.order_by(assessments.c.seq.desc()).limit(last)).all()[::-1]


def drifted(conn: Connection, file_ids: Sequence[int]) -> set[int]:
    """Those files whose newest check found drift."""
    query = select(checks.c.file_id, checks.c.drift).where(checks.c.file_id.in_(file_ids)).order_by(checks.c.id)
    newest = {row.file_id: row.drift for row in conn.execute(query)}
    return {file for file, drift in newest.items() if drift}


def page_of_files(conn: Connection, model: str, state: str | None, before: int | None, most: int) -> Sequence[Any]:
    """Files, newest first, those of a state and with smaller ids than `before` where these are given."""
    wanted: list[ColumnElement[bool]] = [files.c.model == model]
    wanted += [] if before is None else [files.c.id < before]
    if state is not None:
        wanted = [files.c.id.in_(newest_of_state(model, state, most, before))]
    return conn.execute(select(files).where(*wanted).order_by(files.c.id.desc()).limit(most)).all()


def file_at(conn: Connection, model: str, path: str) -> Any | None:
    """The newest file at a path; None where there never was one."""
    return last_row(conn, files, files.c.model == model, files.c.path == path)


def check_of_file(conn: Connection, file_id: int) -> Any | None:
    """The newest check of a file, with its report; None before the first."""
    return last_row(conn, checks, checks.c.file_id == file_id)


def path_of_snapshot(conn: Connection, model: str, snapshot: str) -> str | None:
    """The path of the newest file that a snapshot was read of, as it is stored; None where it is not known."""
    wanted = files.c.model == model, files.c.state.in_(USED), files.c.snapshot == snapshot
    found = [(row.id, str(row.path)) for row in conn.execute(select(files.c.id, files.c.path).where(*wanted))]
    return max(found)[1] if found else None
