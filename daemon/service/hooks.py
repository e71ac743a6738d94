"""Runs the commands of `on_promotion`, beside everything else: at least once after each promotion, one after the other
of each model."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, hook_command
from daemon.ledger import Ledger, hooks
from daemon.ledger.hooks import HookRow
from daemon.runtime.bounded_command import BoundedCommand, Ended
from daemon.runtime.environment import for_others
from daemon.runtime.log import get_logger
from daemon.runtime.looking import Looking
from daemon.runtime.within import within
from daemon.service.hook_input import hook_input, variables
from daemon.service.ledger_writes import PendingWrites
from retrain.durable import crash_point

log = get_logger()
LOOK_S, IDLE_LOOK_S = 1.0, 60.0
"""How often it is looked at what waits, and whether anything does, should nobody have said so."""
SERVED_WITHIN_S = 30.0
"""So long a command waits for a server that serves what was promoted."""
MOST_BEGUN, MOST_STOPS = 3, 20
"""A command that was begun so often while the service died each time is not begun again: perhaps it ends the service.
Where the service was told to stop, as at every update, it may well be no fault of the command's, yet it may have told
it."""
END_S = 5.0


class Hooks:
    """The commands of one service. `resting` says whether the state folder is lost; then none is begun. `stops`:
    whether the service was told to stop."""

    def __init__(
        self,
        config: Callable[[], Config],
        ledger: Ledger,
        pending: PendingWrites,
        environment: Mapping[str, str],
        resting: Callable[[], bool],
        stops: Callable[[], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._ledger, self._pending = config, ledger, pending
        self._environment, self._resting, self._stops, self._now = environment, resting, stops, now
        self._threads = Looking()
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._dealt_with: set[int] = set()

    def wake(self) -> None:
        """There may be something to run."""
        self._wake.set()

    async def run(self) -> None:
        """Run what is to be run, until cancelled; what is under way then is ended, and begun anew at the next start."""
        try:
            while True:
                wait_s = LOOK_S
                with contextlib.suppress(SQLAlchemyError, OSError):  # tried again soon
                    if not self._resting() and self._ledger.is_free():
                        wait_s = LOOK_S if self._look() else IDLE_LOOK_S
                with contextlib.suppress(TimeoutError):
                    await within(self._wake.wait(), wait_s)
                self._wake.clear()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Return once what is under way has ended, or END_S later."""
        running = list(self._running.values())
        for task in running:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _look(self) -> bool:
        """Begin what may begin; whether anything waits. What waits of a model that is not configured now may come back
        with it."""
        models = self._config().models
        with self._ledger.connect() as conn:
            found = hooks.waiting(conn)
        waiting = [row for row in found if row.model in models and row.id not in self._dealt_with]
        for row in waiting:
            if row.model not in self._running and self._is_due(row):
                self._begin(row)
        return bool(waiting)

    def _is_due(self, row: HookRow) -> bool:
        """Whether a server serves it, or will not soon; also where the clock was set back."""
        return row.swapped_at is not None or not row.at <= self._now() < row.at + SERVED_WITHIN_S

    def _begin(self, row: HookRow) -> None:
        config = self._config()
        words = hook_command(config, row.model)
        if not words:
            self._write(row.id, partial(hooks.forget, model=row.model))
            return
        stops = hooks.stops_of(row)
        if row.attempts - stops >= MOST_BEGUN or stops >= MOST_STOPS:
            reason = f"it was begun {row.attempts} times, and the service ended each time before it did"
            self._tell(row, Ended(None, reason, "", 0.0))
            return
        with self._ledger.begin(durable=True) as conn:
            told = hook_input(conn, row, config.paths)
            hooks.begin(conn, row)
        crash_point("hook.begun")
        environment = for_others(self._environment) | variables(told)
        given = (json.dumps(told) + "\n").encode()
        limit_s = config.models[row.model].on_promotion_timeout
        command = BoundedCommand(words, given, environment, config.path.parent, limit_s)
        task = asyncio.create_task(self._run(row, told, command))
        self._running[row.model] = task
        task.add_done_callback(partial(self._ended, row.model))

    async def _run(self, row: HookRow, told: Mapping[str, Any], command: BoundedCommand) -> None:
        ending = asyncio.ensure_future(self._threads.run(command.run))
        try:
            ended = await asyncio.shield(ending)
        except asyncio.CancelledError:
            command.end()
            if self._stops():
                self._pending.write(partial(hooks.count_stop, hook_id=row.id))
            await asyncio.wait([ending], timeout=END_S)
            raise
        crash_point("hook.ended")
        self._tell(row, ended, told)

    def _ended(self, model: str, task: "asyncio.Task[None]") -> None:
        del self._running[model]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("part_failed", part="hooks", error=repr(error), times=1)

    def _tell(self, row: HookRow, ended: Ended, told: Mapping[str, Any] | None = None) -> None:
        """Log how it ended, and note that it did."""
        about = {"version": told["version"], "after": told["event"]} if told is not None else {}
        outcome = about | {
            "status": ended.status, "seconds": round(ended.seconds, 2), "output": ended.output, "key": row.key,
        }  # fmt: skip
        if ended.reason:
            outcome["reason"] = ended.reason
        log_ended(row.model, outcome)
        state = "failed" if ended.reason else "done"
        self._write(row.id, partial(hooks.finish, hook_id=row.id, state=state, outcome=outcome, now=self._now()))

    def _write(self, hook_id: int, write: Callable[..., None]) -> None:
        """Note it, now or once the ledger can be written; it is not looked at before."""
        self._dealt_with.add(hook_id)
        self._pending.write(write, lambda: self._dealt_with.discard(hook_id))


def log_ended(model: str, outcome: Mapping[str, Any]) -> None:
    """Log how a command ended."""
    if "reason" in outcome:
        log.warning("hook_failed", model=model, **outcome)
    else:
        log.info("hook_done", model=model, **outcome)
