"""Groups of rows: what the analyst is told of them, and what it found, committed and logged."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from daemon.ledger import groups, promotions
from daemon.ledger.groups import EpisodeChange
from daemon.runtime.context import ModelContext
from retrain.operations import AssessRequest, AssessResult, to_json
from retrain.records.group_words import group_words


async def with_groups(context: ModelContext, request: AssessRequest) -> AssessRequest:
    """A request with what is known of groups, where some are watched: read in a thread, for it may be megabytes."""
    if not context.settings.gate.slices or context.settings.task == "recommendation":
        return request
    return structs.replace(request, groups=await asyncio.to_thread(_known, context))


def _known(context: ModelContext) -> tuple[str, ...]:
    with context.shared.ledger.connect() as conn:
        return groups.known(conn, context.name)


def record_groups(
    conn: Connection, context: ModelContext, request: AssessRequest, result: AssessResult
) -> list[EpisodeChange]:
    """In the caller's transaction; nothing where another version came to be served meanwhile."""
    if result.groups is None and not groups.is_any(conn, context.name):
        return []
    champion = promotions.champion(conn, context.name)
    if champion is None or champion.era != request.era:
        return []
    return groups.record(conn, context.name, result.groups, context.now())


def log_groups(context: ModelContext, result: AssessResult, changes: Sequence[EpisodeChange]) -> None:
    """An episode where it begins, with each group that joins it, and where it ends."""
    summary = result.groups.summary if result.groups is not None else None
    log = context.log if summary is None else context.log.bind(version=summary.version)
    for change in changes:
        log_episode(log, change.kind, change.episode, [to_json(one) for one in change.found])


def log_episode(log: Any, kind: str, episode: int, found: Sequence[dict[str, Any]]) -> None:
    """What became of an episode of groups, of what was found now; it ends where nothing is."""
    words = [group_words(one) for one in found]
    match kind, bool(found):
        case "degraded", True:
            log.warning("slice_degraded", episode=episode, groups=words)
        case "degraded", False:
            log.info("slice_recovered", episode=episode)
        case "exceeded", True:
            log.warning("disparity_exceeded", episode=episode, groups=words)
        case "exceeded", False:
            log.info("disparity_cleared", episode=episode)
