"""What control does beside the models' keepers: commands, writes to the ledger, its retention, the clock, the state
folder. While that is lost nothing is written, and nothing more is logged about it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.cycles.retention import keep_service
from daemon.cycles.trial import Reports
from daemon.ledger import Version
from daemon.runtime.context import Shared
from daemon.runtime.kept_commands import queue_kept
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import error_key, way_out
from daemon.runtime.within import within
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import WorkerError
from daemon.service.commands import Commander
from daemon.service.forgetting import Forgetting
from daemon.service.hooks import Hooks
from daemon.service.keepers import Keepers
from daemon.service.ledger_events import EventBuffer, Rows
from daemon.service.ledger_writes import PendingWrites
from daemon.service.mirroring import Mirroring
from daemon.service.notifying import Notifying
from daemon.service.numbers import NumbersWriter
from daemon.service.receiving import Receiving
from daemon.service.servers import Servers
from daemon.service.serving_file import Serving, ServingFile
from daemon.service.state_folder import LOOK_S, StateFolder, StateWatch
from retrain.planning.retention import DAY_S
from retrain.records.errors import Refused

log = get_logger()
LEDGER_POLL_S = 0.4
EVENTS_EVERY_S = 1.0
DESCRIBE_EVERY_S = 0.5
"""What nobody hints at is described so soon: trials, and what recommenders count."""
NUMBERS_EVERY_S = 5.0
CLOCK_LOOK_S = 5.0
FAILURE_PAUSE_S = 2.0
SWEEP_S = 3600.0


class Background:
    """Work that goes on until the service stops, or another one leads."""

    def __init__(
        self,
        shared: Shared,
        keepers: Keepers,
        servers: Servers,
        events: EventBuffer,
        pending: PendingWrites,
        trials: Reports,
        reload: Callable[[], Awaitable[str]],
        serving: Serving,
        notifying: Notifying,
        hooks: Hooks,
    ) -> None:
        self._shared, self._ledger, self._keepers, self._servers = shared, shared.ledger, keepers, servers
        self._events, self._pending, self._trials = events, pending, trials
        self._notifying, self._hooks = notifying, hooks
        rests = lambda: keepers.resting  # noqa: E731
        self._mirroring = Mirroring(lambda: shared.config, shared.ledger, shared.training, rests, forks=shared.forks)
        contexts = lambda: {name: keeper.context for name, keeper in keepers.by_name.items()}  # noqa: E731
        self._forgetting = Forgetting(shared, contexts, servers.hand_over, keepers.take_posted, self.write)
        self._commander = Commander({}, keepers.promoted, reload, notifying.test, keepers.pull, self._forgetting.forget)
        self._serving = ServingFile(shared.config.paths, serving, servers.pids, shared.analyst)
        self._promoted = asyncio.Event()
        self._numbers = NumbersWriter(lambda: shared.config, shared.ledger, keepers.queues)
        store = shared.store
        self._receiving = None if store is None else Receiving(shared, store, rests, keepers.decide_again)
        self._failures: dict[str, str] = {}

    def parts(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What is begun again where it fails; `watch_state` is not among it, for its error ends the service."""
        works = self._follow_commands, self._write_events, self._watch_clock, self._warm_analyst, self._retention
        stored = () if self._receiving is None else (self._sweep_store, self._receiving.run)
        told = self._notifying.run, self._hooks.run, self._mirroring.run
        return *works, self._describe, self._tell_serving, self._count, *told, *stored

    def describe(self) -> None:
        """Describe at once: something was promoted."""
        self._promoted.set()

    def close(self) -> None:
        """Leave what this host's servers wrote down to whoever uploads it."""
        if self._receiving is not None:
            self._receiving.close()

    async def _sweep_store(self) -> None:
        """What is gone from the state folder goes from the object store, too."""
        store = self._shared.store
        assert store is not None
        while True:
            await asyncio.sleep(SWEEP_S)
            if not self._keepers.resting:
                await store.swept(self._ledger)

    async def watch_state(self) -> None:
        """Rest while the state folder is lost, serving from memory; Refused where another ledger took its place."""
        keepers, paths = self._keepers, self._shared.config.paths
        watch, failures = StateWatch(paths, self._ledger.file or paths.lock), 0
        while True:
            await asyncio.sleep(LOOK_S)
            found = watch.look(prove=keepers.resting or self._ledger.failures > failures)
            failures = self._ledger.failures
            if found is StateFolder.REPLACED:
                raise Refused(watch.reason, "the next start opens it")
            if found is StateFolder.LOST and not keepers.resting:
                log.error("state_lost", reason=watch.reason)
                await keepers.rest()
            elif found is StateFolder.GOOD and keepers.resting:
                log.info("state_back", folder=str(paths.state))
                await self._shared.writable()
                keepers.resume()

    def write(self, patient: bool = False) -> None:
        """Write to the ledger what waits: small writes, log events, and what servers saw of trials; where another holds
        its lock only if `patient`."""
        with self._unless_lost("events"):
            if not patient and not self._shared.writable.look():
                return
            if not self._keepers.resting:
                self._pending.write_all(patient)
                self._events.write(self._ledger, self._route)
            for name in self._trials.write(self._ledger, time.time()):
                self._keepers.decide_again(name)

    def _route(self, conn: Connection, rows: Rows) -> None:
        """Events are being written: who else is to hear of them."""
        self._notifying.route(conn, rows)
        self._mirroring.hear(rows)

    async def _write_events(self) -> None:
        while True:
            await asyncio.sleep(EVENTS_EVERY_S)
            self.write()

    async def _follow_commands(self) -> None:
        """Notice what the command line wrote; the cheap question first."""
        try:
            await self._follow()
        finally:
            await self._commander.beside.cancel()

    async def _follow(self) -> None:
        version: Version = -1
        while True:
            with self._unless_lost("commands"):
                if not self._keepers.resting and self._shared.writable.look():
                    queue_kept(self._shared.config.paths, self._ledger)
                if (now := self._ledger.data_version()) != version or self._commander.beside.has_failed:
                    await self._shared.writable()
                    keepers = self._keepers.by_name
                    self._commander.contexts = {name: keeper.context for name, keeper in keepers.items()}
                    await self._commander.apply_all()
                    version = now
            await asyncio.sleep(LEDGER_POLL_S)

    async def _describe(self) -> None:
        """Have what is described beside the ledger follow it, and servers look at it."""
        while True:
            with self._unless_lost("descriptions"):
                if not self._keepers.resting:
                    looked = await asyncio.to_thread(self._shared.describing.look)
                    if looked.is_news:
                        self._servers.follow()
                    if looked.failures:
                        raise looked.failures[0]
            with contextlib.suppress(TimeoutError):
                await within(self._promoted.wait(), DESCRIBE_EVERY_S)
            self._promoted.clear()

    async def _tell_serving(self) -> None:
        """Keep the file of what is served up to date."""
        while True:
            with self._unless_lost("serving"):
                if not self._keepers.resting:
                    await self._serving.write()
            await asyncio.sleep(DESCRIBE_EVERY_S)

    async def _count(self) -> None:
        """Keep the numbers for Prometheus up to date."""
        while True:
            with self._unless_lost("numbers"):
                if not self._keepers.resting:
                    await self._numbers.look()
            await asyncio.sleep(NUMBERS_EVERY_S)

    async def _retention(self) -> None:
        """Let go of old events, commands and schedules; what fails is logged and done the next day."""
        while True:
            with self._unless_lost("retention"):
                config = self._shared.config
                await keep_service(self._ledger, config.paths, config.service.events)
            await asyncio.sleep(DAY_S)

    async def _watch_clock(self) -> None:
        """Notice that the wall clock jumped: schedules and cool-downs go by it."""
        while True:
            jump_s = self._keepers.schedule.look_at_clock(time.time(), time.monotonic())
            if jump_s:
                log.warning("clock_jumped", seconds=round(jump_s))
                for name in self._keepers.by_name:
                    self._keepers.decide_again(name)
            await asyncio.sleep(CLOCK_LOOK_S)

    async def _warm_analyst(self) -> None:
        """Have the workers' libraries loaded before the first file asks for them: by who forks them, else by an
        analyst."""
        await self._servers.wait_ready()  # which have the processors for themselves until then
        forks = self._shared.forks
        if forks is None or not await forks.start():
            with contextlib.suppress(WorkerError):
                await self._shared.analyst.warm(WarmRequest())
        await asyncio.Event().wait()

    @contextlib.contextmanager
    def _unless_lost(self, part: str) -> Iterator[None]:
        """A failure of the ledger is logged once while it is the same, and not while the state folder is lost."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            if not self._keepers.resting and error_key(error) != self._failures.get(part):
                log.error("ledger_failed", part=part, error=error_key(error), **way_out(error))
            self._failures[part] = error_key(error)
        else:
            self._failures.pop(part, None)
