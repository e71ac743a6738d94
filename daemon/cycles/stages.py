"""The request of each stage, from the ledger; and where a cycle goes on when its unfinished work is gone."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from daemon.config.paths import ROWS
from daemon.cycles.classes import withheld_classes
from daemon.cycles.schemas import schema_change
from daemon.ledger import cycles, files, forecasts, promotions, totals
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.labels.words import WAITING
from retrain.operations import (
    AcceptedFile,
    EvaluateRequest,
    PrepareRequest,
    PrepareResult,
    PromoteRequest,
    RecordRequest,
    StageRequest,
    StoredDeployment,
    TrainRequest,
    from_json,
)
from retrain.records.cycle import Cycle, Stage
from retrain.records.deployment import Champion
from retrain.records.label_state import LabelState
from retrain.records.schema import Schema
from retrain.records.settings import Maturity
from retrain.rows.window_reach import chosen_window, files_needed

MOST_TOLD = 8
"""Earlier forecasts that a model card has."""


def stage_request(context: ModelContext, conn: Connection, cycle: Cycle, schema: Schema | None) -> StageRequest:
    """The request of the cycle's current stage."""
    assert schema is not None, "a cycle needs accepted files, and these fixed the schema"
    settings, work, evidence = context.settings, context.folders.cycle(cycle.id), cycle.trigger.evidence
    durable.make_folder(work, "cycle.work")
    if cycle.stage is Stage.PROMOTE:
        return PromoteRequest(
            model=context.name, cycle=cycle.id, number=cycle.number, settings=settings, work=work,
            versions=context.folders.versions,
        )  # fmt: skip
    if cycle.trigger.kind == "reference":
        return _record_request(context, conn, cycle, schema)
    from_seq, rows_before = _read_from(context, conn, cycle)
    usable = files.usable(conn, context.name, cycle.up_to_seq, from_seq)
    champion = promotions.champion(conn, context.name)
    changed = schema_change(context, champion)
    if changed is not None and not changed.comparable:
        champion, usable = None, [row for row in usable if row.schema_digest == changed.digest]
    folder = context.folders.versions
    withheld = withheld_classes(conn, context.name, context.settings, folder)
    known = LabelState.from_json(evidence["labels"]) if "labels" in evidence else LabelState()
    before, rows = _champion(context, champion), context.accepted(usable, withheld, known.trust)
    rows = _rows_beside(context, cycle) or rows
    if cycle.stage is Stage.PREPARE:
        return PrepareRequest(
            files=rows, schema=schema, settings=settings, work=work, champion=before, rows_before=rows_before,
            window=evidence.get("window"), now=cycle.opened_at,
        )  # fmt: skip
    done = cycles.results(conn, cycle.id)
    prepared = from_json(done[Stage.PREPARE], PrepareResult)
    if cycle.stage is Stage.TRAIN:
        return TrainRequest(
            model=context.name, number=cycle.number, schema=schema, settings=settings,
            config_dir=context.shared.config.path.parent, work=work, prepared=prepared, champion=before,
            adopt=_adopted(context, cycle),
        )  # fmt: skip
    return EvaluateRequest(
        files=rows, settings=settings, work=work, prepared=prepared,
        champion=None if champion is None else context.stored(champion.deployment, champion.newest),
        twin=evidence.get("twin") or "all", train_seconds=done.get(Stage.TRAIN, {}).get("seconds", 0.0),
        now=cycle.opened_at, trigger=cycle.trigger.kind, past=forecasts.past(conn, context.name),
        earlier=forecasts.earlier(conn, context.name, MOST_TOLD),
        tries=forecasts.kept_tries(conn, context.name) if champion is None else 0,
    )  # fmt: skip


def _record_request(context: ModelContext, conn: Connection, cycle: Cycle, schema: Schema) -> RecordRequest:
    """Of the files that the planner chose, and of all labels that are there for their rows."""
    evidence = cycle.trigger.evidence
    known = LabelState.from_json(evidence["labels"]) if "labels" in evidence else LabelState()
    newest = totals.newest_seq(conn, context.name)
    rows = files.usable(conn, context.name, newest, int(evidence["from_seq"]))
    withheld = withheld_classes(conn, context.name, context.settings, context.folders.versions)
    chosen = [row for row in rows if row.kind == "labels" or row.seq <= cycle.up_to_seq]
    return RecordRequest(
        model=context.name, number=cycle.number, files=context.accepted(chosen, withheld, known.trust), schema=schema,
        settings=context.settings, work=context.folders.cycle(cycle.id),
        config_dir=context.shared.config.path.parent, served_version=evidence.get("served_version"),
        now=context.now(),
    )  # fmt: skip


def _adopted(context: ModelContext, cycle: Cycle) -> Path | None:
    """The folder of the pipeline that a cycle adopts; None where it trains."""
    return context.folders.adopted(cycle.trigger.evidence["folder"]) if cycle.trigger.kind == "adopt" else None


def _rows_beside(context: ModelContext, cycle: Cycle) -> tuple[AcceptedFile, ...]:
    """The rows that came with a pipeline, in place of those of accepted files."""
    folder, rows = _adopted(context, cycle), cycle.trigger.evidence.get("rows")
    if folder is None or not rows:
        return ()
    digest = cycle.trigger.evidence["rows_digest"]
    return (AcceptedFile(seq=1, snapshot=folder / ROWS, digest=digest, rows=rows, own_labels=rows),)


def _read_from(context: ModelContext, conn: Connection, cycle: Cycle) -> tuple[int, int]:
    """The oldest file that the cycle's window may need, by order of arrival, and the labelled rows of all before it: of
    a year of files few are read. A recommendation counts them all."""
    if context.settings.task == "recommendation":
        return 0, 0
    evidence = cycle.trigger.evidence
    needed = files_needed(chosen_window(context.settings.window, evidence.get("window")))
    if needed is None:
        return 0, 0
    maturity = context.settings.labels.maturity or Maturity()
    needed += (maturity.files or 0) + list(evidence.get("labels", {}).get("trust", {}).values()).count(WAITING)
    waited_s, until = maturity.seconds or 0.0, cycle.up_to_seq
    oldest = files.nth_newest_labelled(conn, context.name, until, needed, waited_s, cycle.opened_at)
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


def _champion(context: ModelContext, champion: Champion | None) -> StoredDeployment | None:
    """What a challenger's rows are chosen beside; None where it is damaged. That it cannot be compared with it either,
    the evaluate stage finds and tells."""
    if champion is None or not (context.folders.version(champion.newest) / "training.json").is_file():
        return None
    return context.stored(champion.deployment, champion.newest)
