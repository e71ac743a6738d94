"""`driftd serve`: servers without control. They follow what another driftd promotes, on this host or another one."""

import asyncio
import faulthandler
import os
import signal
import time
from contextlib import closing, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, ConfigErrors, load_config, selected
from daemon.ledger import followed_ledger
from daemon.ledger.sound import OlderLedger
from daemon.runtime import faults
from daemon.runtime.describing import Describing
from daemon.runtime.fetching import fetching_sentence
from daemon.runtime.ledgers import ledger_place, ledger_url, open_configured
from daemon.runtime.lock import is_held
from daemon.runtime.log import configure, get_logger
from daemon.runtime.page_wire import address_of, page_listener
from daemon.runtime.restarting import supervise
from daemon.runtime.shard_folder import claim_folder
from daemon.runtime.stored_state import StoredState
from daemon.runtime.stores import configured_store
from daemon.runtime.systemd_notify import MORE_TIME, Notifier, inherited_socket, watchdog_s
from daemon.server.tokens import load_tokens, warn_of_open_token_files
from daemon.service.pulse import Pulse, hung_s
from daemon.service.server_messages import log_message
from daemon.service.servers import PageProcess, ServerProcess, Servers, listening_socket, page_process
from daemon.service.serving_file import Serving
from daemon.service.serving_host import ServingHost, make_room
from daemon.service.stopping import Stopping
from daemon.service.totals import Totals
from retrain.records.errors import Refused, Retry
from retrain.store.backends.objects import WAY_OUT, StoreFailed

log = get_logger()
FAILURE_PAUSE_S = 2.0
LOOK_S = 1.0


def main(config: Config, environment: dict[str, str], log_format: str = "auto", patterns: str = "") -> None:
    """Serve until SIGINT or SIGTERM, of the configuration what the `patterns` select; Refused where there is no ledger
    to follow. One of an older driftd is followed as far as it can be read, until that one's service is upgraded, too;
    what is described here is served whatever becomes of that."""
    faulthandler.enable()
    totals = Totals()
    configure(config.service.log_level, log_format, tap=totals.logged.add, file=config.log_file)
    faults.install(environment, "follower")
    try:
        open_configured(config, environment).close()
    except (Retry, OlderLedger) as error:
        log.warning("ledger_awaited", file=ledger_place(config, environment), reason=error.message)
    asyncio.run(OnlyServer(config, environment, totals, patterns).run())


def with_options(config: Config, listen: str | None, workers: int | None) -> Config:
    """The configuration with what the command line says instead."""
    given = {key: value for key, value in {"listen": listen, "workers": workers}.items() if value is not None}
    return replace(config, service=config.service.model_validate(config.service.model_dump() | given))


class OnlyServer:
    """The process that keeps the servers alive."""

    def __init__(self, config: Config, environment: dict[str, str], totals: Totals, patterns: str = "") -> None:
        self._patterns = patterns
        self._config, self._environment, self._totals = config, environment, totals
        self._serving = Serving()
        load_tokens(config, environment)
        self._notifier = Notifier(environment.get("NOTIFY_SOCKET"))
        self._watchdog_s = watchdog_s(environment)
        self._listener = listening_socket(config.service.listen, inherited_socket(environment))
        self._page_listener = page_listener() if config.service.page else None
        self._stopping = Stopping()
        self._stored = self._elsewhere()
        self._host: ServingHost | None = None

    async def run(self) -> None:
        """Start, announce, wait for the end, stop."""
        started_s = time.monotonic()
        service = self._config.service
        log.info(
            "service_started", driftd=version("driftd"), pid=os.getpid(), config=str(self._config.path),
            listen=service.listen, models=sorted(self._config.models), only="server",
        )  # fmt: skip
        warn_of_open_token_files(self._config, self._environment)
        loop = asyncio.get_running_loop()
        self._stopping.listen(service.drain if inherited_socket(self._environment) is None else 0.0)
        if self._stored is None:
            await asyncio.to_thread(self._describe)
        self._servers = Servers(service.workers, self._make, self._page, uploads=self._stored is not None)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self._reload()))
        pulse = Pulse(self._notifier, self._watchdog_s, self._silences, lambda: "serving what another driftd promotes")
        tasks = [asyncio.create_task(self._announce(started_s)), asyncio.create_task(pulse.run())]
        if self._stored is not None:
            ledger = followed_ledger(self._config.state_dir, ledger_url(self._config, self._environment))
            self._host = ServingHost(self._config, ledger, self._stored, self._servers, self._serving, self._url())
            try:
                await self._stored.beside(self._first_look, self._host)
            except Refused:
                await self._servers.stop()
                raise
            tasks += [asyncio.create_task(supervise(part, log, FAILURE_PAUSE_S)) for part in self._host.parts()]
        await self._stopping.asked.wait()
        log.info("service_stopping")
        self._notifier.send(STOPPING="1")
        for task in tasks:
            task.cancel()
        await self._servers.drain(self._stopping.drain_s, self._stopping.hurried)
        self._listener.close()
        await self._servers.stop()
        if self._page_listener is not None:
            self._page_listener.close()
        if self._host is not None:
            await self._host.end()
        log.info("service_stopped", seconds=round(time.monotonic() - started_s, 1))

    def _first_look(self, host: ServingHost) -> None:
        """Refused where the store cannot be used in a way that does not mend itself, and there is nothing to serve."""
        hopeless = host.first_look()
        assert self._stored is not None
        if self._config.paths.promoted("any").parent.is_dir():
            return
        if not hopeless and not self._stored.reason:
            try:
                self._stored.store.look()
            except StoreFailed as error:
                hopeless = str(error) if error.hopeless else ""
        if hopeless:
            raise Refused(f"cannot use the store: {hopeless}", WAY_OUT)

    def _describe(self) -> None:
        """What was promoted last, where the driftd that does so does not work now and may have been killed before it
        described that. A folder that is not this user's to write is left as it is."""
        if is_held(self._config.state_dir):
            return
        with (
            closing(followed_ledger(self._config.state_dir, ledger_url(self._config, self._environment))) as ledger,
            suppress(OSError, SQLAlchemyError),
        ):
            Describing(lambda: self._config, ledger).look()

    def _elsewhere(self) -> StoredState | None:
        """The store that versions come from, where another host has them; None where this is the folder of the driftd
        that makes them, or did so last."""
        store = configured_store(self._config, self._environment)
        if store is None:
            return None
        make_room(self._config)
        claim_folder(self._config.state_dir, self._config.service.shard)
        stored = StoredState(store, self._config.state_dir, self._config.service.store_grace)
        return stored if not self._config.paths.copied.exists() or self._is_left(stored) else None

    def _is_left(self, stored: StoredState) -> bool:
        url = ledger_url(self._config, self._environment)
        with closing(followed_ledger(self._config.state_dir, url)) as ledger, suppress(SQLAlchemyError):
            return stored.is_left(ledger)
        return False

    def _make(self, uploads: bool) -> ServerProcess:
        config, silent_s = self._config, hung_s(self._watchdog_s)
        page = "" if self._page_listener is None else address_of(self._page_listener)
        return ServerProcess(
            self._listener,
            config.state_dir,
            config.path,
            self._receive,
            page,
            totals=self._totals,
            hung_s=silent_s,
            uploads=uploads,
            asked=self._serving.loaded,
            models=self._patterns,
        )

    def _url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def _receive(self, message: dict[str, Any]) -> None:
        """A server's report."""
        log_message(message)
        if self._host is not None:
            self._host.receive(message)
        else:
            self._serving.receive(message)

    def _page(self) -> PageProcess | None:
        if self._page_listener is None:
            return None
        return page_process(self._config, self._page_listener, self._listener, self._totals)

    def _silences(self) -> dict[str, float]:
        return self._servers.silences(time.monotonic())

    async def _announce(self, started_s: float) -> None:
        ready = asyncio.ensure_future(self._servers.wait_ready())
        while not ready.done():  # the first fetch may take longer than a start may
            if self._stored is not None and not self._config.paths.described.exists():
                self._notifier.send(STATUS=fetching_sentence(self._stored.fetching), **MORE_TIME)
            await asyncio.wait({ready}, timeout=LOOK_S)
        log.info("service_ready", seconds=round(time.monotonic() - started_s, 2), url=self._url())
        self._notifier.send(READY="1")

    async def _reload(self) -> None:
        """Fresh servers with the changed configuration, or none of it."""
        self._notifier.reloading()
        try:
            config = load_config(self._config.path)
            config = selected(config, self._patterns) if self._patterns else config
            if self._host is not None:
                self._host.reload(replace(self._config, models=config.models))
            await self._servers.replace()
            log.info("config_reloaded")
        except (ConfigErrors, OSError, Refused):
            log.error("config_refused")
        finally:
            self._notifier.send(READY="1")
