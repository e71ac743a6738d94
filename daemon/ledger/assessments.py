"""The assessment of each labelled file, and what was proposed to be served; see `retrain.monitoring.assessment`."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from daemon.ledger.rows import last_row
from daemon.ledger.tables import assessments, files, models
from daemon.ledger.totals import newer_rows
from retrain.records.assessment import Assessment

MOST_CANDIDATES = 60
LOOKED_BACK = 2000
AT_ONCE = 500
"""Rows that one statement names."""


def candidates(conn: Connection, model: str, after_seq: int) -> list[int]:
    """The newest accepted files of rows after one, at most 60 dropped ones and 60 of live traffic, that no assessment
    was made of; ascending. Looks back over 2,000 files."""
    done = select(assessments.c.id).where(assessments.c.model == model, assessments.c.seq == files.c.seq)
    wanted = *newer_rows(conn, model, after_seq, LOOKED_BACK), ~done.exists()
    found: list[int] = []
    for kept in (files.c.source == "traffic", files.c.source != "traffic"):
        query = select(files.c.seq).where(*wanted, kept).order_by(files.c.seq.desc())
        found += conn.scalars(query.limit(MOST_CANDIDATES))
    return sorted(found)


def record(conn: Connection, model: str, deployment: int, result: dict[str, Any], now: float, after: int = 0) -> None:
    """Write what the operation found; only the newest proposal is kept. Where the result has `keys`, these are all that
    holds of the files after one: what is not among them goes, and what was found again takes its place."""
    entries = [("file", one["seq"], one) for one in result["assessments"]]
    entries += [("skipped", seq, None) for seq in result["skipped"]]
    entries = [*sorted(entries, key=lambda entry: entry[1]), ("proposal", None, result["proposal"])]
    if result.get("keys") is not None:
        _remove_others(conn, model, after, {int(seq) for seq in result["keys"]} - {seq for _, seq, _ in entries})
    alike = {"model": model, "deployment": deployment, "at": now}
    rows = [{**alike, "kind": kind, "seq": seq, "found": found} for kind, seq, found in entries]
    conn.execute(insert(assessments), rows)
    # last: a database may give the number of a row that is gone again, and a proposal of that number was looked at
    proposals = assessments.c.model == model, assessments.c.kind == "proposal"
    newest = select(func.max(assessments.c.id)).where(*proposals).scalar_subquery()
    conn.execute(delete(assessments).where(*proposals, assessments.c.id < newest))


def _remove_others(conn: Connection, model: str, after: int, holding: Collection[int]) -> None:
    """Of the files after one, all but these."""
    newer = assessments.c.model == model, assessments.c.seq > after
    rows = conn.execute(select(assessments.c.id, assessments.c.seq).where(*newer)).all()
    gone = [row.id for row in rows if row.seq not in holding]
    for start in range(0, len(gone), AT_ONCE):
        conn.execute(delete(assessments).where(assessments.c.id.in_(gone[start : start + AT_ONCE])))


def found_after(conn: Connection, model: str, after: int) -> dict[int, dict[str, Any]]:
    """By seq the assessments of the files after one, as they were found."""
    wanted = assessments.c.model == model, assessments.c.seq > after, assessments.c.kind == "file"
    return {row[0]: row[1] for row in conn.execute(select(assessments.c.seq, assessments.c.found).where(*wanted))}


def proposal_at(conn: Connection, model: str, seq: int) -> dict[str, Any] | None:
    """What was proposed by the labels of the files up to one; None where no assessment says it."""
    wanted = assessments.c.model == model, assessments.c.seq <= seq, assessments.c.kind == "file"
    query = select(assessments.c.found).where(*wanted).order_by(assessments.c.seq.desc()).limit(1)
    found: dict[str, Any] = conn.scalar(query) or {}
    return found.get("proposal")


def newer_than(conn: Connection, model: str, after: int) -> tuple[Assessment, ...]:
    """Assessments of the files after one, by seq."""
    wanted = assessments.c.model == model, assessments.c.seq > after, assessments.c.kind == "file"
    columns = assessments.c.id, assessments.c.found
    rows = conn.execute(select(*columns).where(*wanted).order_by(assessments.c.seq))
    return tuple(Assessment.from_json(row.id, row.found) for row in rows)


def proposal(conn: Connection, model: str) -> tuple[int, dict[str, Any] | None]:
    """The newest proposal and its id; 0 and None before the first."""
    row = last_row(conn, assessments, assessments.c.model == model, assessments.c.kind == "proposal")
    return (0, None) if row is None else (row.id, row.found)


def newest_label_file(conn: Connection, model: str) -> int:
    """The seq of the newest accepted file of labels; 0 without one."""
    wanted = files.c.model == model, files.c.state == "accepted", files.c.kind == "labels"
    return conn.scalar(select(func.max(files.c.seq)).where(*wanted)) or 0


def newest_found(conn: Connection) -> dict[str, dict[str, Any]]:
    """By model, what the assessment of its newest assessed file found."""
    table = assessments.c
    mine = select(table.id).where(table.model == models.c.name, table.kind == "file", table.seq.is_not(None))
    newest = mine.order_by(table.seq.desc()).limit(1).correlate(models).scalar_subquery()
    query = select(models.c.name, table.found).select_from(models.join(assessments, table.id == newest))
    return {row.name: row.found for row in conn.execute(query)}


def newest_scores(conn: Connection, model: str) -> dict[str, dict[str, Any]]:
    """By version, how the newest file that was assessed while it was the newest one came out: {"metric", "value",
    "rows", "popularity"}, the last by half-life where recommendations are judged, else None."""
    wanted = assessments.c.model == model, assessments.c.kind == "file", assessments.c.seq.is_not(None)
    query = select(assessments.c.found).where(*wanted).order_by(assessments.c.seq.desc()).limit(LOOKED_BACK)
    found: dict[str, dict[str, Any]] = {}
    for one in conn.scalars(query):
        found.setdefault(one.get("newest", ""), score_of(one))
    return found


def score_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """How an assessed file came out."""
    entry = {"metric": found["metric"], "value": found["score"], "rows": found["rows"]}
    return entry | {"popularity": found.get("popularity")}
