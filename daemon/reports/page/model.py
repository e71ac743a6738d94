"""A model's own view: how it does, what happened, its files, and what a person may do."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import Ledger, checks, cycles, promotions, quality, versions
from daemon.reading.rejects import printable
from daemon.reports.open_question import questions_of
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.ghosts import with_ghosts
from daemon.reports.page.moments import stamp
from daemon.reports.page.overview import model_facts, next_scheduled
from daemon.reports.page.quality import points, shown_kind
from daemon.reports.page.recommender import recommender_facts
from daemon.reports.status import status_json
from daemon.reports.timeline import timeline, with_iso_times
from retrain.records.cycle import Stage

SHOWN_POINTS, SHOWN_ENTRIES, MOST_ENTRIES, A_PAGE = 120, 20, 500, 40
STATES = ("accepted", "held", "refused", "duplicate", "superseded", "forgotten", "expired")


def view_of_model(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`status`, `explain` and `history` are what these commands print of it; `files` is a page of its files, newest
    first, with the number that the next page begins below. None where there is no such model."""
    name = asked.path[1]
    if name not in reader.config.models:
        return None
    status = status_json(reader.config, ledger, [name])
    (question,) = questions_of(reader.config, ledger, status["models"])
    model = status["models"][name]
    with ledger.connect() as conn:
        found = model_facts(conn, name, model, question, asked.now) | {"traffic": reader.traffic.get(name)}
        drawn = with_ghosts(conn, name, model["task"], points(conn, name, model["task"], SHOWN_POINTS))
        entries = timeline(conn, name, entries_asked_for(asked))
        columns = _moved(conn, name)
        evaluated = _evaluated(conn, name, model["champion"])
        importance = _importance(conn, name)
        listed = files_page(conn, name, asked.query)
        recommends = recommender_facts(conn, reader.paths, name, model, model["task"])
    soon = next_scheduled(reader.config, [name], asked.now)
    return {
        "view": "model", "model": name, "title": _title(name, found), "lede": _lede(model, found, soon),
        **found, "points": drawn, "status": {**status, "models": {name: model}}, "explain": question,
        "history": [with_iso_times(entry) for entry in entries], "columns": columns, "listed": listed,
        "recommender": recommends, "before_it": evaluated, "importance": importance,
        "scheduled": None if soon is None else {"at": soon[0], "kind": soon[1]},
    }  # fmt: skip


def entries_asked_for(asked: Asked) -> int:
    """How many entries of the timeline are shown."""
    return _number(asked.query.get("entries"), SHOWN_ENTRIES, MOST_ENTRIES)


def _number(text: str | None, otherwise: int, most: int) -> int:
    """A number of a query; what is none is as if it were not there."""
    return min(most, int(text)) if text and text.isascii() and text.isdigit() and len(text) < 16 else otherwise


def _title(name: str, found: Mapping[str, Any]) -> str:
    needed, word = found["needs"], found["state"]["word"]
    if needed:
        return f"{name} needs you: {', and '.join(need['words'] for need in needed[:2])}."
    return f"{name} is fine." if word == "fine" else f"{name}: {word}."


def _lede(model: Mapping[str, Any], found: Mapping[str, Any], soon: Any) -> str:
    """What is served since when, and why nothing is done, or what is."""
    champion, why = model["champion"], found["why"]
    serves = "It serves no version yet." if champion is None else (
        f"Serves {champion['version']}, promoted {stamp(champion['at'])}."
    )  # fmt: skip
    timed = "" if soon is None else f" Next {soon[1]} {stamp(soon[0])}."
    return f"{serves} {why[:1].upper()}{why[1:]}.{timed}"


def _evaluated(conn: Connection, name: str, champion: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What would be served after a roll-back: its version, and what its own evaluation came to; None for nothing."""
    if champion is None or champion["before"] is None:
        return None
    row = versions.named(conn, name, champion["before"])
    metrics = {} if row is None else row.metrics or {}
    return {"version": champion["before"], "value": (metrics.get("challenger") or {}).get("value")}


def _importance(conn: Connection, name: str) -> list[dict[str, Any]]:
    """How much worse the newest served version got, in the metric's unit, when each of its columns was shuffled among
    held-out rows; the largest first."""
    champion = promotions.champion(conn, name)
    row = None if champion is None else versions.named(conn, name, champion.newest)
    found = {} if row is None or row.cycle_id is None else cycles.result_of(conn, row.cycle_id, Stage.EVALUATE)
    known = (found.get("importance") or {}).items()
    return [{"name": column, "importance": value} for column, value in sorted(known, key=lambda item: -item[1])]


def _moved(conn: Connection, name: str) -> list[dict[str, Any]]:
    """The columns that the newest check found to have drifted, those that moved most first."""
    row = checks.latest(conn, name)
    if row is None:
        return []
    report = row.report
    found = [one for one in (*report.get("columns", ()), *report.get("outputs", ())) if one["drift"]]
    found.sort(key=lambda one: -(one.get("effect") or 0.0))
    return [
        {"name": one["name"], "effect": one.get("effect"), "sentence": one.get("sentence") or f"{one['name']} drifted"}
        for one in found
    ]


def files_page(conn: Connection, name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Files of a state or of all, below a number, newest first; `older` is the number to go on below, or None."""
    state = query.get("state")
    state = state if state in STATES else None
    before = _number(query.get("before"), 0, 2**62) or None
    rows = quality.page_of_files(conn, name, state, before, A_PAGE + 1)
    shown = rows[:A_PAGE]
    drifted = quality.drifted(conn, [row.id for row in shown])
    return {
        "state": state, "before": before, "older": shown[-1].id if len(rows) > A_PAGE else None,
        "files": [_file(row, drifted) for row in shown],
    }  # fmt: skip


def _file(row: Any, drifted: set[int]) -> dict[str, Any]:
    return {
        "path": printable(row.path), "name": row.path, "at": row.at, "state": row.state, "rows": row.rows,
        "labelled_rows": row.labelled_rows, "rejected": row.rejected, "reason": printable(row.reason),
        "kind": shown_kind(row, drifted),
    }  # fmt: skip
