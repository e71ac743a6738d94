"""What each stage is asked with, from the ledger; and where a cycle goes on when its unfinished work is gone."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.schemas import schema_change
from daemon.ledger import cycles, files, promotions, totals
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.records import Cycle, Stage
from retrain.records.schema import Schema
from retrain.rows.window_reach import chosen_window, files_needed


def arguments(context: ModelContext, conn: Connection, cycle: Cycle, schema: Schema | None) -> dict[str, Any]:
    """The JSON arguments of the cycle's current stage."""
    assert schema is not None, "a cycle needs accepted files, and these fixed the schema"
    work = context.folders.cycle(cycle.id)
    durable.make_folder(work, "cycle.work")
    from_seq, rows_before = _read_from(context, conn, cycle)
    known = files.usable(conn, context.name, cycle.up_to_seq, from_seq)
    champion = promotions.champion(conn, context.name)
    changed = schema_change(context, champion)
    if changed is not None and not changed.comparable:
        champion, known = None, [row for row in known if row.schema_digest == changed.digest]
    return {
        "model": context.name,
        "cycle": cycle.id,
        "number": cycle.number,
        "settings": context.settings_json(),
        "config_dir": str(context.shared.config.path.parent),
        "schema": schema.to_json(),
        "work": str(work),
        "store": str(context.shared.config.paths.versions),
        "files": [context.file_json(row) for row in known],
        "rows_before": rows_before,
        "window": cycle.trigger.evidence.get("window"),
        "twin": cycle.trigger.evidence.get("twin"),
        "champion": _champion(context, champion),
        "previous": cycles.results(conn, cycle.id),
    }  # fmt: skip


def _read_from(context: ModelContext, conn: Connection, cycle: Cycle) -> tuple[int, int]:
    """The oldest file that the cycle's window may need, by order of arrival, and the labelled rows of all before it: of
    a year of files few are read."""
    needed = files_needed(chosen_window(context.settings.window, cycle.trigger.evidence.get("window")))
    oldest = 0 if needed is None else files.nth_newest_labelled(conn, context.name, cycle.up_to_seq, needed)
    if oldest == 0:
        return 0, 0
    return oldest, totals.accepted_rows(conn, context.name, oldest - 1).get("rows", (0, 0))[0]


def restart_stage(context: ModelContext, conn: Connection, cycle: Cycle) -> Cycle:
    """The cycle at the stage where it can go on: back to prepare if its unfinished work was deleted."""
    if cycle.stage is Stage.PREPARE or _has_work(context, cycle):
        return cycle
    again = replace(cycle, stage=Stage.PREPARE, attempt=0)
    cycles.save(conn, again, context.now())
    return again


def _has_work(context: ModelContext, cycle: Cycle) -> bool:
    work = context.folders.cycle(cycle.id)
    if cycle.stage is Stage.TRAIN:
        return any(work.glob("train*.parquet"))
    published = any(context.folders.versions.glob(f"v{cycle.number:04d}-*"))
    return (work / "version").is_dir() or (cycle.stage is Stage.PROMOTE and published)


def _champion(context: ModelContext, champion: promotions.ChampionRow | None) -> dict[str, Any] | None:
    """The deployment that a challenger is compared with, and its newest version."""
    if champion is None or not (context.folders.versions / champion.newest / "training.json").is_file():
        return None
    members = {member.version: member.weight for member in champion.deployment.members}
    folder = context.folders.versions
    return {
        "version": champion.newest,
        "path": str(folder / champion.newest),
        "members": members,
        "paths": {name: str(folder / name) for name in {**members, champion.newest: 1.0}},
        "newest": champion.newest,
        "recalibration": champion.deployment.calibration,
    }
