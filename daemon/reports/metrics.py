"""Where all models stand, in numbers for Prometheus, read from the ledger: those of `daemon.config.metrics: STATE`."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import convert
from sqlalchemy import Connection

from daemon.ledger import assessments, measured, promotions, totals
from daemon.ledger import labels as labels_of
from daemon.ledger.groups import EPISODE_EVENTS
from daemon.runtime.numbers import Key, Numbers
from retrain.planning.regret import price
from retrain.records.cycle import CycleState
from retrain.records.deployment import Champion
from retrain.records.label_state import LabelState
from retrain.records.planner_state import Regret
from retrain.records.settings import ModelSettings

OUTCOMES = CycleState.PROMOTED, CycleState.KEPT, CycleState.FAILED
STATES = CycleState.OPEN, CycleState.AWAITING_APPROVAL, CycleState.ON_TRIAL
KINDS = {
    "promote": "cycle",
    "manual": "by_hand",
    "rollback": "rollback",
    "reweigh": "adjustment",
    "reference": "reference",
}
FILE_STATES = ("accepted", "held", "refused", "duplicate", "superseded", "expired", "forgotten")
Numbered = Iterator[tuple[Key, float]]
Performance = Mapping[str, Any]


def state_numbers(conn: Connection, models: Mapping[str, ModelSettings], queues: Mapping[str, int]) -> Numbers:
    """Of these models and the service as a whole; `queues` is how many files of each wait to be taken in."""
    champions, metrics = promotions.champions(conn)
    drifting = measured.drifting(conn)
    parts = (
        _counts(conn, models), _files(conn, models, queues), _checks(conn, models, drifting),
        _champions(conn, {name: one for name, one in champions.items() if name in models}),
        _quality(conn, models, champions, metrics), _planned(conn, models, champions, drifting),
    )  # fmt: skip
    found = {key: float(value) for part in parts for key, value in part}
    return found | {("driftd_waiting_notifications", ()): float(measured.waiting_messages(conn))}


def _counts(conn: Connection, models: Mapping[str, Any]) -> Numbered:
    """Cycles and promotions; what there was none of yet is 0."""
    cycles, promoted = measured.cycles_by_state(conn), measured.promotions_by_kind(conn)
    for name in models:
        for outcome in OUTCOMES:
            yield ("driftd_cycles_total", (name, outcome)), cycles.get((name, outcome), 0)
        for state in STATES:
            yield ("driftd_cycle_state", (name, state)), cycles.get((name, state), 0)
        for kind, shown in KINDS.items():
            yield ("driftd_promotions_total", (name, shown)), promoted.get((name, kind), 0)


def _files(conn: Connection, models: Mapping[str, Any], queues: Mapping[str, int]) -> Numbered:
    states, labelled = totals.by_model(conn)
    newest = measured.newest_files(conn)
    for name in models:
        for state in FILE_STATES:
            yield ("driftd_files", (name, state)), states[name].get(state, 0)
        yield ("driftd_queue_files", (name,)), queues.get(name, 0)
        yield ("driftd_labelled_rows", (name,)), totals.with_late(labelled[name])
        if name in newest:
            yield ("driftd_last_file_timestamp_seconds", (name,)), newest[name]


def _checks(conn: Connection, models: Mapping[str, Any], drifting: set[str]) -> Numbered:
    newest, lasting = measured.newest_checks(conn), measured.group_episodes_open(conn)
    for name in models:
        yield ("driftd_drift", (name,)), name in drifting
        for kind in EPISODE_EVENTS:
            yield ("driftd_group_episode", (name, kind)), (name, kind) in lasting
        if name in newest:
            yield ("driftd_last_check_timestamp_seconds", (name,)), newest[name].at
            yield ("driftd_drifted_columns", (name,)), len(newest[name].drifted)
            yield ("driftd_performance_dropped", (name,)), newest[name].dropped


def _champions(conn: Connection, champions: Mapping[str, Champion]) -> Numbered:
    trained = measured.trained_at(conn, {name: one.newest for name, one in champions.items()})
    for name, champion in champions.items():
        yield ("driftd_champion_promoted_timestamp_seconds", (name,)), champion.promoted_at
        if name in trained:
            yield ("driftd_champion_trained_timestamp_seconds", (name,)), trained[name]


def _quality(
    conn: Connection, models: Mapping[str, ModelSettings], champions: Mapping[str, Champion], metrics: Mapping[str, Any]
) -> Numbered:
    """Of the newest file, on labels and as an estimate, and at the evaluation; nothing where there is no value."""
    newest = {name: one.newest for name, one in champions.items() if name in models}
    performances = measured.performances(conn, newest)
    recommends = any(models[name].task == "recommendation" for name in newest)
    assessed = assessments.newest_found(conn) if recommends else {}
    for name, version in newest.items():
        found = performances.get(name)
        labelled, estimated = (None, None) if found is None else (found.labelled, found.estimated)
        if models[name].task == "recommendation" and assessed.get(name, {}).get("newest") == version:
            labelled = assessments.score_of(assessed[name])
        evaluated = metrics.get(name) or {}
        reference = {"metric": evaluated.get("metric"), "value": (evaluated.get("challenger") or {}).get("value")}
        yield from _value("driftd_quality", name, labelled, "labels")
        yield from _value("driftd_quality", name, estimated, "estimate")
        yield from _value("driftd_quality_reference", name, reference)


def _value(metric: str, model: str, found: Performance | None, *source: str) -> Numbered:
    if found and found.get("metric") and found.get("value") is not None:
        yield (metric, (model, found["metric"], *source)), found["value"]


def _planned(
    conn: Connection, models: Mapping[str, ModelSettings], champions: Mapping[str, Champion], drifting: set[str]
) -> Numbered:
    """Pauses, settled labels, and what the planner weighs where a retrain is opened by what it would save."""
    for row in measured.of_models(conn):
        if row.name not in models:
            continue
        yield ("driftd_paused", (row.name,)), row.paused
        if row.labels is not None:
            settled, _ = labels_of.settled_rows(conn, row.name, LabelState.from_json(row.labels))
            yield ("driftd_settled_labels", (row.name,)), settled
        triggers, kept = models[row.name].triggers, (row.planner or {}).get("regret")
        if kept is not None and triggers.regret is not None and row.name in champions and kept["files"]:
            regret = convert(kept, Regret)
            yield ("driftd_regret", (row.name,)), regret.sum
            yield ("driftd_retrain_price", (row.name,)), price(regret, triggers, row.name in drifting).total
