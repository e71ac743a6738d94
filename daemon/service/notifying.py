"""Sends notifications: what the outbox of the ledger holds, to each destination at its own pace, until it arrives."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.config.notify import NotifySettings
from daemon.config.registries import MLFLOW, OPENLINEAGE
from daemon.config.service import ServiceSettings
from daemon.ledger import Ledger, outbox
from daemon.registry.lineage import write_events
from daemon.runtime.log import get_logger
from daemon.runtime.looking import Looking
from daemon.runtime.notify.attempt import Attempt
from daemon.runtime.notify.delivery import Destination, deliver, refuse_unusable
from daemon.runtime.notify.messages import message_of_test
from daemon.runtime.notify.routing import happened, new_key, route, source
from daemon.runtime.within import within
from daemon.service.ledger_writes import PendingWrites
from retrain.durable import crash_point
from retrain.records.errors import Refused

log = get_logger()
LOOK_S = 5.0
"""While something waits, it is looked at so often at least."""
LONGEST_S = 60.0
"""Of an attempt, whatever its parts take: names that are not found, handshakes that never end."""
OF_CYCLES = ("cycle_opened", "cycle_finished")
"""Events that the collector of OpenLineage hears of."""
EVERYWHERE = ("0.0.0.0", "[::]", "::")  # noqa: S104 - told apart, not listened on
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 900.0
"""After a failed attempt; each further one doubles it."""
MOST_WAITING = 1_000
"""So many messages wait for a destination; beyond them the oldest are given up."""
MOST_AT_ONCE = 20
"""So many are given up in one look."""


def pause_s(attempts: int) -> float:
    """The pause after so many failed attempts.

    >>> [pause_s(n) for n in (1, 2, 3, 20)]
    [2.0, 4.0, 8.0, 900.0]
    """
    return float(min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE_S))


def page_link(service: ServiceSettings) -> str | None:
    """The page of a model on the address of `listen`; None without a page, or where that is every address.

    >>> page_link(ServiceSettings(listen="127.0.0.1:8080"))
    'http://127.0.0.1:8080/m/{model}'
    """
    host = service.listen.rpartition(":")[0]
    return f"http://{service.listen}/m/{{model}}" if service.page and host not in EVERYWHERE else None


class Notifying:
    """The messages of one service. `_resting` says whether the state folder is lost; then nothing is sent."""

    def __init__(
        self,
        config: Callable[[], Config],
        ledger: Ledger,
        pending: PendingWrites,
        environment: Mapping[str, str],
        resting: Callable[[], bool],
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._ledger, self._pending = config, ledger, pending
        self._environment, self._resting = environment, resting
        self._now, self._monotonic = now, monotonic
        self._threads = Looking()
        self._wake = asyncio.Event()
        self._waits_to_tell, self._cycles_changed = False, True
        self._known: dict[str, Destination] | None = None
        self._examined: tuple[Destination, ...] = ()
        self._examining: asyncio.Task[None] | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._dealt_with: set[int] = set()
        self._paused: dict[str, tuple[int, float]] = {}
        self._passed: dict[str, set[int]] = {}

    @property
    def _destinations(self) -> dict[str, Destination]:
        config = self._config()
        collector = () if config.openlineage is None else (config.openlineage,)
        return {one.name: one for one in (*config.notify, *collector)}

    def _told(self) -> list[NotifySettings]:
        """All destinations, each with its link."""
        page = page_link(self._config().service)
        return [one if one.link else one.model_copy(update={"link": page}) for one in self._config().notify]

    def _moment(self) -> tuple[float, int]:
        """Now, and the minute of the day."""
        now = self._now()
        local = datetime.fromtimestamp(now, ZoneInfo(self._config().service.timezone))
        return now, 60 * local.hour + local.minute

    def route(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the messages of logged events, in the transaction that writes these."""
        destinations = self._told()
        self._cycles_changed |= any(row["event"] in OF_CYCLES for row in rows)
        if destinations:
            self._waits_to_tell = route(conn, destinations, happened(rows), *self._moment())
        if self._destinations or self._known:
            self._wake.set()

    async def run(self) -> None:
        """Send, until cancelled."""
        try:
            while True:
                wait_s: float | None = LOOK_S
                with contextlib.suppress(SQLAlchemyError, OSError):  # tried again soon
                    self._examine()
                    if not self._resting() and self._ledger.is_free():
                        wait_s = self._look()
                with contextlib.suppress(TimeoutError):
                    await within(self._wake.wait(), wait_s)
                self._wake.clear()
        finally:
            for task in (*self._sending.values(), *filter(None, [self._examining])):
                task.cancel()

    def _examine(self) -> None:
        """Begin to look whether what is new in the configuration can be used."""
        destinations = tuple(self._destinations.values())
        new = [one for one in destinations if one not in self._examined]
        self._examined = destinations
        if new:
            self._examining = asyncio.create_task(self._tell_unusable(new))

    async def _tell_unusable(self, destinations: Sequence[Destination]) -> None:
        for one in destinations:
            try:
                await self._threads.run(refuse_unusable, self._config(), one, self._environment)
            except OSError:
                continue  # a message would say it
            except Refused as error:
                log.warning("notify_unusable", destination=one.name, reason=error.message, hint=error.hint)

    def _look(self) -> float | None:
        """Tell what has waited for its cool-down, and begin to send what is due; when to look again, in seconds: None
        where nothing is left to do."""
        if self._known != (destinations := self._destinations):
            self._renew(destinations)
        if self._waits_to_tell:
            with self._ledger.begin(durable=True) as conn:
                self._waits_to_tell = route(conn, self._told(), [], *self._moment())
        if self._cycles_changed and self._config().openlineage is not None:
            with self._ledger.begin(durable=True) as conn:
                write_events(conn, self._config(), self._now())
            self._cycles_changed = False
        with self._ledger.connect() as conn:
            waiting = outbox.waiting(conn, self._dealt_with)
        waiting.pop(MLFLOW, None)  # daemon.service.mirroring works it off
        for name, count in waiting.items():
            self._begin(name, count)
        if not waiting and not self._waits_to_tell:
            return None
        pauses = (until_s - self._monotonic() for _, until_s in self._paused.values())
        return min([LOOK_S, *(pause for pause in pauses if pause > 0)])

    def _renew(self, destinations: dict[str, Destination]) -> None:
        """The configuration is another one. What waits for a destination that changed is tried at once; events of
        cycles for a collector that is gone are forgotten, and written anew should there be one again."""
        known = self._known or {}
        changed = [name for name, one in destinations.items() if known.get(name, one) != one]
        with self._ledger.begin() as conn:
            outbox.forget_others(conn, destinations)
            if OPENLINEAGE not in destinations:
                outbox.drop(conn, OPENLINEAGE)
            for name in changed:
                outbox.try_now(conn, name)
        for name in changed:
            self._passed.pop(name, None)
            if name in self._paused:
                self._paused[name] = self._paused[name][0], 0.0
        self._known, self._waits_to_tell, self._cycles_changed = destinations, True, True

    def _begin(self, name: str, waiting: int) -> None:
        destination, now = self._destinations.get(name), self._now()
        if destination is None:
            self._give_up_oldest(name, waiting, "its destination is no longer configured")
            return
        if name in self._sending:
            return
        if waiting > MOST_WAITING:
            self._give_up_oldest(name, waiting - MOST_WAITING, f"more than {MOST_WAITING:,} messages waited")
        if self._monotonic() < self._paused.get(name, (0, 0.0))[1]:
            return
        if (due := self._next_due(name, now)) is not None:
            task = asyncio.create_task(self._send(destination, due, waiting))
            self._sending[name] = task
            task.add_done_callback(partial(self._sent, name))

    def _next_due(self, name: str, now: float) -> outbox.MessageRow | None:
        """The oldest that may be sent now. One that may be why the destination answered with an error comes again once
        all others had their turn: it holds up none of them."""
        passed = self._passed.get(name, set())
        with self._ledger.connect() as conn:
            find = partial(outbox.next_due, conn, name, now, now + LONGEST_PAUSE_S)
            if passed and (due := find(self._dealt_with | passed)) is not None:
                return due
            self._passed.pop(name, None)
            return find(self._dealt_with)

    def _sent(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._sending[name]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("part_failed", part="notify", error=repr(error), times=1)
            self._paused[name] = 1, self._monotonic() + LONGEST_PAUSE_S

    async def _send(self, destination: Destination, row: outbox.MessageRow, waiting: int) -> None:
        crash_point("notify.before_send")
        attempt = await self._attempt(destination, row.message)
        crash_point("notify.after_send")
        name, failures = destination.name, self._paused.get(destination.name, (0, 0.0))[0]
        if not attempt.reason:
            self._finish(row, "delivered", attempt.partly)
            if failures:
                log.info("notify_recovered", destination=name)
            self._paused.pop(name, None)
            return
        if attempt.perhaps_this:
            self._passed.setdefault(name, set()).add(row.id)
        if not failures:
            log.warning("notify_failed", destination=name, reason=attempt.reason, waiting=waiting)
        if row.at + destination.give_up <= self._now():
            self._give_up(row, attempt.reason, row.attempts + 1)
        else:
            later = self._now() + max(pause_s(row.attempts + 1), attempt.again_s or 0.0)
            write = partial(outbox.try_later, message=row.id, not_before=later, reason=attempt.reason)
            self._write(row.id, write)
        wait_s = 0.0 if attempt.only_this else max(pause_s(failures + 1), attempt.again_s or 0.0)
        self._paused[name] = failures + 1, self._monotonic() + wait_s

    async def _attempt(self, destination: Destination, message: dict[str, Any]) -> Attempt:
        """One attempt in a thread."""
        work = self._threads.run(deliver, self._config(), destination, self._environment, message, self._now())
        try:
            return await within(work, LONGEST_S)
        except TimeoutError:
            return Attempt(f"no answer within {LONGEST_S:g} s")

    def _give_up_oldest(self, name: str, count: int, reason: str) -> None:
        with self._ledger.connect() as conn:
            rows = outbox.oldest(conn, name, min(count, MOST_AT_ONCE), self._dealt_with)
        for row in rows:
            self._give_up(row, reason, row.attempts)

    def _give_up(self, row: outbox.MessageRow, reason: str, attempts: int) -> None:
        log.error(
            "notify_given_up", destination=row.destination, key=row.key, about=row.about, attempts=attempts,
            reason=reason,
        )  # fmt: skip
        self._finish(row, "given_up", reason)

    def _finish(self, row: outbox.MessageRow, state: str, reason: str = "") -> None:
        self._write(row.id, partial(outbox.finish, message=row.id, state=state, now=self._now(), reason=reason))

    def _write(self, message: int, write: Callable[[Connection], None]) -> None:
        """Note what became of a message, now or once the ledger can be written; it is not touched before."""
        self._dealt_with.add(message)
        self._pending.write(write, lambda: self._dealt_with.discard(message))

    async def test(self, name: str | None) -> str:
        """Send a test to one destination, or to all; Refused where one does not take it."""
        chosen = [one for one in self._config().notify if name in (None, one.name)]
        if not chosen:
            known = ", ".join(one.name for one in self._config().notify) or "none: add a section [[notify]]"
            raise Refused(
                "there is no such destination" if name else "nobody is to be notified", f"configured: {known}"
            )
        messages = [message_of_test(new_key(), source(), self._now(), one.name) for one in chosen]
        attempts = await asyncio.gather(*map(self._attempt, chosen, messages))
        answers = [f"{one.name}: {attempt.told()}" for one, attempt in zip(chosen, attempts, strict=True)]
        if any(attempt.reason for attempt in attempts):
            raise Refused("; ".join(answers))
        return "; ".join(answers)
