"""Logs at the start what a kill kept from the log: so it is in `driftd history`, and notifications tell of it."""

from daemon.cycles.groups import log_episode
from daemon.ledger import Ledger
from daemon.ledger.unlogged import Unlogged, unlogged
from daemon.runtime.log import get_logger
from daemon.service.hooks import log_ended


def log_unlogged(ledger: Ledger) -> None:
    """Log what was committed before the service was killed, and not logged."""
    with ledger.connect() as conn:
        missing = list(unlogged(conn))
    for one in missing:
        _log(one)


def _log(one: Unlogged) -> None:
    log, row = get_logger().bind(model=one.model), one.row
    match one.event:
        case "file_refused":
            log.warning("file_refused", file=row.path, reason=row.reason)
        case "file_held":
            way = {"release": f"driftd release {row.path}", "forget": f"driftd forget {row.path}"}
            log.warning("file_held", file=row.path, rows=row.rows, reason=row.reason, **way)
        case "drift_detected":
            log.warning("drift_detected", episode=row.id, columns=row.columns)
        case "drift_cleared":
            log.info("drift_cleared", episode=row.id)
        case "slice_degraded" | "disparity_exceeded":
            log_episode(log, row.kind, row.id, row.found)
        case "slice_recovered" | "disparity_cleared":
            log_episode(log, row.kind, row.id, [])
        case "approval_needed":
            approve = f"driftd approve {row.id}"
            log.warning("approval_needed", cycle_id=row.id, reason=row.reason, approve=approve)
        case "challenger_better":
            log.warning("challenger_better", cycle_id=row.id, version=row.version, reason=row.reason)
        case "cycle_finished":
            log.info("cycle_finished", cycle_id=row.id, outcome=row.state, reason=row.reason)
        case "hook_done" | "hook_failed":
            log_ended(one.model, row.outcome)
        case "version_promoted":
            log.info("version_promoted", version=row.newest, reason=row.reason)
        case "version_rolled_back":
            log.warning("version_rolled_back", version=row.newest, reason=row.reason)
