"""Takes a model's files in: notices them, waits until they are settled, and hands each to the analyst once.

Hints (events) only say where to look. What counts is the look at the file, compared with the ledger's.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from daemon.cycles.schemas import reading_digest
from daemon.intake.settle import (
    Pause,
    Pending,
    Settled,
    Unchanged,
    judge_look,
    longer,
    patience_s,
    pause_of,
    rescan_pause_s,
    settle_time_s,
)
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.intake.watch import FolderWatch
from daemon.ledger import files, models
from daemon.reading.look import Look, Problem, is_passing, look, matches, scan, why_unread
from daemon.runtime.context import ModelContext, make_folders
from daemon.runtime.within import within

T = TypeVar("T")
WATCH_CHECK_S = 2.0
UNWATCHED_RESCAN_S = 5.0
DISK_RETRY_S = 5.0
FAILURE_RETRY_S = 5.0
BACKLOG_LOGGED = 100
PROGRESS_S = 30.0
LONG_SETTLES = 10
HINT_WITHIN_S = 2.0
LOGGED_UNREAD = 20


@dataclass
class Intake:
    """One model's intake; `run` until cancelled."""

    context: ModelContext
    known: dict[str, Look] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    taking: set[str] = field(default_factory=set)
    learned: Pause | None = None
    growths: dict[str, int] = field(default_factory=dict)
    _read_by: str = ""
    _unfinished: set[str] = field(default_factory=set)
    _hinted: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _rescan_due_s: float = 0.0
    _asked_to_look: bool = True
    _watch: FolderWatch | None = None
    _watched_since: float = 0.0
    _logged_missed: bool = False
    _logged_backlog: int = BACKLOG_LOGGED
    _disk_low: bool = False
    _unread: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Notice, settle, take in, again and again."""
        make_folders(self.context.folders)
        await self._beside(self._make_folder)
        self.known, self._read_by = await asyncio.to_thread(self._known)
        self._start_watch()
        try:
            while True:
                await self._round()
                await self._sleep()
        finally:
            if self._watch is not None:
                self._watch.end()

    @property
    def folder(self) -> Path:
        """The folder that is looked at."""
        return self.context.data_dir

    @property
    def recursive(self) -> bool:
        """Whether its sub-folders are, too."""
        return self.context.settings.intake.recursive

    def called(self, path: str) -> str:
        """What events call a file by this path within the folder."""
        return path

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.context.log.error("data_dir_missing", folder=str(self.folder), error=error.strerror)

    def _known(self) -> tuple[dict[str, Look], str]:
        """What the ledger knows of all files, and by what files are read now; what was refused by something else is
        looked at again."""
        reading = reading_digest(self.context)
        with self.context.shared.ledger.connect() as conn:
            known = files.known(conn, self.context.name)
            again = files.refused_otherwise(conn, self.context.name, reading)
            kept = models.load_settling(conn, self.context.name)
        self.learned = None if kept is None else Pause(**kept)
        return {path: look for path, look in known.items() if path not in set(again)}, reading

    async def _look_at_refused_again(self) -> None:
        """Where the first file fixed the schema: others may have been refused for want of it."""
        reading = await asyncio.to_thread(reading_digest, self.context)
        if reading == self._read_by:
            return
        self._read_by = reading
        with self.context.shared.ledger.connect() as conn:
            again = files.refused_otherwise(conn, self.context.name, reading)
        for path in again:
            self.known.pop(path, None)
            self._look_at_all()

    def _look_at_all(self) -> None:
        self._rescan_due_s, self._asked_to_look = 0.0, True

    async def _round(self) -> None:
        if self._watch is not None and await self._beside(self._watch.check):
            self._watched_since = time.time()
            self._look_at_all()
        if self._hinted or self.pending or time.monotonic() >= self._rescan_due_s:
            await self.context.shared.writable()
        await self._notice_hinted()
        if time.monotonic() >= self._rescan_due_s:
            if self.context.settings.prepare is not None:  # what its code refused may be fine by other code
                await self._look_at_refused_again()
            await self._rescan()
        settled = await self._settled()
        if settled:
            await self._take_all(settled)

    async def _sleep(self) -> None:
        wake_at = min(
            [
                time.monotonic() + WATCH_CHECK_S * self.context.shared.pace,
                self._rescan_due_s,
                *(p.due_s for p in self.pending.values()),
            ]
        )
        with contextlib.suppress(TimeoutError):
            await within(self._wake.wait(), max(0.0, wake_at - time.monotonic()))
        self._wake.clear()

    def watch_silent_s(self, now_s: float) -> float:
        """How long the watch's thread has been silent."""
        return 0.0 if self._watch is None else self._watch.silent_s(now_s)

    def waiting(self) -> int:
        """Files noticed and soon to be taken in, each once; one that goes on changing for long does not count."""
        recent_s = time.monotonic() - LONG_SETTLES * self.context.settings.intake.settle
        return sum(path in self.taking or p.since_s > recent_s for path, p in self.pending.items())

    # --- noticing -----------------------------------------------------------------------------------------

    def _start_watch(self) -> None:
        loop = asyncio.get_running_loop()
        intake = self.context.settings.intake

        def hint(path: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the service ends
                loop.call_soon_threadsafe(self._hint, path)

        self._watch = FolderWatch(self.folder, self.recursive, intake.watch == "polling", hint)

    def _hint(self, path: str | None) -> None:
        if path is None:
            self._look_at_all()
        else:
            self._hinted.add(path)
        self._wake.set()

    async def _rescan(self) -> None:
        intake = self.context.settings.intake
        started = time.monotonic()
        others = list[str]()
        found = await self._beside(self._scan, others)
        took_s = time.monotonic() - started
        watched = self._watch is not None and self._watch.watches
        pause_s = intake.rescan if watched else min(intake.rescan, UNWATCHED_RESCAN_S)
        self._rescan_due_s = time.monotonic() + rescan_pause_s(pause_s, took_s)
        hinted = await self._beside(self._below, set(self._hinted)) if self._hinted else set[str]()
        missed, self._asked_to_look = [] if self._asked_to_look else self._missed(found, hinted), False
        for path, seen in found:
            self._consider(path, seen)
        present = {path for path, _ in found}
        for path in [p for p in self.problems if p not in present]:
            del self.problems[path]
        for path in others:
            self._log_unread(path)
        if missed:
            await self._watch_anew(missed)

    def _scan(self, others: list[str]) -> list[tuple[str, Look | Problem]]:
        """Looks at all files, in the order of their names, in which they then settle; in a thread. `others` is given
        those that no pattern takes."""
        found = list(scan(self.folder, self.context.settings.intake.patterns, self.recursive, others))
        return sorted(found + self._items_beside(found), key=itemgetter(0))

    def _items_beside(self, found: list[tuple[str, Look | Problem]]) -> list[tuple[str, Look | Problem]]:
        """The file of items, where it lies elsewhere than the data files or is named otherwise."""
        name = self.context.items_name
        if name is None or name in {path for path, _ in found}:
            return []
        seen = self._look(name)
        return [] if isinstance(seen, Problem) and seen.vanished else [(name, seen)]

    def _missed(self, found: list[tuple[str, Look | Problem]], hinted: set[str]) -> list[str]:
        """New files that came while the folder was watched, and of which the watch said nothing."""
        if self._watch is None or not self._watch.watches:
            return []
        noticed = {*self.known, *self.pending, *self.problems, *hinted}
        since, until = self._watched_since + HINT_WITHIN_S, time.time() - HINT_WITHIN_S
        return [p for p, s in found if isinstance(s, Look) and p not in noticed and since < s.ctime_ns / 1e9 < until]

    async def _watch_anew(self, missed: list[str]) -> None:
        """A watch that says nothing, as where other machines write to a shared folder, is begun again; logged once."""
        assert self._watch is not None
        if not self._logged_missed:
            self._logged_missed = True
            self.context.log.warning(
                "watch_missed", files=len(missed), first=missed[0],
                hint='if other machines write here, set intake.watch = "polling"',
            )  # fmt: skip
        self._watch.stop()

    async def _notice_hinted(self) -> None:
        hinted, self._hinted = self._hinted, set()
        for path, seen in await self._beside(self._looks_at_hinted, hinted) if hinted else ():
            if self._is_ours(path):
                self._consider(path, seen)
            elif isinstance(seen, Look):
                self._log_unread(path)

    def _looks_at_hinted(self, paths: set[str]) -> list[tuple[str, Look | Problem]]:
        """Looks at what hints name, in a thread; not at what nobody reads."""
        wanted = [path for path in self._below(paths) if self._is_ours(path) or not is_passing(path)]
        return [(path, self._look(path)) for path in sorted(wanted)]

    def _below(self, paths: set[str]) -> set[str]:
        """Hinted paths within the data folder, in a thread: events name real paths."""
        folder = os.path.realpath(self.folder) if paths else ""
        return {os.path.relpath(path, folder) for path in paths}

    def _is_ours(self, path: str) -> bool:
        return path == self.context.items_name or matches(path, self.context.settings.intake.patterns)

    async def _beside(self, work: Callable[..., T], *arguments: Any) -> T:
        """What touches the data folder, beside the event loop."""
        return await self._beside_of(self.folder, work, *arguments)

    async def _beside_of(self, of: Path, work: Callable[..., T], *arguments: Any) -> T:
        """What touches a folder, beside the event loop; one that hangs is told, and when it answers again."""
        folder, log, told = str(of), self.context.log, list[bool]()

        def hung() -> None:
            told.append(True)
            log.warning("folder_hung", folder=folder)

        found = await self.context.shared.looking.run(work, *arguments, hung=hung)
        if told:
            log.info("folder_answered", folder=folder)
        return found

    def _look(self, path: str) -> Look | Problem:
        return look(self.context.place_of(path), self.context.root_of(path))

    def _log_unread(self, path: str) -> None:
        """A file that no pattern takes is logged once; of many, the first."""
        if path not in self._unread and len(self._unread) < LOGGED_UNREAD:
            self._unread.add(path)
            self.context.log.warning("file_unread", file=self.called(path), reason=why_unread(path))

    def _consider(self, path: str, seen: Look | Problem) -> None:
        if isinstance(seen, Problem):
            self.pending.pop(path, None)
            if not seen.vanished and self.problems.get(path) != seen.reason:
                self.problems[path] = seen.reason
                self.context.log.warning("file_refused", file=self.called(path), reason=seen.reason)
            return
        self.problems.pop(path, None)
        is_new = path not in self.pending
        self._judge(path, seen)
        if is_new and path in self.pending:
            self.context.log.info("file_seen", file=self.called(path), bytes=seen.size)

    def _judge(self, path: str, seen: Look) -> bool:
        """Whether a file is settled; what else it is, is remembered."""
        self._learn(path, seen)
        known, pending = self.known.get(path), self.pending.get(path)
        judgement = judge_look(seen, known, pending, time.monotonic(), self._settle_s(path))
        if isinstance(judgement, Pending):
            self.pending[path] = judgement
        elif isinstance(judgement, Unchanged):
            self.pending.pop(path, None)
        return isinstance(judgement, Settled)

    def _settle_s(self, path: str) -> float:
        """How long this file is to stay unchanged."""
        pending, configured_s = self.pending.get(path), self.context.settings.intake.settle
        waited_s = 0.0 if pending is None else time.monotonic() - pending.since_s
        return settle_time_s(configured_s, self.learned, time.time(), waited_s, self.growths.get(path, 0))

    def _learn(self, path: str, seen: Look) -> None:
        """Of a file that was taken in a pause, and grew: how long the pause was."""
        before = self.known.get(path) or (self.pending[path].look if path in self._unfinished else None)
        if before is None or before == seen or (path in self.pending and path not in self._unfinished):
            return
        self._unfinished.discard(path)
        self.growths[path] = self.growths.get(path, 0) + 1
        pause_s, configured_s = pause_of(before, seen), self.context.settings.intake.settle
        found = None if pause_s is None else longer(self.learned, Pause(pause_s, path, time.time()), configured_s)
        if found is None:
            return
        self.learned = found
        self._keep_learned(found)
        self.context.log.info(
            "settle_learned", file=self.called(path), pause_s=round(found.pause_s, 1), settle_s=round(found.settle_s, 1)
        )

    def _keep_learned(self, found: Pause) -> None:
        with self.context.shared.ledger.begin() as conn:
            models.save_settling(conn, self.context.name, asdict(found))

    # --- settling and taking ------------------------------------------------------------------------------

    async def _settled(self) -> list[tuple[str, Look]]:
        now_s = time.monotonic()
        due = sorted(p for p, pending in self.pending.items() if pending.due_s <= now_s)
        settled: list[tuple[str, Look]] = []
        for path, seen in await self._beside(lambda: [(p, self._look(p)) for p in due]) if due else ():
            if isinstance(seen, Problem):
                self._consider(path, seen)
            elif self._judge(path, seen):
                settled.append((path, seen))
        return settled

    async def _take_all(self, settled: list[tuple[str, Look]]) -> None:
        self.taking = {path for path, _ in settled}
        self._log_backlog()
        begun_s = logged_s = time.monotonic()
        try:
            for path, seen in settled:
                if not self.has_disk(path):
                    self._put_off()
                    break
                outcome = await self._take(path, seen)
                self._after(path, seen, outcome)
                self.taking.remove(path)
                if outcome is Taken.HUNG:
                    break  # the next look waits for the folder, and nobody for that
                if (now_s := time.monotonic()) - logged_s >= PROGRESS_S:
                    self._log_progress(len(settled) - len(self.taking), now_s - begun_s)
                    logged_s = now_s
            await self._look_at_refused_again()
        finally:
            self.taking = set()
            self.context.decision_needed.set()

    async def _take(self, path: str, seen: Look) -> Taken:
        """What became of a settled file."""
        taking = Taking(path, seen, recent=self._is_recent(path, seen), items=path == self.context.items_name)
        return await take_file(self.context, taking)

    def _after(self, path: str, seen: Look, outcome: Taken) -> None:
        now_s, pending = time.monotonic(), self.pending.get(path)
        if outcome is Taken.GONE:
            self.pending.pop(path, None)
            return
        if outcome in (Taken.LATER, Taken.HUNG):
            self.pending[path] = Pending(seen, now_s + FAILURE_RETRY_S, now_s, now_s)
            return
        if outcome is Taken.UNFINISHED:
            self._unfinished.add(path)
            still = pending if pending is not None and pending.look == seen else Pending(seen, now_s, now_s, now_s)
            self.pending[path] = replace(still, due_s=still.still_since_s + patience_s(self._settle_s(path)))
            return
        self._unfinished.discard(path)
        self.pending.pop(path, None)
        self.known[path] = seen

    def _is_recent(self, path: str, seen: Look) -> bool:
        """Whether a file changed so short a time ago that it may be still written."""
        pending, patience = self.pending.get(path), patience_s(self._settle_s(path))
        still_s = 0.0 if pending is None else time.monotonic() - pending.still_since_s
        return max(still_s, time.time() - max(seen.mtime_ns, seen.ctime_ns) / 1e9) + 1e-6 < patience

    def has_disk(self, path: str) -> bool:
        """Whether there is room to take a file in; logged once when there is none, and when there is again."""
        lack = self.context.shared.lack()
        if self._disk_low and not lack:
            self.context.log.info("disk_ok", free_bytes=self.context.shared.free_bytes())
        elif lack and not self._disk_low:
            self.context.log.error("disk_low", **lack, waiting_file=self.called(path))
        self._disk_low = bool(lack)
        return not lack

    def _put_off(self) -> None:
        """Ask again for room after a moment."""
        for path, pending in list(self.pending.items()):
            if pending.due_s <= time.monotonic():
                self.pending[path] = replace(pending, due_s=time.monotonic() + DISK_RETRY_S)

    def _log_progress(self, done: int, seconds: float) -> None:
        rate, left = done / seconds, len(self.taking)
        left_s = round(left / rate)
        self.context.log.info("backlog_progress", files=left, per_second=round(rate, 1), seconds_left=left_s)

    def _log_backlog(self) -> None:
        waiting = len(self.taking)
        if waiting >= self._logged_backlog:
            self.context.log.warning("backlog_growing", files=waiting)
            self._logged_backlog = 2 * waiting
        elif waiting < BACKLOG_LOGGED:
            self._logged_backlog = BACKLOG_LOGGED
