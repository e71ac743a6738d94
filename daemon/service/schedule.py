"""Cron schedules. A job only writes a due row to the ledger and wakes the model; the ledger holds what is due.

APScheduler keeps its jobs in memory: they come from the configuration at every start, and a row that was
written but not worked off before a crash is found in the ledger.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.config.cron import cron_trigger
from retrain.records.settings import ModelSettings

Due = Callable[[str, str, float], None]
JUMP_S = 10.0


class Schedule:
    """Calls `due(model, kind, due_at)` on the event loop when a cron expression says so."""

    def __init__(self, timezone: str, due: Due) -> None:
        self._timezone = timezone
        self._due = due
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._settings: dict[str, ModelSettings] = {}
        self._offset_s: float | None = None

    def start(self) -> None:
        """Begin to count time."""
        self._scheduler.start()

    def stop(self) -> None:
        """Forget all jobs."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def overdue_s(self) -> float:
        """How late the latest job is. The wall clock may have jumped past it, so the scheduler is woken."""
        now = datetime.now(UTC)
        times = [job.next_run_time for job in self._scheduler.get_jobs() if job.next_run_time is not None]
        late_s = max(((now - due).total_seconds() for due in times), default=0.0)
        if late_s > 0:
            self._scheduler.wakeup()
        return max(0.0, late_s)

    def set_model(self, name: str, settings: ModelSettings | None) -> None:
        """Replace the jobs of a model by those of its settings; None removes them."""
        self._settings.pop(name, None)
        schedules: dict[str, str | None] = {"check": None, "retrain": None}
        if settings is not None:
            self._settings[name] = settings
            schedules = {"check": settings.check_schedule, "retrain": settings.retrain_schedule}
        for kind, expression in schedules.items():
            job = f"{name}:{kind}"
            if self._scheduler.get_job(job) is not None:
                self._scheduler.remove_job(job)
            if expression is not None:
                self._scheduler.add_job(
                    self._fire, cron_trigger(expression, self._timezone), args=(name, kind), id=job,
                    misfire_grace_time=None, coalesce=True, max_instances=1,
                )  # fmt: skip

    def look_at_clock(self, wall_s: float, monotonic_s: float) -> float:
        """By how much the wall clock jumped since the last look, in seconds; 0 where it did not.

        After a jump forward what became due fires now, once; after one backward the next times are reckoned anew, so
        that nothing waits until the clock is again where it was."""
        offset_s, before_s = wall_s - monotonic_s, self._offset_s
        if before_s is not None and abs(offset_s - before_s) < JUMP_S:
            return 0.0
        self._offset_s = offset_s
        if before_s is None:
            return 0.0
        if offset_s < before_s:
            for name, settings in list(self._settings.items()):
                self.set_model(name, settings)
        elif self._scheduler.running:
            self._scheduler.wakeup()
        return offset_s - before_s

    async def _fire(self, name: str, kind: str) -> None:
        # A coroutine runs on the event loop; a plain function would run in a thread of the scheduler.
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        self._due(name, kind, minute.timestamp())
