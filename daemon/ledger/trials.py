"""Trials: challengers beside the champion, what the servers saw of them, and how they ended."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger.deployments import by_key, key_of
from daemon.ledger.rows import hint, insert_row, last_row, last_rows, update_row
from daemon.ledger.tables import assessments, json_text, trials
from retrain.records.assessment import Moments
from retrain.records.cycle import Cycle
from retrain.records.deployment import Deployment
from retrain.records.settings import RolloutSettings
from retrain.records.trial import Trial, TrialCounts

COUNTED = tuple(field.name for field in fields(TrialCounts) if field.name != "error")


def begin(conn: Connection, cycle: Cycle, challenger: Deployment, terms: RolloutSettings, now: float) -> Trial:
    """A challenger goes on trial; IntegrityError if the model has one on trial."""
    values = {
        "model": cycle.model,
        "cycle_id": cycle.id,
        "deployment_id": key_of(conn, challenger),
        "version": challenger.name,
        "share": terms.reached,
        "since": now,
        "until": now + terms.period,
        "latest": now + terms.longest,
    }
    values |= {name: getattr(terms, name) for name in ("strategy", "min_rows", "max_failures")}
    hint(conn)
    return _trial(conn, conn.execute(select(trials).where(trials.c.id == insert_row(conn, trials, values))).one())


def running(conn: Connection, model: str) -> Trial | None:
    """The model's trial that has not ended."""
    return _found(conn, trials.c.model == model, trials.c.outcome == "")


def running_ids(conn: Connection) -> tuple[int, ...]:
    """Of all models' trials that have not ended."""
    return tuple(conn.scalars(select(trials.c.id).where(trials.c.outcome == "").order_by(trials.c.id)))


def running_by_model(conn: Connection) -> dict[str, int]:
    """By model, the id of its trial that has not ended."""
    query = select(trials.c.model, trials.c.id).where(trials.c.outcome == "")
    return {row[0]: row[1] for row in conn.execute(query)}


def of_cycle(conn: Connection, cycle_id: int) -> Trial | None:
    """The trial that a cycle led to."""
    return _found(conn, trials.c.cycle_id == cycle_id)


def by_version(conn: Connection, model: str) -> dict[str, Trial]:
    """All trials of a model, by the challenger's name."""
    return {row.version: _trial(conn, row) for row in last_rows(conn, trials, None, trials.c.model == model)}


def add(conn: Connection, trial_id: int, counts: Mapping[str, Any]) -> None:
    """Add what servers counted; nothing of a trial that is over."""
    values: dict[str, Any] = {name: trials.c[name] + counts[name] for name in COUNTED}
    if counts.get("error"):
        values["error"] = counts["error"]
    conn.execute(update(trials).where(trials.c.id == trial_id, trials.c.outcome == "").values(**values))


def finish(conn: Connection, trial: Trial, outcome: str, reason: str, now: float) -> None:
    """It is over: promoted, dropped or ended."""
    update_row(conn, trials, trial.id, outcome=outcome, reason=reason, finished_at=now)
    hint(conn)


def not_passed(conn: Connection, model: str) -> set[str]:
    """The versions that are on trial, or did not get through theirs."""
    wanted = trials.c.model == model, trials.c.outcome != "promoted"
    return set(conn.scalars(select(trials.c.version).where(*wanted)))


def begin_anew(conn: Connection, trial: Trial, now: float) -> Trial:
    """A running trial whose time counts from now; what was seen of it stays."""
    later_s = now - trial.since
    anew = replace(trial, since=now, until=trial.until + later_s, latest=trial.latest + later_s)
    update_row(conn, trials, trial.id, since=anew.since, until=anew.until, latest=anew.latest)
    return anew


def differences(conn: Connection, model: str, version: str) -> list[Moments]:
    """Per labelled file of its trial, in order, the moments of what a challenger cost more a row than the champion; no
    other file names it so."""
    named = json_text(conn, assessments.c.found, "challenger", "version") == version
    wanted = assessments.c.model == model, assessments.c.kind == "file", named
    found = conn.scalars(select(assessments.c.found).where(*wanted).order_by(assessments.c.seq))
    costs = (one["challenger"]["costs"] for one in found)
    return [(float(mean), float(variance), int(rows)) for mean, variance, rows in costs]


def _found(conn: Connection, *wanted: Any) -> Trial | None:
    row = last_row(conn, trials, *wanted)
    return None if row is None else _trial(conn, row)


def _trial(conn: Connection, row: Row[Any]) -> Trial:
    counts = TrialCounts(**{field.name: getattr(row, field.name) for field in fields(TrialCounts)})
    return Trial(
        row.id, row.cycle_id, by_key(conn, row.deployment_id), row.strategy, row.share, row.since, row.until,
        row.latest, row.min_rows, row.max_failures, counts, row.outcome, row.reason, row.finished_at,
    )  # fmt: skip
