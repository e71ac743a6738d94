"""How many files and rows there are, by state and kind: kept by triggers of the database (see migration 0006), so that
nobody counts a year of files.

Sums are kept for each thousand files by order of arrival, which makes "after file N" cheap too."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, func, select

from daemon.ledger.tables import file_totals, files

BUCKET = 1024  # as the triggers have it


def newest_seq(conn: Connection, model: str) -> int:
    """The number of the newest file by order of arrival; 0 before the first."""
    numbered = files.c.model == model, files.c.seq.is_not(None)
    return conn.scalar(select(files.c.seq).where(*numbered).order_by(files.c.seq.desc()).limit(1)) or 0


def newest_number(conn: Connection, model: str) -> int:
    """The number of the newest file among those of rows; 0 before the first."""
    numbered = files.c.model == model, files.c.number.is_not(None)
    return conn.scalar(select(files.c.number).where(*numbered).order_by(files.c.seq.desc()).limit(1)) or 0


def newest_numbers(conn: Connection, model: str) -> tuple[int, int]:
    """Both, in one statement."""
    numbered = select(files.c.seq, files.c.number).where(files.c.model == model, files.c.seq.is_not(None))
    newest = numbered.order_by(files.c.seq.desc()).limit(1).subquery()
    number = numbered.where(files.c.number.is_not(None)).order_by(files.c.seq.desc()).limit(1).subquery()
    row = conn.execute(select(select(newest.c.seq).scalar_subquery(), select(number.c.number).scalar_subquery())).one()
    return row[0] or 0, row[1] or 0


def newer_rows(conn: Connection, model: str, after_seq: int, looked_back: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions: an accepted file of rows that arrived after one, and is among so many newest."""
    newer = files.c.seq > max(after_seq, newest_seq(conn, model) - looked_back)
    return files.c.model == model, files.c.state == "accepted", files.c.kind == "rows", newer


def by_model(conn: Connection) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, tuple[int, int]]]]:
    """By model: files by state; and of accepted files, by kind, labelled rows and rows."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    labelled: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    key = file_totals.c.model, file_totals.c.state, file_totals.c.kind
    sums = (func.sum(file_totals.c[name]) for name in ("files", "labelled_rows", "rows"))
    for model, state, kind, number, with_label, rows in conn.execute(select(*key, *sums).group_by(*key)):
        if number:
            counts[model][state] = counts[model].get(state, 0) + number
        if state == "accepted":
            labelled[model][kind] = with_label, rows
    return counts, labelled


def accepted_rows(conn: Connection, model: str, up_to_seq: int | None = None) -> dict[str, tuple[int, int]]:
    """Of accepted files, by kind: labelled rows and rows."""
    whole = file_totals.c.model == model, file_totals.c.state == "accepted"
    sums = file_totals.c.kind, func.sum(file_totals.c.labelled_rows), func.sum(file_totals.c.rows)
    query = select(*sums).where(*whole).group_by(file_totals.c.kind)
    if up_to_seq is None:
        return {kind: (labelled, rows) for kind, labelled, rows in conn.execute(query)}
    bucket = up_to_seq // BUCKET
    found = {
        kind: (labelled, rows) for kind, labelled, rows in conn.execute(query.where(file_totals.c.bucket < bucket))
    }
    part = files.c.model == model, files.c.state == "accepted"
    within = files.c.seq >= bucket * BUCKET, files.c.seq <= up_to_seq
    last = select(files.c.kind, func.sum(files.c.labelled_rows), func.sum(files.c.rows))
    for kind, labelled, rows in conn.execute(last.where(*part, *within).group_by(files.c.kind)):
        before = found.get(kind, (0, 0))
        found[kind] = (before[0] + labelled, before[1] + rows)
    return found


def with_late(sums: Mapping[str, tuple[int, int]]) -> int:
    """Labelled rows, given labelled rows and rows by kind of file."""
    labelled, rows = sums.get("rows", (0, 0))
    late, _ = sums.get("labels", (0, 0))
    return int(labelled + min(late, rows - labelled))
