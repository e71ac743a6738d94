"""Nothing grows for ever: what is beyond the configured retention goes, soon after the start and then once a day, or
more often where an age is shorter than a few days.

It runs in a thread beside everything else, and what looks at the data folder in one that nobody waits for: what may go
is found by reading, and then goes in transactions of a few hundred rows, between which others write. Files go before
the rows that name them, so that a kill leaves rows to be found again and no file that nobody knows; snapshots the other
way round, by a state of their own: first the file's rows leave every window, and at the next time its snapshot goes."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, Table

from daemon.config.paths import StatePaths
from daemon.cycles.tidying import clear_holds
from daemon.ledger import Ledger, cycles, prediction_log, retention, tables, versions
from daemon.runtime.context import ModelContext
from daemon.runtime.log import get_logger
from daemon.runtime.stores import data_store
from daemon.runtime.within import within
from retrain import durable
from retrain.planning.retention import StoredFile, expirable, pause_s
from retrain.records.cycle import CycleState
from retrain.records.errors import Refused
from retrain.store.backends.objects import StoreFailed
from retrain.store.versions import read_json

AFTER_START_S = 60.0
BREATH_S = 0.005
VACUUM_PAGES = 2_000
FOLDER_S = 60.0
"""For so long a sweep waits for the data folder, which may hang; what lies there is looked at the next time."""
Let = Callable[[Connection, Sequence[Any]], None]
log = get_logger()


async def keep_model(context: ModelContext) -> None:
    """Sweep a model's files and rows, again and again, until cancelled."""
    await asyncio.sleep(AFTER_START_S)
    while True:
        counts = await _in_thread(lambda stop: sweep_model(context, context.now(), stop))
        with contextlib.suppress(TimeoutError):
            gone = await within(context.shared.looking.run(gone_files, context, context.now()), FOLDER_S)
            counts |= await _in_thread(partial(sweep_rows, context, gone))
        if counts:
            context.log.info("retention_finished", **counts)
        kept = context.settings.retention
        ages = kept.snapshots, kept.predictions, kept.quarantine, kept.reports, kept.history, kept.files
        await asyncio.sleep(pause_s(*ages))


async def keep_service(ledger: Ledger, paths: StatePaths, events_s: float) -> None:
    """Sweep what belongs to no model, and give the ledger's free pages back, until cancelled."""
    await asyncio.sleep(AFTER_START_S)
    while True:
        await asyncio.to_thread(clear_holds, paths)
        counts = await _in_thread(lambda stop: sweep_service(ledger, time.time() - events_s, stop))
        if counts:
            log.info("retention_finished", **counts)
        await asyncio.sleep(pause_s(events_s))


async def _in_thread(sweep: Callable[[Event], dict[str, int]]) -> dict[str, int]:
    """What a sweep did; it ends after its current transaction when it is cancelled."""
    stop = Event()
    try:
        return await asyncio.to_thread(sweep, stop)
    finally:
        stop.set()


def sweep_model(context: ModelContext, now: float, stop: Event | None = None) -> dict[str, int]:
    """Let go of what is beyond a model's retention; how much of what."""
    kept, state, name = context.settings.retention, context.folders.state, context.name
    done: Counter[str] = Counter()
    with _Sweep(context.shared.ledger, stop) as sweep:
        _snapshots(context, sweep, now, done)
        matures_s = 0.0 if context.settings.labels.maturity is None else context.settings.labels.maturity.seconds or 0.0
        before = now - max(kept.predictions, 2 * matures_s)
        found = sweep.find(lambda conn: retention.old_predictions(conn, name, before))
        files = [(check, state / path) for check, path in found]
        done["predictions"] += sweep.remove_files(files, "retention.remove_predictions", retention.forget_predictions)
        found = sweep.find(lambda conn: retention.old_quarantine(conn, name, now - kept.quarantine))
        files = [(file, context.folders.rejects(sha256)) for file, sha256 in found]
        done["quarantine"] += sweep.remove_files(files, "retention.remove_quarantine", retention.forget_quarantine)
        named = sweep.find(retention.named_checks)
        whole = sweep.find(lambda conn: retention.long_reports(conn, name, now - kept.reports, named))
        done["reports"] += sweep.let_go(whole, retention.spend_reports)
        old = now - kept.history
        checks = sweep.find(lambda conn: retention.old_checks(conn, name, old, named))
        done["checks"] += sweep.remove(tables.checks, checks)
        sweep.remove_old(sweep.find(lambda conn: retention.old_of_model(conn, name, old)), done)
        labels = sweep.find(lambda conn: retention.spent_labels(conn, name, kept.snapshots))
        done["files"] += sweep.let_go(labels, retention.expire)
    return {what: count for what, count in done.items() if count}


def gone_files(context: ModelContext, now: float) -> list[int]:
    """Where it is configured, the old files of which nothing is left and that are gone from the data folder, too. A
    folder without any file may be a mount that is away."""
    kept = context.settings.retention
    if kept.files is None:
        return []
    if context.settings.data_uri is not None:
        return _gone_objects(context, now - kept.files)
    folder = context.data_dir
    if not folder.is_dir() or next(folder.iterdir(), None) is None:
        return []
    with context.shared.ledger.connect() as conn:
        old = retention.forgettable(conn, context.name, now - kept.files)
    return [file for file, path in old if not os.path.lexists(folder / path)]


def _gone_objects(context: ModelContext, before: float) -> list[int]:
    """The same of a prefix, which is listed for it; none where it cannot be, or is empty."""
    with context.shared.ledger.connect() as conn:
        old = {path: file for file, path in retention.forgettable(conn, context.name, before)}
    store, count = data_store(context.shared.config, context.name) if old else None, 0
    if store is None:
        return []
    try:
        for page in store.pages():
            count += len(page)
            for name, _ in page:
                old.pop(name, None)
    except StoreFailed:  # its intake tells
        return []
    return list(old.values()) if count else []


def sweep_rows(context: ModelContext, gone: Sequence[int], stop: Event | None = None) -> dict[str, int]:
    """Let go of the ledger's rows of such files; how many."""
    done: Counter[str] = Counter()
    with _Sweep(context.shared.ledger, stop) as sweep:
        done["file_rows"] += sweep.remove(tables.files, gone)
    return {what: count for what, count in done.items() if count}


def sweep_service(ledger: Ledger, before: float, stop: Event | None = None) -> dict[str, int]:
    """Let go of log events, finished commands and done schedules from before a moment; how many of which."""
    done: Counter[str] = Counter()
    with _Sweep(ledger, stop) as sweep:
        sweep.remove_old(retention.old_of_service(before), done)
    done["schedules"] = done.pop(tables.due.name)
    ledger.give_back(VACUUM_PAGES)
    return {what: count for what, count in done.items() if count}


def batched(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """In pieces of at most so many as one transaction takes.

    >>> [len(batch) for batch in batched(range(1200))]
    [500, 500, 200]
    """
    return (items[start : start + retention.BATCH] for start in range(0, len(items), retention.BATCH))


class Stopped(Exception):
    """The service ends; what is left goes at the next start."""


class _Sweep:
    """Reads, and short transactions with a breath for others after each, until it is to stop."""

    def __init__(self, ledger: Ledger, stop: Event | None) -> None:
        self._ledger, self._stop = ledger, stop or Event()

    def __enter__(self) -> "_Sweep":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is Stopped

    def find(self, read: Callable[[Connection], Any]) -> Any:
        """What a reader finds."""
        with self._ledger.connect() as conn:
            return read(conn)

    def write(self, let: Let, items: Sequence[Any]) -> None:
        """One transaction."""
        if self._stop.is_set():
            raise Stopped
        with self._ledger.begin() as conn:
            let(conn, items)
        durable.crash_point("retention.committed")
        time.sleep(BREATH_S)

    def let_go(self, items: Sequence[Any], let: Let) -> int:
        """All items, a batch each transaction; how many."""
        for batch in batched(items):
            self.write(let, batch)
        return len(items)

    def remove_files(self, found: Sequence[tuple[int, Path]], point: str, let: Let) -> int:
        """Remove files, and then what the ledger has of them by their keys; how many."""
        for batch in batched(found):
            for _, path in batch:
                durable.remove(path, point)
            self.write(let, [key for key, _ in batch])
        return len(found)

    def remove(self, table: Table, ids: Sequence[int]) -> int:
        """Remove rows; how many."""
        return self.let_go(ids, lambda conn, batch: retention.remove(conn, table, batch))

    def remove_old(self, tables: retention.Old, done: Counter[str]) -> None:
        """Remove the rows of tables that may go, and count them."""
        for table, old in tables:
            done[table.name] += self.remove(table, self.find(partial(retention.ids, table=table, old=old)))


def _snapshots(context: ModelContext, sweep: _Sweep, now: float, done: Counter[str]) -> None:
    """First what left its windows at an earlier time, then what leaves them now; nothing while a cycle reads."""
    ledger, name, kept = context.shared.ledger, context.name, context.settings.retention
    with ledger.connect() as conn:
        cycle = cycles.current(conn, name)
        if cycle is not None and cycle.state is CycleState.OPEN:
            return
        used = _used(context, [row.name for row in versions.stored(conn, name)])
        left = retention.left_snapshots(conn, name, now - kept.snapshots)
    for file, snapshot, sha256, alone in left:
        if sha256 in used:
            continue
        if alone:
            durable.remove(context.folders.state / snapshot, "retention.remove_snapshot")
            for path in context.folders.predictions.glob(f"{Path(snapshot).stem}.*"):
                durable.remove(path, "retention.remove_predictions")
        sweep.write(lambda conn, ids: prediction_log.snapshot_removed(conn, ids[0]), [file])
        done["snapshots"] += 1
    sizes = _sizes(context) if kept.snapshots_size is not None else {}
    with ledger.connect() as conn:
        stored = (
            StoredFile(
                row.id, row.seq, row.sha256, row.at, row.newest, row.rows, row.labelled_rows,
                sizes.get(Path(row.snapshot).name, 0),
            )
            for row in retention.accepted(conn, name)
        )  # fmt: skip
        gone = [file.id for file in expirable(stored, context.settings, used, now)]
    done["files"] += sweep.let_go(gone, retention.expire)


def _used(context: ModelContext, names: list[str]) -> frozenset[str]:
    """Digests of the files that the stored versions were made of, so that each can be made again."""
    found: set[str] = set()
    for name in names:
        try:
            training = read_json(context.folders.version(name) / "training.json")
        except Refused:
            continue
        prepared = training.get("prepare", {})
        for key in ("snapshots", "holdout_snapshots", "reserved_snapshots"):
            found |= set(prepared.get(key, ()))
        found |= set(training.get("snapshots", ()))
    return frozenset(found)


def _sizes(context: ModelContext) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in context.folders.snapshots.glob("*.parquet")}
