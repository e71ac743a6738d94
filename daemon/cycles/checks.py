"""Checks of snapshots against the champion: made by the analyst, committed with their episode, and logged."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.classes import withheld_classes
from daemon.cycles.cpu import record_spent
from daemon.cycles.elsewhere import other_columns
from daemon.cycles.label_warnings import label_notes
from daemon.cycles.loadable import unloadable
from daemon.cycles.schemas import change_since, schema_of
from daemon.ledger import checks, files, models, promotions
from daemon.runtime.context import ModelContext
from daemon.runtime.publish import publish_made
from daemon.runtime.worker.process import WorkerError
from retrain.operations import AcceptedFile, CheckRequest, CheckResult, to_json
from retrain.records.deployment import Champion
from retrain.records.new_classes import NewClass

MOST_AGAIN = 20
MOST_LEARNED = 500
"""Files before the champion's training, from which rows that it did not see are read."""


@dataclass(frozen=True)
class AnalystCheck:
    """What the analyst found; `deployment` is the champion's era and `version` its name, `predictions` the path of what
    it predicted below the state folder."""

    found: CheckResult
    deployment: int
    version: str
    predictions: str | None
    started_at: float
    seconds: float

    def entry(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        names = ("deployment", "version", "predictions", "started_at", "seconds")
        return to_json(self.found) | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class RecordedCheck:
    """A committed check, ready to be logged: `opened` and `cleared` are the episodes that it began and ended."""

    id: int
    kind: str
    check: AnalystCheck
    opened: int | None
    cleared: int | None

    def log_to(self, log: Any) -> None:
        """Log what the check found."""
        found = self.check.found
        drifted = drifted_columns(found.report)
        names = [c["name"] for c in drifted]
        performance, estimated = found.performance or {}, found.estimated or {}
        together = found.report.get("multivariate")
        log.info(
            "check_finished", check=self.id, kind=self.kind, version=self.check.version, drift=found.report["drift"],
            drifted_columns=len(drifted), untested=found.report["untested"], seconds=round(self.check.seconds, 3),
            metric=performance.get("metric") or estimated.get("metric"), value=performance.get("value"),
            estimated=estimated.get("value"), estimated_rows=estimated.get("rows"),
            **({"together": together["sentences"]} if together else {}),
        )  # fmt: skip
        if self.opened is not None:
            sentences = [c["sentence"] for c in drifted[:3]]
            log.warning("drift_detected", episode=self.opened, columns=names, why=sentences)
        if self.cleared is not None:
            log.info("drift_cleared", episode=self.cleared)


def drifted_columns(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns and outputs of a report that drifted, the largest effect first."""
    found = [c for c in (*report["columns"], *report.get("outputs", ())) if c["drift"]]
    return sorted(found, key=lambda c: -(c["effect"] or 0.0))


async def check_snapshots(
    context: ModelContext, kind: str, snapshots: list[Path], withheld: Iterable[NewClass] = ()
) -> AnalystCheck | None:
    """The analyst's judgement of snapshots against the champion, where labels of `withheld` classes do not count; None
    without a champion or if it failed."""
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, context.name)
        if champion is None or unloadable(context.folders.versions, champion, context.settings):
            return None  # the latter is logged by itself; once there is another champion it judges these files again
        learned = learned_files(conn, context.name, context.folders.state, champion)
        notes = label_notes(conn, context.name) if kind == "file" else []
        stored = schema_of(models.brief(conn, context.name))
    changed = change_since(context.settings, stored, context.folders.versions, champion)
    moved = other_columns(context.folders.version(champion.newest), context.settings)
    request = CheckRequest(
        kind=kind,
        snapshots=tuple(snapshots),
        deployment=context.stored(champion.deployment, champion.newest),
        settings=context.settings,
        work=context.folders.intake,
        predict=kind == "file" and (changed is None or changed.comparable) and not moved,
        withheld=tuple(one.name for one in withheld),
        files=learned,
    )
    started_at, started = context.now(), time.monotonic()
    try:
        found = await context.shared.analyst.ask_again(request)
    except WorkerError as error:
        context.spent_s["checks"] += error.cpu_s
        context.log.error("check_failed", kind=kind, reason=error.message)
        return None
    context.spent_s["checks"] += found.cpu_s
    if notes:
        found.report["notes"] = [*found.report["notes"], *notes]
    predictions = None
    if found.predictions is not None:
        final = context.folders.predictions / f"{snapshots[0].stem}.{champion.deployment.name}.parquet"
        publish_made(found.predictions, final, "check.publish_predictions")
        predictions = str(final.relative_to(context.folders.state))
    seconds = time.monotonic() - started
    return AnalystCheck(found, champion.era, champion.deployment.name, predictions, started_at, seconds)


def learned_files(conn: Connection, model: str, state: Path, champion: Champion) -> tuple[AcceptedFile, ...]:
    """The newest files that the champion's newest version could learn from; none where it answers alone and unchanged,
    when a check does not need them."""
    served = champion.deployment
    if served.calibration is None and list(served.weights) == [champion.newest]:
        return ()
    usable = files.usable(conn, model, champion.seen_seq, max(0, champion.seen_seq - MOST_LEARNED))
    return tuple(
        AcceptedFile(seq=row.seq, snapshot=state / row.snapshot, digest=row.sha256, rows=row.rows)
        for row in usable
        if row.kind == "rows"
    )


def record_check(
    conn: Connection, context: ModelContext, kind: str, check: AnalystCheck, file_id: int | None
) -> RecordedCheck:
    """Write a check and open, extend or close the model's episode, in the caller's transaction."""
    report, now, name = check.found.report, context.now(), context.name
    check_id = checks.record(conn, name, kind, check.entry(), file_id)
    record_spent(conn, context)
    opened = cleared = None
    if report["drift"]:
        opened = checks.drifts(conn, name, check_id, [c["name"] for c in drifted_columns(report)], now)
    elif kind == "file" and not report["untested"]:
        cleared = checks.drifts_no_more(conn, name, check_id, now)
    return RecordedCheck(check_id, kind, check, opened, cleared)


async def check_again(context: ModelContext) -> int:
    """Let a new champion judge the files that arrived while it was made; how many it judged."""
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, context.name)
        if champion is None:
            return 0
        rows = checks.unchecked(conn, context.name, champion.era, champion.seen_seq, MOST_AGAIN)
        withheld = withheld_classes(conn, context.name, context.settings, context.folders.versions)
    for row in rows:
        async with context.check_lock:
            result = await check_snapshots(context, "file", [context.folders.state / row.snapshot], withheld)
            if result is None:
                return 0
            await context.shared.writable()
            with context.shared.ledger.begin() as conn:
                recorded = record_check(conn, context, "file", result, row.id)
        recorded.log_to(context.log.bind(file=row.path))
    return len(rows)


async def scheduled_check(context: ModelContext, checked: Sequence[str] = ()) -> None:
    """Check the rows of the recent window, as the schedule asks; not where they are those of one file, live traffic
    that was made a file and `checked` for this moment."""
    with context.shared.ledger.connect() as conn:
        recent = files.recent(conn, context.name, context.settings.check_window)
        withheld = withheld_classes(conn, context.name, context.settings, context.folders.versions)
    if len(recent) == 1 and recent[0].path in checked and not context.settings.drift.multivariate:
        return
    snapshots = [context.folders.state / row.snapshot for row in recent]
    result = await check_snapshots(context, "schedule", snapshots, withheld) if snapshots else None
    if result is None:
        return
    await context.shared.writable()
    with context.shared.ledger.begin() as conn:
        recorded = record_check(conn, context, "schedule", result, None)
    recorded.log_to(context.log)
