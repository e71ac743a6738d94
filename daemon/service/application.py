"""The service: starts every part, lets them work until a signal, and stops them in order."""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, ConfigErrors
from daemon.cycles.loadable import unreadable
from daemon.cycles.retention import EVERY_S, keep_service
from daemon.cycles.tidying import clear_cycles, clear_intake
from daemon.cycles.trial import Reports
from daemon.ledger import due, models, open_ledger, promotions
from daemon.runtime import cgroups, faults
from daemon.runtime.context import ModelContext, Shared, make_folders
from daemon.runtime.lock import sole_owner
from daemon.runtime.log import configure, get_logger
from daemon.runtime.restarting import error_key, keep, way_out
from daemon.runtime.systemd_notify import Notifier, inherited_socket, watchdog_s
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from daemon.server.tokens import load_tokens, tell_open_token_files
from daemon.service.commands import Commander
from daemon.service.keeper import ModelKeeper
from daemon.service.ledger_events import KeptEvents
from daemon.service.ledger_writes import Owed
from daemon.service.pulse import Pulse, hung_s
from daemon.service.reload import applied, changes, read_again
from daemon.service.schedule import Schedule
from daemon.service.servers import ServerProcess, Servers, listening_socket
from daemon.service.state_folder import LOOK_S, StateFolder, StateWatch
from retrain import durable
from retrain.records.errors import Refused

log = get_logger()
LEDGER_POLL_S = 0.4
EVENTS_EVERY_S = 1.0
CLOCK_LOOK_S = 5.0
FAILURE_PAUSE_S = 2.0
BURST_S = 0.2


def main(config: Config, environment: dict[str, str], log_format: str = "auto") -> None:
    """Run the service until SIGINT or SIGTERM. For tests, DRIFTD_HANG_AT names a moment at which it hangs."""
    faulthandler.enable()  # a watchdog's SIGABRT leaves the stacks of all threads
    kept = KeptEvents()
    configure(config.service.log_level, log_format, tap=kept.add)
    faults.install(environment, "control")
    if hang_at := environment.get("DRIFTD_HANG_AT"):
        durable.install_hook(durable.hanger(hang_at))
    try:
        with sole_owner(config.state_dir):
            asyncio.run(Service(config, environment, kept).run())
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        raise Refused(
            f"cannot work in {config.state_dir}: {error_key(error)}",
            "check the disk and the mount of [service] state_dir, its owner, and that this is the service's user",
        ) from None


class Service:
    """The control process."""

    def __init__(
        self,
        config: Config,
        environment: dict[str, str],
        kept: KeptEvents | None = None,
    ) -> None:
        self.config = config
        self._kept = kept or KeptEvents()
        self.notifier = Notifier(environment.get("NOTIFY_SOCKET"))
        self.pulse = Pulse(self.notifier, watchdog_s(environment), self._silences, self._status)
        self._environment = environment
        self._tokens = load_tokens(config, environment)  # an unreadable one is told here and now
        self.listener = listening_socket(config.service.listen, inherited_socket(environment))
        self.ledger = open_ledger(config.state_dir, group=config.service.group)
        training = cgroups.divide(environment)
        analyst = Worker("analyst", Limits(group=training), lambda: clear_intake(config.paths))
        self.shared = Shared(config, self.ledger, analyst, asyncio.Lock(), training)
        self.keepers: dict[str, ModelKeeper] = {}
        self.reports = Reports()
        self.owed = Owed(self.ledger)
        self.stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._reload_waits = False
        self._told_to_reload: asyncio.Future[None] | None = None
        self._lost = False
        self._failed: dict[str, str] = {}
        self.started_at = time.monotonic()

    async def run(self) -> None:
        """Start, work, stop; raises the error that ended it."""
        log.info(
            "service_started", driftd=version("driftd"), pid=os.getpid(), config=str(self.config.path),
            listen=self.config.service.listen, models=sorted(self.config.models),
        )  # fmt: skip
        tell_open_token_files(self.config, self._environment)
        self._signals()
        self.servers = Servers(self.config.service.workers, self._server)
        self.schedule = Schedule(self.config.service.timezone, self._due)
        tasks: list[asyncio.Task[None]] = []
        try:
            self._begin(tasks)
            await self._until_stopped(tasks)
        except Exception as error:
            log.error("service_failed", error=repr(error))
            raise
        finally:
            await self._stop(tasks)

    # --- start and stop -----------------------------------------------------------------------------------

    def _begin(self, tasks: list["asyncio.Task[None]"]) -> None:
        clear_intake(self.config.paths)
        clear_cycles(self.ledger, self.config.paths)
        self.schedule.start()
        for name in self.config.models:
            self._make_room(name)
            self._start_model(name)
        kept = (
            self._follow_ledger, self._announce, self._keep_events, self._watch_clock, self._warm_analyst,
            self._retention,
        )  # fmt: skip
        parts = (*(self._keep(part) for part in kept), self._watch_state(), self.pulse.run())
        tasks += [asyncio.create_task(part) for part in parts]

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)

    def _server(self) -> ServerProcess:
        hung_after_s = hung_s(self.pulse.watchdog_s)
        return ServerProcess(
            self.listener, self.config.state_dir, self.config.path, self._on_server, hung_s=hung_after_s
        )

    def _make_room(self, name: str) -> None:
        """What a model needs in the state folder before it is started."""
        make_folders(self.config.paths.model(name))
        with self.ledger.begin() as conn:
            models.ensure(conn, name)

    def _start_model(self, name: str) -> None:
        context = ModelContext(name, self.config.models[name], self.shared)
        try:
            context.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            context.log.error("data_dir_missing", folder=str(context.data_dir), error=error.strerror)
        self.keepers[name] = ModelKeeper(context, lambda: self._promoted(name))
        self.keepers[name].start()
        self.schedule.set_model(name, context.settings)

    async def _keep(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A part that fails is told and begun again."""
        await keep(part, log, FAILURE_PAUSE_S)

    async def _until_stopped(self, tasks: list["asyncio.Task[None]"]) -> None:
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in tasks:
            if task.done():
                task.result()

    async def _stop(self, tasks: list["asyncio.Task[None]"]) -> None:
        log.info("service_stopping")
        self.notifier.send(STOPPING="1")
        self.schedule.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))
        await self.shared.analyst.close()
        await self.servers.stop()
        self.listener.close()
        log.info("service_stopped", seconds=round(time.monotonic() - self.started_at, 1))
        with self._unless_lost("events"):
            if not self._lost:
                self.owed.pay()
            self._write_events()
            self.reports.write(self.ledger, time.time())
        self.ledger.close()

    # --- while running ------------------------------------------------------------------------------------

    async def _announce(self) -> None:
        await self.servers.wait_ready()
        log.info("service_ready", seconds=round(time.monotonic() - self.started_at, 2), url=self._url())
        self.notifier.send(READY="1", STATUS=self._status())
        await asyncio.Event().wait()

    def _silences(self) -> dict[str, float]:
        """Each part's seconds of silence; while the state folder is lost the keepers rest."""
        now_s = time.monotonic()
        found = self.servers.silences(now_s) | {"schedule": self.schedule.overdue_s()}
        for keeper in () if self._lost else self.keepers.values():
            found |= keeper.silences(now_s)
        return found

    def _status(self) -> str:
        return self._kept.doing.text(self.config.models)

    def _url(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"http://{host}:{port}"

    async def _follow_ledger(self) -> None:
        """Notice what the command line wrote; the cheap question first."""
        commander = Commander({}, self._promoted, self.reload)
        seen = -1
        while True:
            with self._unless_lost("commands"):
                now = self.ledger.data_version()
                if now != seen:
                    commander.contexts = {name: k.context for name, k in self.keepers.items()}
                    await commander.apply_all()
                    seen = now
            await asyncio.sleep(LEDGER_POLL_S)

    async def _retention(self) -> None:
        """Let go of old events, commands and schedules; what fails is told and done the next day."""
        while True:
            with self._unless_lost("retention"):
                await keep_service(self.ledger, self.config.service.events)
            await asyncio.sleep(EVERY_S)

    async def _watch_state(self) -> None:
        """Rest while the state folder is lost, serving from memory; end where another ledger took its place."""
        watch, failures = StateWatch(self.config.paths), 0
        while True:
            await asyncio.sleep(LOOK_S)
            found = watch.look(prove=self._lost or self.ledger.failures > failures)
            failures = self.ledger.failures
            if found is StateFolder.REPLACED:
                raise Refused(watch.reason, "the next start opens it")
            if found is StateFolder.LOST and not self._lost:
                self._lost = True
                log.error("state_lost", reason=watch.reason)
                await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))
            elif found is StateFolder.GOOD and self._lost:
                self._lost = False
                log.info("state_back", folder=str(self.config.state_dir))
                for name in list(self.keepers):
                    self._make_room(name)
                    self._start_model(name)

    async def _watch_clock(self) -> None:
        """Notice that the wall clock jumped: schedules and cool-downs go by it."""
        while True:
            jump_s = self.schedule.look_at_clock(time.time(), time.monotonic())
            if jump_s:
                log.warning("clock_jumped", seconds=round(jump_s))
                for keeper in self.keepers.values():
                    keeper.context.dirty.set()
            await asyncio.sleep(CLOCK_LOOK_S)

    async def _warm_analyst(self) -> None:
        """Have the analyst's libraries loaded before the first file asks for them."""
        await self.servers.wait_ready()  # which have the processors for themselves until then
        with contextlib.suppress(WorkerError):
            await self.shared.analyst.call(WarmRequest())
        await asyncio.Event().wait()

    async def _keep_events(self) -> None:
        """Write what was logged, and what servers saw of trials, to the ledger, a second's worth at a time."""
        while True:
            await asyncio.sleep(EVENTS_EVERY_S)
            with self._unless_lost("events"):
                if not self._lost:
                    self.owed.pay()
                self._write_events()
                for name in self.reports.write(self.ledger, time.time()):
                    if name in self.keepers:
                        self.keepers[name].context.dirty.set()

    @contextlib.contextmanager
    def _unless_lost(self, part: str) -> Iterator[None]:
        """Nothing of it while the state folder is lost; what fails then or now is told and done again."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            if not self._lost and error_key(error) != self._failed.get(part):
                log.error("ledger_failed", part=part, error=error_key(error), **way_out(error))
            self._failed[part] = error_key(error)
        else:
            self._failed.pop(part, None)

    def _write_events(self) -> None:
        if not self._lost:
            self._kept.write(self.ledger)

    def _due(self, name: str, kind: str, due_at: float) -> None:
        def write(conn: Connection) -> None:
            due.add(conn, name, kind, due_at)

        self.owed.write(write, lambda: self.keepers[name].wake(kind) if name in self.keepers else None)

    def _promoted(self, name: str) -> None:
        self.servers.follow()
        self.keepers[name].after_promotion()

    def _on_server(self, message: dict[str, Any]) -> None:
        if message["event"] == "swapped":
            swapped_at = time.time()
            self.owed.write(lambda conn: promotions.mark_swapped(conn, message["promotion"], swapped_at))
            log.info(
                "model_swapped", model=message["model"], version=message["version"], pid=message["pid"],
                runtimes=message["runtimes"],
            )  # fmt: skip
        elif message["event"] == "trial_seen":
            self.reports.add(message)
            if message["seen"]["failures"]:
                log.warning(
                    "challenger_failed", model=message["model"], version=message["version"],
                    requests=message["seen"]["failures"], reason=message["seen"]["error"], pid=message["pid"],
                )  # fmt: skip
        elif message["event"] == "swap_failed":
            log.error("swap_failed", model=message["model"], version=message.get("version"), reason=message["error"])
            unreadable.cache_clear()  # perhaps it was damaged since it was looked at
            if message["model"] in self.keepers:
                self.keepers[message["model"]].context.dirty.set()
        elif message["event"] == "stand_in":
            log.warning("stand_in_served", **{key: message[key] for key in ("model", "version", "champion")})

    def _ask_reload(self) -> None:
        """What SIGHUP does; one that comes while another waits is the same: the file is read when its turn has come."""
        if not self._reload_waits:
            self._reload_waits = True
            self._told_to_reload = asyncio.ensure_future(self._reload_told())

    async def _reload_told(self) -> None:
        """After a moment, in which more may come; the log tells the outcome."""
        await asyncio.sleep(BURST_S)
        with contextlib.suppress(Refused):
            await self.reload()

    async def reload(self) -> str:
        """Apply a changed configuration whole, or refuse it whole and say why."""
        async with self._reloading:
            self._reload_waits = False
            self.notifier.reloading()
            try:
                if self._lost:
                    raise Refused("the state folder is lost, and a reload would begin it anew", "bring it back first")
                return await self._apply(read_again(self.config, self._environment))
            except (ConfigErrors, OSError, Refused, SQLAlchemyError) as error:
                reason = error_key(error) if isinstance(error, SQLAlchemyError) else str(error)
                log.error("config_refused", reason=reason)
                raise Refused(reason) from None
            finally:
                self.notifier.send(READY="1", STATUS=self._status())

    async def _apply(self, config: Config) -> str:
        """What can fail comes first: room in the state folder, and servers that come up. Nothing has changed then."""
        what = changes(self.config, config)
        if what.later:
            log.warning("config_needs_restart", keys=what.later)
        tokens = load_tokens(config, self._environment)
        for name in what.changed:
            self._make_room(name)
        if what.changed or what.gone or what.servers or tokens != self._tokens:
            await self.servers.replace()
            self._tokens = tokens
        for name in (*what.gone, *(n for n in what.changed if n in self.keepers)):
            await self.keepers.pop(name).stop()
            self.schedule.set_model(name, None)
        self.config = self.shared.config = applied(self.config, config, what)
        for name in what.changed:
            self._start_model(name)
        log.info("config_reloaded", changed=what.changed, removed=what.gone)
        return what.sentence()
