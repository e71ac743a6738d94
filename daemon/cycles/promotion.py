"""A deployment becomes the champion: recorded in one transaction, then linked, served and acknowledged."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.classes import learn_classes
from daemon.ledger import checks, deployments, promotions, trials, versions
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.records.action import Adjust, RollBack
from retrain.records.cycle import Cycle
from retrain.store.versions import is_pinned, removable


def commit_promotion(conn: Connection, context: ModelContext, cycle: Cycle, result: dict[str, Any]) -> Cycle:
    """Record the version that the promote stage published, its deployment and its promotion. One that a person brought
    is served as it is: as one that was promoted by hand it is not adjusted."""
    now = context.now()
    versions.record(conn, context.name, cycle, result, now)
    version = context.folders.version(result["version"])
    learn_classes(conn, context.name, context.settings, version, cycle.up_to_seq)
    deployment = deployments.for_version(conn, context.name, result["version"], now)
    kind = {"reference": "reference", "adopt": "manual"}.get(cycle.trigger.kind, "promote")
    promotions.record(conn, context.name, deployment, kind, cycle.reason, now, cycle_id=cycle.id)
    return replace(cycle, version=result["version"])


def keep_candidate(conn: Connection, context: ModelContext, cycle: Cycle, result: dict[str, Any]) -> Cycle:
    """Record the version that the promote stage published of a model that another system serves: nobody serves it."""
    versions.record(conn, context.name, cycle, result, context.now())
    return replace(cycle, version=result["version"], reason=f"{cycle.reason}; {result['version']} is kept, not served")


def adjust(conn: Connection, context: ModelContext, action: Adjust) -> dict[str, str]:
    """Record that the proposed weights and recalibration are served; what the event says of it, nothing where a version
    that has part in them was removed meanwhile."""
    now, proposal = context.now(), action.proposal
    if not {row.name for row in versions.stored(conn, context.name)}.issuperset(proposal["members"]):
        return {}
    deployment = deployments.for_members(conn, context.name, proposal["members"], proposal["recalibration"], now)
    promotions.record(conn, context.name, deployment, "reweigh", action.reason, now)
    return {"version": deployment.name}


def roll_back(conn: Connection, context: ModelContext, action: RollBack) -> dict[str, str]:
    """Record that the predecessor is served again; what the event says of it, nothing without a predecessor."""
    now, champion = context.now(), promotions.champion(conn, context.name)
    if champion is None or champion.predecessor is None:
        return {}
    evidence = list(action.evidence)
    promotions.record(conn, context.name, champion.predecessor, "rollback", action.reason, now, evidence=evidence)
    checks.end_open_episode(conn, context.name, now)
    return {"version": champion.predecessor.name, "from_version": champion.deployment_name}


def link_champion(context: ModelContext) -> None:
    """Point `versions/MODEL/current` at the champion, for readers outside."""
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, context.name)
    if champion is None:
        return
    newest = champion.newest
    path = context.folders.current
    if not path.is_symlink() or path.readlink().name != newest:
        durable.link(newest, path, "promote.link")


def prune_versions(context: ModelContext) -> None:
    """Remove the versions beyond the retention: never the champion, its predecessor, the one on trial or a
    pinned one."""
    with context.shared.ledger.connect() as conn:
        names = _removable(conn, context)
    for name in names:
        with context.shared.ledger.begin() as conn:
            if name not in _removable(conn, context):
                continue  # it was promoted meanwhile
            versions.mark_removed(conn, context.name, name)
        durable.remove(context.folders.version(name), "retention.remove_version")
        context.log.info("version_removed", version=name)


def _removable(conn: Connection, context: ModelContext) -> list[str]:
    stored = versions.stored(conn, context.name)
    kept, trial = promotions.protected_versions(conn, context.name), trials.running(conn, context.name)
    pinned = {row.name for row in stored if is_pinned(row.name, context.settings.retention.pinned)}
    on_trial = {trial.version} if trial is not None else set()
    return removable([row.name for row in stored], kept | pinned | on_trial, context.settings.retention.versions)
