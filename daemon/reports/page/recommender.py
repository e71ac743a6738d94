"""What a recommender's view says that no other's does: what its lists are like, and how old its counters are."""

import contextlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import cycles, files, versions
from daemon.reports.page.moments import time_element
from daemon.runtime.spool import CLOSED, OPEN
from drift.notation import number, percent, score

Facts = Mapping[str, Any]


def recommender_facts(
    conn: Connection, paths: StatePaths, name: str, model: Mapping[str, Any], task: str
) -> dict[str, Any] | None:
    """`lists` as the newest version's evaluation found them (coverage, Gini of exposure, share of fallback answers),
    `newest_event` in Unix seconds, and of the newest file `popularity`, the NDCG of the best popularity alone; None
    each where that is not known; of another task None."""
    if task != "recommendation":
        return None
    champion = model["champion"]
    served = None if champion is None else champion["in_service"]
    return {
        "lists": None if champion is None else _lists(conn, name, champion["newest"]),
        "newest_event": _newest_event(conn, paths, name),
        "popularity": max(served["popularity"]) if served and served.get("popularity") else None,
    }


def recommender_lines(found: Facts | None, now: float) -> list[tuple[str, Any]]:
    """Names and values for the list of what is now."""
    if found is None:
        return []
    lines: list[tuple[str, Any]] = []
    if found["popularity"] is not None:
        lines.append(("popularity alone", score(found["popularity"])))
    if (lists := found["lists"]) is not None:
        lines += [
            ("coverage", f"{percent(lists['coverage'])} of all items (Gini of exposure {number(lists['gini'])})"),
            ("fallback", f"{percent(lists['fallback_share'])} of lists from popularity alone"),
        ]
    newest = found["newest_event"]
    lines.append(("newest event", "none yet" if newest is None else time_element(newest, now)))
    return lines


def _lists(conn: Connection, name: str, version: str) -> dict[str, Any] | None:
    cycle = next((row.cycle_id for row in versions.listed(conn, name) if row.name == version), None)
    found = {} if cycle is None else cycles.results(conn, cycle).get("evaluate") or {}
    return found.get("lists")


def _newest_event(conn: Connection, paths: StatePaths, name: str) -> float | None:
    """Of files that were taken in and, by when it was written, of what was posted since: counters have both."""
    folder, known = paths.model(name).spool, [files.newest_time(conn, name)]
    with contextlib.suppress(OSError):  # nothing was posted, or it was taken in meanwhile
        known += [path.stat().st_mtime for path in folder.rglob("*") if path.suffix in (OPEN, CLOSED)]
    return max((at for at in known if at is not None), default=None)
