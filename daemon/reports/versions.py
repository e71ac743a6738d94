"""A model's versions: how each was made and evaluated, what it came to, and which ones answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.ledger import assessments, checks, cycles, forecasts, promotions, trials
from daemon.ledger import versions as stored
from daemon.reports.forecast import in_interval
from daemon.reports.forgotten import since_made
from daemon.reports.iso import iso
from daemon.reports.timeline import roll_back_json
from daemon.reports.trial import trial_json
from drift.notation import score, signed
from retrain.records.deployment import Champion
from retrain.store.versions import is_pinned

NO_PERFORMANCE = {"labelled": None, "estimated": None}


def versions_of(conn: Connection, config: Config, model: str) -> list[tuple[Any, dict[str, Any]]]:
    """By version, oldest first, the ledger's row and what `driftd versions --json` prints of it."""
    rows, champion = stored.listed(conn, model), promotions.champion(conn, model)
    tried, task = trials.by_version(conn, model), config.models[model].task
    trial_facts = {name: trial_json(conn, model, task, trial) for name, trial in tried.items()}
    latest = _latest(conn, model, task)
    foretold, came_to = forecasts.foretold_of(conn, model), forecasts.realised_of(conn, model)
    undone = {one.version: roll_back_json(conn, model, one) for one in promotions.roll_backs(conn, model)}
    served = set() if champion is None else served_versions(rows, champion)
    pinned, adopted = config.models[model].retention.pinned, cycles.adoptions(conn, model)
    folders = config.paths.model(model)
    return [
        (
            row,
            _version(row, served, pinned, str(config.paths.model(model).version(row.name)))
            | latest.get(row.name, NO_PERFORMANCE)
            | {"adopted": adopted.get(row.cycle_id)}
            | {"forecast": foretold.get(row.cycle_id), "realised": came_to.get(row.cycle_id)}
            | {"forgotten": since_made(conn, folders, model, row.name)}
            | {"trial": trial_facts.get(row.name), "rolled_back": None if row.name in served else undone.get(row.name)},
        )
        for row in rows
    ]


def _latest(conn: Connection, model: str, task: str) -> Mapping[str, dict[str, Any]]:
    """By version, its newest performance in service."""
    if task != "recommendation":
        return checks.latest_performances(conn, model)
    scores = assessments.newest_scores(conn, model)
    return {name: {"labelled": one, "estimated": None} for name, one in scores.items()}


def served_versions(rows: Sequence[Any], champion: Champion) -> set[str]:
    """The versions that answer, each content once: of several the champion's newest, else the newest of all."""
    digests, found = {row.name: row.digest for row in rows}, dict[str, str]()
    members = [member.version for member in champion.deployment.members]
    for name in sorted(members, key=lambda name: (name == champion.newest, name)):
        found[digests.get(name, name)] = name
    return set(found.values())


def _version(row: Any, served: set[str], pinned: tuple[str, ...], path: str) -> dict[str, Any]:
    challenger = (row.metrics or {}).get("challenger") or {}
    return {
        "version": row.name, "served": row.name in served, "created": iso(row.created_at), "state": row.state,
        "metric": (row.metrics or {}).get("metric"), "value": challenger.get("value"), "se": challenger.get("se"),
        "train_rows": row.train_rows, "cycle": row.cycle_id, "pinned": is_pinned(row.name, pinned), "path": path,
        "learned": (row.metrics or {}).get("learned"),
    }  # fmt: skip


def expected_cell(version: Mapping[str, Any]) -> str:
    """The 90 % interval of a version's gain; nothing where none was foretold.

    >>> expected_cell({"forecast": {"low": -0.002, "high": 0.0482}})
    '-0.0020 to +0.0482'
    """
    forecast = version["forecast"]
    return "" if forecast is None else f"{signed(forecast['low'])} to {signed(forecast['high'])}"


def realised_cell(version: Mapping[str, Any], outside: str) -> str:
    """What its gain came to, with the mark `outside` where the interval did not hold it; nothing as long as it is open.

    >>> realised_cell({"realised": {"difference": -0.04}, "forecast": {"low": -0.002, "high": 0.0482}}, " !")
    '-0.0400 !'
    """
    realised, forecast = version["realised"], version["forecast"]
    if realised is None or forecast is None:
        return ""
    return signed(realised["difference"]) + ("" if in_interval(realised, forecast) else outside)


def service_cell(version: Mapping[str, Any]) -> str:
    """The newest value with labels, else the newest estimate, marked; nothing where there is neither."""
    if version["labelled"] is not None:
        return score(version["labelled"]["value"])
    return "" if version["estimated"] is None else f"≈ {score(version['estimated']['value'])}"
