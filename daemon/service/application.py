"""The service: starts every part, lets them work until a signal, and stops them in order."""

import asyncio
import contextlib
import faulthandler
import os
import signal
import time
from functools import partial
from importlib.metadata import version

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from daemon.config.config import Config
from daemon.cycles.tidying import clear_cycles, clear_holds, clear_intake
from daemon.ledger import open_ledger, waiting_ledger
from daemon.runtime import cgroups, faults
from daemon.runtime.context import Shared, TrainingTurn
from daemon.runtime.fetching import fetching_sentence
from daemon.runtime.ledgers import ledger_url
from daemon.runtime.lock import sole_owner
from daemon.runtime.log import both, configure, get_logger
from daemon.runtime.memory import one_arena
from daemon.runtime.notify.endpoint import warn_of_open_secrets
from daemon.runtime.page_wire import address_of, page_listener
from daemon.runtime.restarting import error_key, supervise
from daemon.runtime.stored_state import StoredState
from daemon.runtime.stores import NEEDS_DATABASE, configured_store, data_store
from daemon.runtime.systemd_notify import MORE_TIME, Notifier, inherited_socket, watchdog_s
from daemon.runtime.within import within
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.process import Limits
from daemon.server.tokens import load_tokens, warn_of_open_token_files
from daemon.service.background import FAILURE_PAUSE_S, Background
from daemon.service.hanging_state import HangingState
from daemon.service.hooks import Hooks
from daemon.service.keepers import Keepers
from daemon.service.ledger_events import EventBuffer
from daemon.service.ledger_writes import PendingWrites
from daemon.service.notifying import Notifying
from daemon.service.pulse import Pulse, hung_s
from daemon.service.receiving import clear_received
from daemon.service.reload import Reloader
from daemon.service.server_messages import ServerMessages
from daemon.service.servers import PageProcess, ServerProcess, Servers, listening_socket, page_process
from daemon.service.stopping import Stopping
from daemon.service.totals import Totals
from daemon.service.unlogged import log_unlogged
from retrain import durable
from retrain.records.errors import Refused, Retry

log = get_logger()
LEDGER_LOOK_S = 1.0


def main(config: Config, environment: dict[str, str], log_format: str = "auto") -> None:
    """Run the service until SIGINT or SIGTERM. For tests, DRIFTD_HANG_AT names a moment at which it hangs."""
    one_arena()
    faulthandler.enable()  # a watchdog's SIGABRT leaves the stacks of all threads
    events = EventBuffer()
    totals = Totals()
    configure(config.service.log_level, log_format, tap=both(events.add, totals.logged.add), file=config.log_file)
    faults.install(environment, "control")
    if hang_at := environment.get("DRIFTD_HANG_AT"):
        durable.install_hook(durable.hanger(hang_at))
    try:
        with sole_owner(config.state_dir):
            asyncio.run(Service(config, environment, events, totals).run())
    except (OSError, SQLAlchemyError) as error:
        raise Refused(
            f"cannot work in {config.state_dir}: {error_key(error)}",
            "check the disk and the mount of [service] state_dir, its owner, and that this is the service's user",
        ) from None


class Service:
    """The control process: its parts, and the order in which they start and stop."""

    def __init__(
        self, config: Config, environment: dict[str, str], events: EventBuffer | None = None,
        totals: Totals | None = None,
    ) -> None:  # fmt: skip
        self.events, self.totals = events or EventBuffer(), totals or Totals()
        self.notifier = Notifier(environment.get("NOTIFY_SOCKET"))
        self.pulse = Pulse(self.notifier, watchdog_s(environment), self.silences, self._status)
        self.hanging = HangingState(self.notifier, self.pulse.watchdog_s, config.state_dir, lambda: self.pulse.beaten_s)
        self._environment, self._config = environment, config
        self._tokens = load_tokens(config, environment)  # an unreadable one is refused here and now
        self.listener = listening_socket(config.service.listen, inherited_socket(environment))
        self.page_listener = page_listener() if config.service.page else None
        url = ledger_url(config, environment)
        self._open = partial(open_ledger, config.state_dir, url=url, group=config.service.group,
            is_copy=config.service.store is not None,
        )  # fmt: skip
        try:
            self.ledger, self._is_open = self._open(), True
        except Retry:  # locked, or not to be reached: servers need it less than control does
            self.ledger, self._is_open = waiting_ledger(config.state_dir, url), False
        self.store = self._stored_state(url)
        for name in config.models:  # what cannot be opened is refused here and now
            data_store(config, name, environment)
        training = cgroups.divide(environment)
        analyst = Analysts(Limits(group=training), lambda: clear_intake(config.paths))
        self.shared = Shared(config, self.ledger, analyst, TrainingTurn(), training, self.store)
        self.pending = PendingWrites(self.ledger)
        self.keepers = Keepers(self.shared, self.pending, self._follow)
        self.notifying = Notifying(
            lambda: self.shared.config, self.ledger, self.pending, environment, lambda: self.keepers.resting, time.time
        )
        self.stopping = Stopping()
        self.hooks = Hooks(
            lambda: self.shared.config, self.ledger, self.pending, environment,
            lambda: self.keepers.resting, self.stopping.asked.is_set,
        )  # fmt: skip
        self.messages = ServerMessages(self.keepers, self.pending, self.events.add)
        self.started_at = time.monotonic()
        self._awaited = ""

    @property
    def config(self) -> Config:
        """The configuration that is applied now."""
        return self.shared.config

    async def run(self) -> None:
        """Start, work, stop; raises the error that ended it."""
        log.info(
            "service_started", driftd=version("driftd"), pid=os.getpid(), config=str(self.config.path),
            listen=self.config.service.listen, models=sorted(self.config.models),
        )  # fmt: skip
        warn_of_open_token_files(self.config, self._environment)
        warn_of_open_secrets(self.config, self._environment)
        self.servers = Servers(self.config.service.workers, self._server, self._page)
        self.reloader = Reloader(
            self.shared, self._environment, self._tokens, self.keepers, self.servers, self.notifier, self._status,
            self.hooks.wake,
        )  # fmt: skip
        self.background = Background(
            self.shared, self.keepers, self.servers, self.events, self.pending, self.messages.trials,
            self.reloader.reload, self.messages.serving, self.notifying, self.hooks,
        )  # fmt: skip
        self._signals()
        self.hanging.start()
        tasks: list[asyncio.Task[None]] = []
        try:
            if await self._has_ledger() and await self._has_files():
                self._start(tasks)
                await self._until_stopped(tasks)
        except Exception as error:
            log.error("service_failed", error=repr(error))
            raise
        finally:
            await self._stop(tasks)

    async def _has_ledger(self) -> bool:
        """Wait for the ledger, and be the only service that writes it, while the servers serve what is described beside
        it; no where it is to stop before."""
        told = False
        while not self.stopping.asked.is_set():
            if await asyncio.to_thread(self._try_to_have):
                return True
            if not told:
                log.warning("ledger_awaited", file=self.ledger.place, reason=self._awaited)
            told = True
            self.notifier.send(STATUS="waiting for the ledger, which is locked or cannot be reached", **MORE_TIME)
            with contextlib.suppress(TimeoutError):
                await within(self.stopping.asked.wait(), LEDGER_LOOK_S)
        return False

    def _try_to_have(self) -> bool:
        try:
            if not self._is_open:
                self._open().close()
                self._is_open = True
            if self.ledger.is_free():
                self.ledger.claim()
                return True
            self._awaited = f"{self.ledger.place} is locked by another process"
        except Retry as error:
            self._awaited = error.message
        except OperationalError as error:
            self._awaited = error_key(error)
        return False

    def _stored_state(self, url: str | None) -> StoredState | None:
        store = configured_store(self._config, self._environment)
        if store is None:
            return None
        if url is None:
            raise Refused(*NEEDS_DATABASE)
        return StoredState(store, self._config.state_dir, self._config.service.store_grace)

    async def _has_files(self) -> bool:
        """Have the state folder be a whole copy of what the ledger names, where there is a store; no where it is to
        stop before. What is served meanwhile is what is described beside it."""
        if self.store is None:
            return True
        while not self.stopping.asked.is_set():
            making = asyncio.ensure_future(self.store.beside(self.store.make_whole, self.ledger))
            while not making.done() and not self.stopping.asked.is_set():  # gigabytes take longer than a start may
                self.notifier.send(STATUS=fetching_sentence(self.store.fetching), **MORE_TIME)
                await asyncio.wait({making}, timeout=LEDGER_LOOK_S)
            if making.done() and making.result():
                self.store.observe()
                return True
            with contextlib.suppress(TimeoutError):
                await within(self.stopping.asked.wait(), LEDGER_LOOK_S)
        return False

    def _start(self, tasks: list["asyncio.Task[None]"]) -> None:
        clear_intake(self.config.paths)
        if self.store is not None:
            clear_received(self.config.paths)
        clear_holds(self.config.paths)
        clear_cycles(self.ledger, self.config.paths)
        log_unlogged(self.ledger)
        self.keepers.schedule.start()
        for name in self.config.models:
            self.keepers.make_room(name)
            self.keepers.start(name)
        supervised = (self._announce, *self.background.parts())
        parts = (*(supervise(part, log, FAILURE_PAUSE_S) for part in supervised), self.background.watch_state())
        tasks += [asyncio.create_task(part) for part in (*parts, self.pulse.run())]

    def _signals(self) -> None:
        is_ours = inherited_socket(self._environment) is None
        self.stopping.listen(self.config.service.drain if is_ours else 0.0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reloader.ask)

    def _server(self) -> ServerProcess:
        return ServerProcess(
            self.listener, self.config.state_dir, self.config.path, self.messages.receive,
            page="" if self.page_listener is None else address_of(self.page_listener), totals=self.totals,
            hung_s=hung_s(self.pulse.watchdog_s),
        )  # fmt: skip

    def _page(self) -> PageProcess | None:
        if self.page_listener is None:
            return None
        return page_process(self.config, self.page_listener, self.listener, self.totals, self.messages.receive_logged)

    async def _announce(self) -> None:
        await self.servers.wait_ready()
        host, port = self.listener.getsockname()[:2]
        log.info("service_ready", seconds=round(time.monotonic() - self.started_at, 2), url=f"http://{host}:{port}")
        self.notifier.send(READY="1", STATUS=self._status())
        await asyncio.Event().wait()

    async def _until_stopped(self, tasks: list["asyncio.Task[None]"]) -> None:
        stopping = asyncio.create_task(self.stopping.asked.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in tasks:
            if task.done():
                task.result()

    async def _stop(self, tasks: list["asyncio.Task[None]"]) -> None:
        log.info("service_stopping")
        self.hanging.stop()
        self.notifier.send(STOPPING="1")
        drained = asyncio.create_task(self.servers.drain(self.stopping.drain_s, self.stopping.hurried))
        self.keepers.schedule.stop()
        for task in tasks:
            task.cancel()
        await self.keepers.stop_all()
        await self.shared.analyst.close()
        await drained
        self.listener.close()  # the servers' are the last: then who comes is refused, where he would wait and be reset
        await self.servers.stop()
        if self.page_listener is not None:
            self.page_listener.close()
        await self.hooks.stop()
        log.info("service_stopped", seconds=round(time.monotonic() - self.started_at, 1))
        self.background.write(patient=True)
        if self.store is not None:
            self.store.close()
        self.ledger.close()

    def silences(self) -> dict[str, float]:
        """Each part's seconds of silence."""
        now_s = time.monotonic()
        schedule = {"schedule": self.keepers.schedule.overdue_s()}
        return self.servers.silences(now_s) | schedule | self.keepers.silences(now_s)

    def _follow(self) -> None:
        self.servers.follow()
        self.hooks.wake()

    def _status(self) -> str:
        return self.events.status.text(self.config.models)
