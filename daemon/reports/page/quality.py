"""Quality of what was served, file by file, and what became of the newest files."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import assessments, files, quality
from daemon.reading.rejects import printable

NEWEST_FILES = 40
SHOWN = {"held": "held", "refused": "refused", "forgotten": "refused"}
"""Of states of files, how they are drawn; all others are "clean", or "drift" where their check found it."""


def points(conn: Connection, model: str, task: str, last: int) -> list[dict[str, Any]]:
    """Of the newest files that were judged, oldest first: `value` with its 95 % `interval` on labels, else `estimated`
    ones with theirs; None where there is neither."""
    if task == "recommendation":
        return [_assessed(row) for row in quality.of_assessments(conn, model, last)]
    return [_answered(row) for row in quality.of_answers(conn, model, last)]


def _answered(row: Any) -> dict[str, Any]:
    measured, estimate = row.performance or {}, row.estimated or {}
    return _place(row) | {
        "version": row.version, "metric": measured.get("metric") or estimate.get("metric"), "rows": row.rows,
        "value": measured.get("value"), "interval": measured.get("interval"), "labelled": measured.get("rows"),
        "settled": measured.get("settled", True) if measured else None,
        "estimated": estimate.get("value"), "estimated_interval": estimate.get("interval"),
        "drift": row.drift, "drifted": row.drifted, "dropped": row.dropped,
    }  # fmt: skip


def _assessed(row: Any) -> dict[str, Any]:
    found = assessments.score_of(row.found)
    nothing = dict.fromkeys(("interval", "settled", "estimated", "estimated_interval"))
    return _place(row) | {
        "version": row.found.get("newest"), "metric": found["metric"], "rows": row.rows, "value": found["value"],
        "labelled": found["rows"], **nothing, "drift": False, "drifted": [], "dropped": False,
    }  # fmt: skip


def _place(row: Any) -> dict[str, Any]:
    return {"file": printable(row.path), "at": row.at, "state": row.state}


def now_of(found: list[dict[str, Any]], champion: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The newest value, measured where there is one, else estimated; beside that of the evaluation. None without."""
    newest = next((one for one in reversed(found) if one["value"] is not None or one["estimated"] is not None), None)
    evaluated = None if champion is None else champion["value"]
    if newest is None:
        return (
            None if evaluated is None else _now(champion["metric"] if champion else None, None, None, False, evaluated)
        )
    is_estimate = newest["value"] is None
    value, interval = (
        (newest["estimated"], newest["estimated_interval"]) if is_estimate else (newest["value"], newest["interval"])
    )
    return _now(newest["metric"], value, interval, is_estimate, evaluated)


def _now(
    metric: str | None, value: float | None, interval: Any, is_estimate: bool, evaluated: float | None
) -> dict[str, Any]:
    return {"metric": metric, "value": value, "interval": interval, "estimated": is_estimate, "evaluated": evaluated}


def newest_files(conn: Connection, model: str) -> list[dict[str, Any]]:
    """The newest files of rows, oldest first: `kind` is "clean", "drift", "held" or "refused"."""
    rows = files.listed(conn, model, None, NEWEST_FILES)
    drifted = quality.drifted(conn, [row.id for row in rows])
    return [
        {"file": printable(row.path), "at": row.at, "state": row.state,
         "kind": shown_kind(row, drifted)}
        for row in rows
    ]  # fmt: skip


def shown_kind(row: Any, drifted: set[int]) -> str:
    """How a file is drawn: "clean", "drift", "held" or "refused"."""
    return SHOWN.get(row.state, "drift" if row.id in drifted else "clean")
