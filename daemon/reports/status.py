"""Where all models stand, read from the ledger: what `driftd status` prints."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from daemon.config.config import Config, model_data_dir, scoring_dirs
from daemon.config.patience import Patience
from daemon.cycles.classes import withheld_of
from daemon.cycles.elsewhere import recorded_version
from daemon.cycles.loadable import unloadable
from daemon.cycles.schemas import change_since
from daemon.intake.settle import Pause, settle_time_s
from daemon.ledger import Ledger, assessments, cpu, events, files, leases, promotions, pulls, scored, trials
from daemon.ledger.standing import Standing, standings
from daemon.reading.look import Look, scan
from daemon.registry.lineage import lineage_standing
from daemon.registry.wanted import mirror_standing
from daemon.reports.cpu import SHOWN_DAYS, cpu_json
from daemon.reports.followers import followers_json
from daemon.reports.groups import groups_json
from daemon.reports.labels import labels_json
from daemon.reports.recommender import blend_facts, own_blend
from daemon.reports.serving import served_now
from daemon.reports.trial import trial_json
from daemon.runtime.backups import read_notes
from daemon.runtime.lock import holder_of, is_held
from daemon.runtime.serving import read_serving
from retrain.planning.planner import STILL, backlog_reason
from retrain.records.cycle import Cycle, CycleState
from retrain.records.deployment import Champion
from retrain.records.label_state import LabelState
from retrain.records.new_classes import NewClass, way_out
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

NOT_RUNNING: dict[str, Any] = {"servers": [], "analyst": None}


def status_json(
    config: Config, ledger: Ledger, names: Iterable[str] | None = None, brief: bool = False
) -> dict[str, Any]:
    """What `driftd status --json` prints: the overview of these models, or of all, whether the service runs, where it
    listens, which shard it is, and which host leads. `brief`: of groups of rows only those that do worse or differ."""
    running = is_held(config.state_dir)
    found, leads = overview(config, ledger, names, brief), leader_json(config, ledger)
    where = {"address": address(config, ledger) if running else "", "shard": config.service.shard}
    return found | {"running": running, "leader": leads} | where


def leader_json(config: Config, ledger: Ledger) -> dict[str, Any] | None:
    """Who leads, or did until its lease ran out, under which term and since when, and whether it is this host; None
    where none is needed, as of a ledger in a file, or nobody leads."""
    with ledger.connect() as conn:
        found = leases.leader(conn)
    if found is None:
        return None
    facts = {"holder": found.holder, "term": found.term, "since": found.since, "leads": found.left_s > 0}
    return facts | {"is_here": found.holder == holder_of(config.state_dir)}


def overview(config: Config, ledger: Ledger, names: Iterable[str] | None = None, brief: bool = False) -> dict[str, Any]:
    """Of these models, or of all, as plain JSON values; times are Unix seconds."""
    patience = Patience()
    serving = read_serving(config.paths) if is_held(config.state_dir) else NOT_RUNNING
    with ledger.connect() as conn:
        wanted = list(config.models if names is None else names)
        found = standings(conn, wanted, time.time() - SHOWN_DAYS * cpu.DAY_S, brief)
        models = {name: _model(conn, config, name, found[name], serving, patience) for name in wanted}
        copies = {"mlflow": mirror_standing(conn, config), "openlineage": lineage_standing(conn, config)}
    backups = {folder: asdict(note) for folder, note in read_notes(config.paths).items()}
    champions = {name: found[name].champion for name in wanted}
    served = {
        name: (one.deployment.name, one.promotion, one.promoted_at)
        for name, one in champions.items()
        if one is not None
    }
    followers = [] if config.service.store is None else followers_json(config.paths, served, time.time())
    return {"models": models, "analyst": serving["analyst"], "backups": backups, "followers": followers, **copies}


def address(config: Config, ledger: Ledger) -> str:
    """Where the service that runs said that it listens; "" while it starts, or where that event is gone, or another
    host's."""
    if (leads := leader_json(config, ledger)) is not None and not leads["is_here"]:
        return ""
    with ledger.connect() as conn:
        row = events.newest(conn, ("service_started", "service_ready"))
    return row.fields["url"].removeprefix("http://") if row is not None and row.event == "service_ready" else ""


def _model(
    conn: Connection, config: Config, name: str, found: Standing, serving: Mapping[str, Any], patience: Patience
) -> dict[str, Any]:
    data_dir = None if config.models[name].data_uri is not None else model_data_dir(config, name)
    is_hung = data_dir is not None and not patience.answers(data_dir)
    row, settings, served = found.model, config.models[name], found.champion
    folder = config.paths.model(name).versions
    withheld = withheld_of(conn, name, settings, folder, found)
    stored = None if row is None or row.schema is None else Schema.from_json(row.schema)
    changed = change_since(settings, stored, folder, served)
    labels = None if row is None or row.labels is None else LabelState.from_json(row.labels)
    return {
        "task": settings.task,
        "mode": settings.mode,
        "elsewhere": _elsewhere(settings, served, folder),
        "paused": bool(row is not None and row.paused),
        "waits_for": _waits_for(conn, config, name, row, is_hung),
        "hung_folder": str(data_dir) if is_hung else None,
        "champion": _champion(conn, name, found, settings, folder),
        "served": [] if settings.is_elsewhere else served_now(serving, name, served),
        "unloadable": unloadable(folder, served, settings) or None,
        "schema_changes": [] if changed is None else list(changed.sentences),
        "files": found.files,
        "last_file": _last_file(found.last_file),
        "labelled_rows": max(0, found.labelled_rows - sum(one.rows for one in withheld)),
        "labels": labels_json(name, labels, settings.labels),
        "settling": _settling(None if row is None else row.settling, settings),
        "new_classes": _new_classes(name, withheld),
        "prediction_log": found.log,
        "scoring": _scoring(conn, config, name),
        "source": _source(conn, settings, name),
        "prefix": _prefix(conn, settings, name),
        "drift_episode": found.episode,
        "last_check": _last_check(found.last_check),
        "groups": groups_json(found.groups),
        "cycle": _cycle(conn, name, found.cycle),
        "failed_cycle": _failed_cycle(found.last_cycle),
        "cpu": cpu_json(found.cpu, found.without_gain),
        "trial": trial_json(conn, name, settings.task, trials.running(conn, name)) if found.on_trial else None,
    }


def _scoring(conn: Connection, config: Config, name: str) -> dict[str, Any] | None:
    """How many files were scored as they were dropped, and the newest that was refused; None where none are."""
    if scoring_dirs(config, name) is None:
        return None
    refused = next(iter(scored.listed(conn, name, 1, "refused")), None)
    newest = next(iter(scored.listed(conn, name, 1, "scored")), None)
    return {
        "files": scored.total(conn, name),
        "last": None if newest is None else {"path": newest.path, "rows": newest.rows, "at": newest.finished_at},
        "refused": None if refused is None else {"path": refused.path, "reason": refused.reason, "at": refused.at},
    }


def _source(conn: Connection, settings: ModelSettings, name: str) -> dict[str, Any] | None:
    """What was pulled last of the model's database, whether it was taken in, and why nothing comes now; None without
    one. A service that starts tells anew what fails."""
    if settings.source is None:
        return None
    pulled, told = pulls.newest(conn, name), events.newest_of_model(conn, name, ("source_failed", "source_recovered"))
    begun = events.newest(conn, ("service_started",))
    since = max(0.0 if one is None else one.at for one in (pulled, begun))
    is_failing = told is not None and told.event == "source_failed" and told.at >= since
    return {
        "watermark": settings.source.watermark,
        "last": None if pulled is None else {
            "file": pulled.path, "at": pulled.at, "rows": pulled.rows, "value": str(pulled.value["value"]),
            "taken": pulled.is_taken,
        },
        "failing": {"at": told.at, "reason": told.fields["reason"]} if is_failing and told is not None else None,
    }  # fmt: skip


def _prefix(conn: Connection, settings: ModelSettings, name: str) -> dict[str, Any] | None:
    """The prefix of an object store that the data are in, and why it cannot be asked now; None of a folder. A service
    that starts tells anew what fails."""
    if settings.data_uri is None:
        return None
    told = events.newest_of_model(conn, name, ("prefix_awaited", "prefix_reached"))
    begun = events.newest(conn, ("service_started",))
    is_failing = told is not None and told.event == "prefix_awaited" and (begun is None or told.at >= begun.at)
    return {
        "uri": settings.data_uri,
        "failing": {"at": told.at, "reason": told.fields["reason"]} if is_failing and told is not None else None,
    }


def _elsewhere(settings: ModelSettings, served: Champion | None, folder: Path) -> dict[str, Any] | None:
    """What is known of the system that serves the model; None where driftd does."""
    if not settings.is_elsewhere:
        return None
    version = None if served is None else recorded_version(folder / served.newest)
    return {"version": version, "challengers": settings.challengers}


def _settling(kept: dict[str, Any] | None, settings: ModelSettings) -> dict[str, Any] | None:
    """The settle time that the folder taught, where it is longer than the configured one."""
    configured_s = settings.intake.settle
    if kept is None:
        return None
    settle_s = settle_time_s(configured_s, Pause(**kept), time.time(), 0.0, 0)
    return None if settle_s <= configured_s else kept | {"settle_s": settle_s, "configured_s": configured_s}


def _new_classes(name: str, found: tuple[NewClass, ...]) -> list[dict[str, Any]]:
    """The classes whose labels do not count, each with the reason and what a person does."""
    return [asdict(one) | {"reason": one.sentence(), "way_out": way_out(name, (one,))} for one in found]


def _waits_for(conn: Connection, config: Config, name: str, row: Any, is_hung: bool) -> str:
    """What the service waited for at its last decision; files are counted now, where this user may see them."""
    if row is None:
        return "the service has not run with this model yet"
    waits_for = str(row.waits_for)
    if config.models[name].data_uri is not None:
        return waits_for
    folder = model_data_dir(config, name)
    if is_hung or not waits_for.endswith(STILL) or not os.access(folder, os.R_OK | os.X_OK):
        return waits_for
    known, intake = files.known(conn, name), config.models[name].intake
    looks = scan(folder, intake.patterns, intake.recursive)
    waiting = sum(isinstance(look, Look) and known.get(path) != look for path, look in looks)
    return backlog_reason(waiting) if waiting else "all files are taken in: the service decides at its next turn"


def _last_file(row: Row[Any] | None) -> dict[str, Any] | None:
    return None if row is None else {"path": row.path, "state": row.state, "at": row.at}


def _champion(
    conn: Connection, name: str, found: Standing, settings: ModelSettings, folder: Path
) -> dict[str, Any] | None:
    champion, metrics = found.champion, found.metrics
    if champion is None:
        return None
    recommends = settings.task == "recommendation"
    blend = champion.deployment.calibration or (own_blend(folder / champion.newest) if recommends else None)
    evaluated = metrics.get("challenger") or {}
    return {
        "version": champion.deployment.name,
        "deployment": champion.deployment.number,
        "newest": champion.newest,
        "members": champion.deployment.weights,
        "decision": (champion.deployment.calibration or {}).get("rule"),
        "recalibrated": champion.deployment.calibration is not None,
        "at": champion.promoted_at,
        "reason": champion.reason,
        "before": None if champion.predecessor is None else champion.predecessor.name,
        "rolled_back": _rolled_back(conn, champion),
        "metric": metrics.get("metric"),
        "value": evaluated.get("value"),
        "learned": metrics.get("learned"),
        "blend": blend_facts(blend),
        "in_service": _in_service(conn, name, champion, found),
    }


def _in_service(conn: Connection, name: str, champion: Champion, found: Standing) -> dict[str, Any] | None:
    """How the newest file that was assessed while the newest version was the newest came out."""
    if found.assessed is None:
        return None
    if found.assessed.get("newest", "") == champion.newest:
        return assessments.score_of(found.assessed)
    return assessments.newest_scores(conn, name).get(champion.newest)


def _rolled_back(conn: Connection, champion: Champion) -> str | None:
    """The version that was undone, where what is served is what a roll-back brought back."""
    if not champion.is_rollback:
        return None
    return promotions.rolled_back(conn, promotions.get(conn, champion.promotion)).version


def _last_check(row: Row[Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    performance, estimated = row.performance or {}, row.estimated or {}
    return {
        "check": row.id,
        "kind": row.kind,
        "at": row.started_at + row.seconds,
        "version": row.version,
        "drift": row.drift,
        "untested": row.report.get("untested"),
        "drifted": row.drifted,
        "metric": performance.get("metric") or estimated.get("metric"),
        "value": performance.get("value"),
        "estimated": row.estimated,
        "stream": row.stream,
        "together": row.report.get("multivariate"),
        "dropped": row.dropped,
    }


def _failed_cycle(row: Row[Any] | None) -> dict[str, Any] | None:
    """The newest cycle, where it failed."""
    if row is None or row.state != CycleState.FAILED:
        return None
    return {"id": row.id, "at": row.finished_at, "reason": row.reason}


def _cycle(conn: Connection, name: str, cycle: Cycle | None) -> dict[str, Any] | None:
    """`worker` is that of the cluster which has the stage now; None where it is done here, or waits."""
    if cycle is None:
        return None
    told = events.newest_of_model(conn, name, ("stage_started", "stage_placed", "stage_finished", "stage_failed"))
    is_placed = told is not None and told.event == "stage_placed" and told.fields["cycle_id"] == cycle.id
    return {
        "worker": told.fields["worker"] if is_placed and told is not None else None,
        "id": cycle.id,
        "state": str(cycle.state),
        "stage": str(cycle.stage),
        "attempt": cycle.attempt,
        "trigger": cycle.trigger.reason,
    }
