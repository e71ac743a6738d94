"""The service: its servers serve until a signal, and its control works for as long as it leads. Where another host
leads this one stands by: it serves what is promoted there, and takes over where that one is gone."""

import asyncio
import contextlib
import faulthandler
import os
import signal
import time
from importlib.metadata import version
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, ConfigErrors, load_config
from daemon.ledger import Ledger
from daemon.runtime import cgroups, faults
from daemon.runtime.context import Shared
from daemon.runtime.fetching import fetching_sentence
from daemon.runtime.ledgers import ledger_url
from daemon.runtime.lock import sole_owner
from daemon.runtime.log import both, configure, get_logger
from daemon.runtime.memory import one_arena
from daemon.runtime.notify.endpoint import warn_of_open_secrets
from daemon.runtime.page_wire import address_of, page_listener
from daemon.runtime.restarting import error_key, supervise
from daemon.runtime.shard_folder import claim_folder
from daemon.runtime.stored_state import StoredState
from daemon.runtime.stores import NEEDS_DATABASE, configured_store, data_store
from daemon.runtime.systemd_notify import MORE_TIME, Notifier, inherited_socket, watchdog_s
from daemon.runtime.within import within
from daemon.server.tokens import Tokens, load_tokens, warn_of_open_token_files
from daemon.service.background import FAILURE_PAUSE_S
from daemon.service.candidate import Candidate, Turn
from daemon.service.control import Control
from daemon.service.hanging_state import HangingState
from daemon.service.keepers import Keepers
from daemon.service.lease_keeper import LeaseKeeper
from daemon.service.ledger_events import EventBuffer
from daemon.service.ledger_writes import PendingWrites
from daemon.service.pulse import Pulse, hung_s
from daemon.service.reload import Reloader, applied, changes
from daemon.service.server_messages import log_message
from daemon.service.servers import PageProcess, ServerProcess, Servers, listening_socket, page_process
from daemon.service.serving_file import Serving
from daemon.service.standby import StandBy
from daemon.service.stopping import Stopping
from daemon.service.totals import Totals
from retrain import durable
from retrain.records.errors import Refused

log = get_logger()
LEDGER_LOOK_S = 1.0
LEASE_LOOK_S = 0.5
"""Between two looks of a host that stands by whether the other's lease is over."""


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
    """The control process: its servers and its control, and the order in which they start and stop."""

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
        self._candidate = Candidate(config, ledger_url(config, environment))
        claim_folder(config.state_dir, config.service.shard)
        self._training = cgroups.divide(environment)
        self.stopping, self._lost = Stopping(), asyncio.Event()
        self._standby: StandBy | None = None
        self._announcing: asyncio.Task[None]
        self._beating: asyncio.Task[None] | None = None
        self._serving = Serving()
        self._leads = self._follows = self._is_reload_asked = False
        self.started_at = time.monotonic()
        self.control = self._new_control(config, self._candidate.open(config))
        for name in config.models:  # what cannot be opened is refused here and now
            data_store(config, name, environment)
        self._lease = LeaseKeeper(self.ledger, config.service.lease, lambda: None, lambda: "")

    # --- its control, which is another one each time that it leads ------------------------------------------

    @property
    def config(self) -> Config:
        """The configuration that is applied now."""
        return self.shared.config

    @property
    def ledger(self) -> Ledger:
        """Of its control."""
        return self.control.ledger

    @property
    def shared(self) -> Shared:
        """Of its control."""
        return self.control.shared

    @property
    def keepers(self) -> Keepers:
        """Of its control."""
        return self.control.keepers

    @property
    def pending(self) -> PendingWrites:
        """Of its control."""
        return self.control.pending

    @property
    def reloader(self) -> Reloader:
        """Of its control."""
        return self.control.reloader

    def _new_control(self, config: Config, ledger: Ledger) -> Control:
        store, stops = self._stored_state(config), self.stopping.asked.is_set
        return Control(config, self._environment, ledger, store, self._training, self.events, self._serving, stops)

    def _stored_state(self, config: Config) -> StoredState | None:
        store = configured_store(config, self._environment)
        if store is None:
            return None
        if self._candidate.url is None:
            raise Refused(*NEEDS_DATABASE)
        return StoredState(store, config.state_dir, config.service.store_grace)

    # --- from start to stop ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, work, stop; raises the error that ended it."""
        log.info(
            "service_started", driftd=version("driftd"), pid=os.getpid(), config=str(self.config.path),
            listen=self.config.service.listen, models=sorted(self.config.models),
        )  # fmt: skip
        warn_of_open_token_files(self.config, self._environment)
        warn_of_open_secrets(self.config, self._environment)
        turn = await asyncio.to_thread(self._candidate.begin, self.ledger)
        self._follows = turn is Turn.THEIRS
        if turn is Turn.OURS:
            await self._describe()
        self.servers = Servers(self.config.service.workers, self._server, self._page, uploads=self._follows)
        self.control.meet(self.servers, self._tokens, self.notifier, self._status)
        self._signals()
        self.hanging.start()
        try:
            while await self._has_ledger(turn):
                await self._lead()
                if await self._has_files():
                    await self._work()
                if self.stopping.asked.is_set():
                    break
                await self._step_down()
                turn = Turn.UNTRIED
        except Exception as error:
            log.error("service_failed", error=repr(error))
            raise
        finally:
            await self._stop()

    async def _describe(self) -> None:
        """So that servers begin with what was promoted last, also where this service was killed before it described
        that; what cannot be written now is told once it works."""
        try:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self.shared.describing.look)
        except SQLAlchemyError as error:
            log.error("service_failed", error=repr(error))
            self.ledger.release()
            raise

    async def _has_ledger(self, turn: Turn) -> bool:
        """Wait for the ledger and be the service that writes it, while the servers serve what is described beside it;
        no where it is to stop before. Stand by where another host leads."""
        told = False
        while turn is not Turn.OURS and not self.stopping.asked.is_set():
            if turn is Turn.THEIRS:
                await self._stand_by()
            elif turn is Turn.AWAITED and self._standby is None:
                if not told:
                    log.warning("ledger_awaited", file=self.ledger.place, reason=self._candidate.reason)
                told = True
                self.notifier.send(STATUS="waiting for the ledger, which is locked or cannot be reached", **MORE_TIME)
            if turn is not Turn.UNTRIED:
                with contextlib.suppress(TimeoutError):
                    await within(self.stopping.asked.wait(), LEDGER_LOOK_S if self._standby is None else LEASE_LOOK_S)
            if self._beating is not None and self._beating.done():
                self._beating.result()
            if self._standby is not None and self._is_reload_asked:
                await self._reload_standing_by()
            turn = await asyncio.to_thread(self._try_to_lead)
        return turn is Turn.OURS

    def _try_to_lead(self) -> Turn:
        standby = self._standby
        if standby is None:
            return self._candidate.try_to_lead(self.ledger)
        return self._candidate.try_to_lead(self.ledger, stands_by=True, reaches_store=standby.reaches_store)

    async def _lead(self) -> None:
        """From here on nobody else does."""
        loop = asyncio.get_running_loop()

        def lost() -> None:
            loop.call_soon_threadsafe(self._lost.set)

        self._lease = LeaseKeeper(self.ledger, self.config.service.lease, lost, self._trouble)
        self._lease.start()
        if self._standby is not None:
            self.events.clear()
        if self.ledger.term:
            before, ours = self._candidate.leader, self._candidate.holder
            log.info("lease_acquired", holder=ours, term=self.ledger.term)
            if before is not None and before.holder != ours:
                log.warning("leader_gone", holder=before.holder, term=before.term)
        if self._standby is not None:
            await self._end_standby()
            ledger = await asyncio.to_thread(self._candidate.opened)  # a newer driftd may have led meanwhile: Refused
            ledger.close()
        self._candidate.leader, self._follows, self._leads = None, False, True

    def _trouble(self) -> str:
        """Why another host had better lead; "" while nothing is known. Asked by a thread, for this one may hang."""
        limit_s, store = hung_s(self.pulse.watchdog_s), self.control.store
        if store is None:
            return ""  # there is no other one
        if self._beating is not None and time.monotonic() > self.pulse.beaten_s + limit_s:
            return f"it has stood still for {limit_s:.0f} s, as where the disk of its state_dir hangs"
        return "" if store.away_s() < limit_s else f"{store.store.place} could not be used for {limit_s:.0f} s"

    async def _has_files(self) -> bool:
        """Have the state folder be a whole copy of what the ledger names, where there is a store; no where it is to
        stop before, or to lead no more. What is served meanwhile is what is described beside it."""
        store = self.control.store
        if store is None:
            return True
        while not (self.stopping.asked.is_set() or self._lost.is_set()):
            making = asyncio.ensure_future(store.beside(store.make_whole, self.ledger))
            while not making.done() and not self.stopping.asked.is_set():  # gigabytes take longer than a start may
                self.notifier.send(STATUS=fetching_sentence(store.fetching), **MORE_TIME)
                if self._lost.is_set():
                    store.close()
                await asyncio.wait({making}, timeout=LEDGER_LOOK_S)
            if making.done() and making.result():
                store.observe()
                return True
            with contextlib.suppress(TimeoutError):
                await within(self.stopping.asked.wait(), LEDGER_LOOK_S)
        return False

    async def _work(self) -> None:
        """Until it is to stop, or another one leads."""
        try:
            tasks = self.control.start(self._announce)
        except SQLAlchemyError:
            if not self.ledger.lost:
                raise
            return
        self._beat()
        assert self._beating is not None
        waiting = [asyncio.create_task(one.wait()) for one in (self.stopping.asked, self._lost)]
        await asyncio.wait([*waiting, *tasks, self._beating], return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        for task in (*tasks, self._beating):
            if task.done():
                task.result()

    async def _step_down(self) -> None:
        """Another service leads: what was begun ends, and what is known may be over. Refused without a store, since
        this one could never lead again without the other's files."""
        self._leads, self._follows = False, True
        reason, config, tokens = self.ledger.lost, self.config, self.reloader.tokens
        if self.control.store is None:
            raise Refused(reason, "one service works with a ledger; the next start finds out which")
        log.warning("lease_lost", holder=self._candidate.holder, term=self.ledger.term, reason=reason)
        self._lease.stop()
        await self.control.stop()
        await self.control.hooks.stop()
        self.control.close()
        self.events.clear()
        self._lost.clear()
        await self._renew_control(config, tokens)

    async def _renew_control(self, config: Config, tokens: Tokens) -> None:
        self._tokens = tokens
        self.control = self._new_control(config, await asyncio.to_thread(self._candidate.open, config))
        self.control.meet(self.servers, tokens, self.notifier, self._status)

    # --- standing by ----------------------------------------------------------------------------------------

    async def _stand_by(self) -> None:
        """Begin to, unless it does."""
        leader, stored = self._candidate.leader, self._stored_state(self.config)
        if self._standby is not None or leader is None or stored is None:
            return
        log.info("standing_by", leader=leader.holder, term=leader.term)
        for stale in (self.config.paths.serving, self.config.paths.numbers):
            durable.remove(stale, "standby.remove")
        self._follows = True
        self._standby = StandBy(self.config, self._candidate.url, stored, self.servers, self._serving, self._address())
        await self._standby.start()
        self._announcing = asyncio.create_task(supervise(self._announce, log, FAILURE_PAUSE_S))
        self._beat()

    async def _end_standby(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            self._announcing.cancel()
            await asyncio.wait({self._announcing})
            await standby.stop()

    def _reload(self) -> None:
        """What SIGHUP does."""
        if self._standby is None:
            self.reloader.ask()
        self._is_reload_asked = self._standby is not None

    async def _reload_standing_by(self) -> None:
        """The changed configuration, or none of it."""
        self._is_reload_asked = False
        self.notifier.reloading()
        try:
            after = load_config(self.config.path)
            tokens, what = load_tokens(after, self._environment), changes(self.config, after)
            await self.servers.replace()
            before = self.config
            await self._end_standby()
            self.control.close()
            await self._renew_control(applied(before, after, what), tokens)
            if what.later:
                log.warning("config_needs_restart", keys=what.later)
            log.info("config_reloaded", changed=what.changed, removed=what.gone)
        except (ConfigErrors, OSError, Refused) as error:
            log.error("config_refused", reason=str(error))
        finally:
            self.notifier.send(READY="1", STATUS=self._status())

    # --- its servers ----------------------------------------------------------------------------------------

    def _signals(self) -> None:
        is_ours = inherited_socket(self._environment) is None
        self.stopping.listen(self.config.service.drain if is_ours else 0.0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def _server(self, uploads: bool) -> ServerProcess:
        return ServerProcess(
            self.listener, self.config.state_dir, self.config.path, self._receive,
            page="" if self.page_listener is None else address_of(self.page_listener), totals=self.totals,
            hung_s=hung_s(self.pulse.watchdog_s), uploads=uploads, asked=self._serving.loaded,
        )  # fmt: skip

    def _page(self) -> PageProcess | None:
        if self.page_listener is None:
            return None
        return page_process(self.config, self.page_listener, self.listener, self.totals, self._receive_logged)

    def _receive(self, message: dict[str, Any]) -> None:
        """A server's report: where another host leads it is for the log alone."""
        if self._follows:
            self._receive_logged(message)
            log_message(message)
            if self._standby is not None:
                self._standby.receive(message)
        else:
            self.control.messages.receive(message)

    def _receive_logged(self, message: dict[str, Any]) -> None:
        self.control.messages.receive_logged(message)

    async def _announce(self) -> None:
        """Once the servers serve."""
        await self.servers.wait_ready()
        log.info("service_ready", seconds=round(time.monotonic() - self.started_at, 2), url=self._address())
        self.notifier.send(READY="1", STATUS=self._status())
        await asyncio.Event().wait()

    def _address(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def _beat(self) -> None:
        """From the first work on, for good."""
        if self._beating is None:
            self._beating = asyncio.create_task(self.pulse.run())

    async def _stop(self) -> None:
        log.info("service_stopping")
        self.hanging.stop()
        self.notifier.send(STOPPING="1")
        drained = asyncio.create_task(self.servers.drain(self.stopping.drain_s, self.stopping.hurried))
        if self._beating is not None:
            self._beating.cancel()
        await self._end_standby()
        await self.control.stop()
        await drained
        self.listener.close()  # the servers' are the last: then who comes is refused, where he would wait and be reset
        await self.servers.stop()
        if self.page_listener is not None:
            self.page_listener.close()
        await self.control.hooks.stop()
        log.info("service_stopped", seconds=round(time.monotonic() - self.started_at, 1))
        if self._leads or self._candidate.url is None:
            self.control.background.write(patient=True)
        self._lease.stop()
        self.ledger.release()
        self.control.close()

    def silences(self) -> dict[str, float]:
        """Each part's seconds of silence."""
        now_s = time.monotonic()
        if not self._leads:
            return self.servers.silences(now_s)
        schedule = {"schedule": self.keepers.schedule.overdue_s()}
        return self.servers.silences(now_s) | schedule | self.keepers.silences(now_s)

    def _status(self) -> str:
        if self._standby is not None and self._candidate.leader is not None:
            return f"stands by: {self._candidate.leader.holder} leads"
        return self.events.status.text(self.config.models)
