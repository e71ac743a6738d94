"""Checks and the drift episodes that they open, extend and close."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger import groups
from daemon.ledger.rows import insert_or_update, insert_row, last_row, update_row
from daemon.ledger.tables import checks, episodes, files, json_text, newest_performance
from daemon.ledger.totals import newer_rows

LOOKED_BACK = 1000
KEPT_RESULTS = (
    "deployment", "version", "started_at", "seconds", "report", "performance", "estimated", "stream", "predictions",
)  # fmt: skip


def record(conn: Connection, model: str, kind: str, result: dict[str, Any], file_id: int | None) -> int:
    """Write a finished check; its id. What its labels come to follows once they are settled (`score`)."""
    report, performance, stream = result["report"], result["performance"], result["stream"]
    drifted = [c["name"] for c in (*report["columns"], *report.get("outputs", ())) if c["drift"]]
    values = {name: result[name] for name in KEPT_RESULTS}
    values |= {"model": model, "kind": kind, "file_id": file_id, "drift": report["drift"], "drifted": drifted}
    values["dropped"] = bool((performance and performance["dropped"]) or (stream and stream["dropped"]))
    found = {"estimated": result["estimated"]}
    if performance is not None and performance.get("settled", True):
        found["labelled"] = performance
    _keep_newest(conn, model, result["version"], found)
    return insert_row(conn, checks, values)


def answered(conn: Connection, model: str, last: int) -> Sequence[Any]:
    """The newest checks of accepted files when these came, oldest first: id, deployment, performance, predictions, and
    the file's seq, path and source. What later champions would have said of a file was answered to nobody."""
    columns = checks.c.id, checks.c.deployment, checks.c.performance, checks.c.predictions
    query = select(*columns, files.c.seq, files.c.path, files.c.source).join(files, checks.c.file_id == files.c.id)
    of_files = checks.c.model == model, checks.c.kind == "file", files.c.state == "accepted"
    wanted = *of_files, files.c.kind == "rows", checks.c.started_at <= files.c.at
    return conn.execute(query.where(*wanted).order_by(checks.c.id.desc()).limit(last)).all()[::-1]


def scores(conn: Connection, model: str, deployment: int, last: int) -> list[dict[str, Any]]:
    """What a deployment's answers to its newest files came to, by settled labels, oldest first."""
    found = [row.performance for row in answered(conn, model, last) if row.deployment == deployment]
    return [one for one in found if one is not None and one.get("settled") and one["value"] is not None]


def score(
    conn: Connection, model: str, check_id: int, performance: dict[str, Any], stream: dict[str, Any] | None
) -> None:
    """What was answered came to this; `stream` is what the detector saw, None where it was not asked."""
    if stream is None:  # the report beside it is long, and nobody needs it
        stream = conn.scalar(select(checks.c.stream).where(checks.c.id == check_id))
    dropped = bool(performance["dropped"] or (stream and stream["dropped"]))
    is_there = update_row(conn, checks, check_id, performance=performance, stream=stream, dropped=dropped)
    if not is_there or performance["value"] is None:
        return
    version = performance["version"]
    own = newest_performance.c.model == model, newest_performance.c.version == version
    before = conn.scalar(select(newest_performance.c.labelled).where(*own)) or {}
    if before.get("files", [0])[-1] <= performance["files"][-1]:
        _keep_newest(conn, model, version, {"labelled": performance})


def files_of(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """By check, the path of its file."""
    query = select(checks.c.id, files.c.path).join(files, checks.c.file_id == files.c.id)
    return {row.id: row.path for row in conn.execute(query.where(checks.c.id.in_(ids)))}


def get(conn: Connection, check_id: int) -> Row[Any] | None:
    """One check with its report."""
    return conn.execute(select(checks).where(checks.c.id == check_id)).first()


def latest(conn: Connection, model: str) -> Row[Any] | None:
    """The newest check of a model."""
    return last_row(conn, checks, checks.c.model == model)


def latest_performances(conn: Connection, model: str) -> dict[str, dict[str, dict[str, Any] | None]]:
    """By version, its newest performance on its own, `labelled` and `estimated`; None where no check has a value."""
    rows = conn.execute(select(newest_performance).where(newest_performance.c.model == model))
    return {row.version: {"labelled": row.labelled, "estimated": row.estimated} for row in rows}


def _keep_newest(conn: Connection, model: str, version: str, found: dict[str, Any]) -> None:
    """Remember the performances that have a value in place of those before."""
    values = {name: estimate for name, estimate in found.items() if estimate and estimate.get("value") is not None}
    if values:
        own = {"model": model, "version": version}
        insert_or_update(conn, newest_performance, list(own), own | values, values)


def untested(conn: Connection, file_ids: Sequence[int]) -> dict[int, str]:
    """By file, why its newest check could test nothing; without files of which something was tested."""
    reason = json_text(conn, checks.c.report, "untested")
    query = select(checks.c.file_id, reason).where(checks.c.file_id.in_(file_ids)).order_by(checks.c.id)
    return {file_id: why for file_id, why in conn.execute(query) if why is not None}


def unchecked(conn: Connection, model: str, deployment: int, after_seq: int, last: int) -> Sequence[Row[Any]]:
    """The newest accepted files of rows that arrived after `after_seq` and that this deployment has not judged,
    oldest first. Looks back over 1,000 files."""
    judged = select(checks.c.id).where(checks.c.file_id == files.c.id, checks.c.deployment == deployment)
    wanted = *newer_rows(conn, model, after_seq, LOOKED_BACK), ~judged.exists()
    return conn.execute(select(files).where(*wanted).order_by(files.c.seq.desc()).limit(last)).all()[::-1]


def open_episode(conn: Connection, model: str) -> int | None:
    """The id of the drift that has not ended."""
    row = _open_episode(conn, model)
    return None if row is None else int(row.id)


def _open_episode(conn: Connection, model: str) -> Row[Any] | None:
    return last_row(conn, episodes, episodes.c.model == model, episodes.c.closed_at.is_(None))


def drifts(conn: Connection, model: str, check_id: int, columns: list[str], now: float) -> int | None:
    """With this check a drift begins or goes on; the id of an episode that begins."""
    row = _open_episode(conn, model)
    if row is None:
        key = insert_row(conn, episodes, {"model": model, "opened_at": now, "columns": columns})
    else:
        key, all_columns = row.id, list(dict.fromkeys([*row.columns, *columns]))
        update_row(conn, episodes, key, columns=all_columns, checks=row.checks + 1)
    update_row(conn, checks, check_id, episode_id=key)
    return key if row is None else None


def drifts_no_more(conn: Connection, model: str, check_id: int, now: float) -> int | None:
    """This check found nothing; the id of the episode that ends with it."""
    row = _open_episode(conn, model)
    if row is None:
        return None
    update_row(conn, episodes, row.id, closed_at=now)
    update_row(conn, checks, check_id, episode_id=row.id)
    return int(row.id)


def end_open_episode(conn: Connection, model: str, now: float) -> None:
    """A new champion has a new reference: what drifted against the old one, or did worse than under it, is over."""
    unfinished = episodes.c.model == model, episodes.c.closed_at.is_(None)
    conn.execute(update(episodes).where(*unfinished).values(closed_at=now))
    groups.end_open_episodes(conn, model, now)
