"""What a command after a promotion is told: JSON on its standard input, and a few variables."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import deployments, promotions, versions
from daemon.ledger.hooks import HookRow
from daemon.runtime.notify.messages import moment


def hook_input(conn: Connection, hook: HookRow, paths: StatePaths) -> dict[str, Any]:
    """Which version of a model was promoted or rolled back to, in place of which, why, and where it lies."""
    row = promotions.get(conn, hook.promotion_id)
    before = promotions.previous(conn, row)
    deployment = deployments.by_key(conn, row.deployment_id)
    version, folders = row.newest or deployment.members[0].version, paths.model(row.model)
    stored = versions.named(conn, row.model, version)
    members = [
        {"version": one.version, "weight": one.weight, "path": str(folders.version(one.version))}
        for one in deployment.members
    ]
    return {
        "event": event_of(row.kind), "key": hook.key, "attempt": hook.attempts + 1, "at": moment(row.at),
        "model": row.model, "version": version, "previous_version": None if before is None else before.newest,
        "cycle": row.cycle_id, "reason": row.reason, "metrics": {} if stored is None else stored.metrics,
        "path": str(folders.version(version)), "members": members, "served": row.swapped_at is not None,
    }  # fmt: skip


def event_of(kind: str) -> str:
    """The log event of a kind of promotion."""
    return "version_rolled_back" if kind == "rollback" else "version_promoted"


def variables(told: Mapping[str, Any]) -> dict[str, str]:
    """What of it stands in the environment."""
    return {
        "DRIFTD_IDEMPOTENCY_KEY": told["key"], "DRIFTD_EVENT": told["event"], "DRIFTD_MODEL": told["model"],
        "DRIFTD_VERSION": told["version"],
    }  # fmt: skip
