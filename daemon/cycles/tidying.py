"""Behind a promotion and a finished cycle: the link for readers outside, versions beyond the retention, work that
nobody goes on with.

Each is found by comparing the ledger with the disk: what failed or was killed is done the next time."""

import shutil
from pathlib import Path

from daemon.config.paths import StatePaths
from daemon.cycles.promotion import link_champion, prune_versions
from daemon.cycles.trainers import clear_exchange
from daemon.ledger import Ledger, commands, cycles, due, forecasts, versions
from daemon.runtime.context import ModelContext
from retrain import durable

KEPT_S = 86_400.0
"""Seconds."""


async def keep_tidy(context: ModelContext) -> None:
    """Tidy up now and whenever something was left to be, until cancelled."""
    while True:
        await context.shared.writable()
        tidy(context)
        await clear_exchange(context.shared)
        await context.cleanup_needed.wait()
        context.cleanup_needed.clear()


def tidy(context: ModelContext) -> None:
    """Once; OSError where the disk does not let it."""
    link_champion(context)
    prune_versions(context)
    with context.shared.ledger.connect() as conn:
        gone = versions.removed(conn, context.name)
    for name in gone:
        if context.folders.version(name).exists():
            durable.remove(context.folders.version(name), "retention.remove_version")
    clear_cycles(context.shared.ledger, context.shared.config.paths)
    clear_adopted(context)


def clear_adopted(context: ModelContext) -> None:
    """Throw away pipelines that nobody is to adopt any more: those of cycles that are over, of which versions have
    copies, and, a day after they were brought, what a command that was killed left."""
    brought = [folder for folder in context.folders.adoptions.glob("*") if folder.is_dir()]
    if not brought:
        return
    with context.shared.ledger.connect() as conn:
        waiting, cycle = due.adoption(conn, context.name), cycles.current(conn, context.name)
        needed = {command.args.get("folder") for command in commands.queued(conn)}
        over = {about["folder"] for about in cycles.adoptions(conn, context.name).values()}
    needed |= {about.get("folder") for about in (waiting and waiting.about, cycle and cycle.trigger.evidence) if about}
    for folder in brought:
        is_old = context.now() - folder.stat().st_mtime > KEPT_S
        if folder.name not in needed and (folder.name in over or is_old):
            durable.remove(folder, "adopt.remove")


def clear_cycles(ledger: Ledger, paths: StatePaths) -> None:
    """Throw away the work of cycles that are over, but for challengers whose forecast waits for its files."""
    folders = {int(folder.name): folder for folder in paths.cycles.glob("*")}
    with ledger.connect() as conn:
        needed = {cycle.id for cycle in cycles.unfinished(conn)}
        over = [cycle for cycle in folders if cycle not in needed and cycle <= cycles.newest_id(conn)]
        staged = forecasts.kept_staged(conn, over)
    for cycle in over:
        folder = folders[cycle]
        if cycle not in staged:
            durable.remove(folder, "cycle.remove_work")
            continue
        for path in folder.iterdir():
            if path.name != "version":
                durable.remove(path, "cycle.remove_work")


def clear_intake(paths: StatePaths) -> None:
    """Throw away what an analyst that is gone left unfinished."""
    for folder in paths.intake.glob("*"):
        for path in folder.glob("*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def clear_holds(paths: StatePaths) -> None:
    """Let go of segments that a backup held which was killed; second names keep what they hold from going."""
    for left in paths.held.glob("*"):
        if not Path("/proc", left.name).exists():
            durable.remove(left, "backup.leftover_hold")
