"""`python -m daemon.server`: started by control with a listening socket and a channel to it."""

import daemon.runtime.quick_imports  # noqa: F401 - before all others

# isort: split
import argparse
import asyncio
import contextlib
import faulthandler
import gc
import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from daemon.config.config import Config, load_config, selected
from daemon.runtime import faults
from daemon.runtime.log import both, configure, get_logger, log_dropped, own_output
from daemon.runtime.memory import load_libraries, one_arena
from daemon.runtime.numbers import LoggedCounts
from daemon.runtime.parent import end_with_parent
from daemon.runtime.passed_on import PassedOn
from daemon.runtime.restarting import supervise
from daemon.runtime.spool import Spool
from daemon.server.app import App
from daemon.server.follow import Follower
from daemon.server.origins import Origins, is_loopback
from daemon.server.passage import Passage
from daemon.server.prediction_log import PredictionLog
from daemon.server.protocol import LimitedProtocol, close_overdue, limit_connections
from daemon.server.refusal import BadRequest
from daemon.server.slot import ModelSlot
from daemon.server.tokens import load_tokens

log = get_logger()
BEAT_S = 1.0
FAILURE_PAUSE_S = 2.0
SPOOL_LOOK_S = 0.5
LOG_EVERY_S = 1.0
NUMBERS_LOOK_S = 2.0
WARM = ("sklearn.ensemble", "skops.io", "retrain.stages.promote", "retrain.model.preprocessing", "treelite")
DRAIN_S = 0.3
FIRST_LOOK_S = 0.2
"""Between two looks whether what is promoted was ever described."""
SWITCH_S = 0.0005
"""How long a thread that loads a version may keep the event loop from running; Python's default is 5 ms."""


class Drained(uvicorn.Server):
    """uvicorn, with an end that resets no connection: it stops accepting, lets what was just accepted arrive,
    asks clients to leave, and only then closes."""

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals are ours."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then end."""
        self._app.drain()
        for server in self.servers:
            server.close()  # only this process's copy of the socket: what waits there is another's to accept
        await asyncio.sleep(DRAIN_S)
        await super().shutdown(sockets)


class Server:
    """One server process."""

    def __init__(
        self, config: Config, listener: socket.socket, channel: socket.socket, page: str = "",
        logged: LoggedCounts | None = None, passed_on: PassedOn | None = None, uploads: bool = False,
    ) -> None:  # fmt: skip
        self._config, self._listener, self._channel = config, listener, channel
        self._passed_on = passed_on or PassedOn()
        slots = {name: ModelSlot(name, is_elsewhere=settings.is_elsewhere) for name, settings in config.models.items()}
        tokens = load_tokens(config, os.environ)
        origins = Origins(config.service.hosts, is_loopback(listener))
        passage = Passage(page) if page else None
        self._app = App(config, slots, version("driftd"), tokens, origins, passage, uploads)
        self._app.metrics.logged = logged or self._app.metrics.logged
        self._pools = self._app.pools
        live = {} if self._app.recommending is None else self._app.recommending.live
        loading, looking = self._pools.loading, self._pools.looking
        self._follower = Follower(config, slots, self._report, loading, looking, live)
        if config.service.load == "when_asked":
            self._app.load = self._app.about.load = self._follower.load
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Load, report that all is ready, serve until control says stop or is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        beating = asyncio.create_task(self._beat())
        warming = asyncio.create_task(self._pools.loading.run(warm))
        was_described = await self._is_described()
        await self._follower.catch_up()  # ready means: all that is promoted is served
        limit_connections()
        settings = uvicorn.Config(
            self._app, http=LimitedProtocol, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=10, timeout_keep_alive=75,
        )  # fmt: skip
        server = Drained(settings, self._app)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, setattr, server, "should_exit", True)
        # Ctrl-C on a terminal reaches every process of the group: control decides when the server stops.
        loop.add_signal_handler(signal.SIGINT, bool)
        parts = [self._follower.run, self._hand_over_labels, self._write_logs, self._look_at_numbers]
        if self._app.recommending is not None:
            parts.append(self._app.recommending.run)
        work = [
            self._obey(reader, server),
            self._report_ready(server, was_described),
            close_overdue(server.server_state.connections, self._config.service.request_time),
            *(supervise(part, log, FAILURE_PAUSE_S) for part in parts),
        ]
        tasks = [beating, warming, *map(asyncio.create_task, work)]
        await server.serve(sockets=[self._listener])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._hand_over_counts()
        self._follower.stop()
        spools = [partial(spool.close_old, at_once=True) for spool in self._app.spools.values()]
        await asyncio.to_thread(close_all, [*spools, *(one.close for one in self._app.logs.values())])
        self._pools.close()

    def _report(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write((json.dumps(message) + "\n").encode())

    async def _obey(self, reader: asyncio.StreamReader, server: uvicorn.Server) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                message = json.loads(line)
                if message["op"] == "follow":
                    self._follower.hint()
                elif message["op"] == "asked":
                    self._follower.asked(message["models"])
                elif message["op"] == "totals":
                    self._app.metrics.receive(message)
                elif message["op"] == "hand_over":
                    await self._hand_over_segments()
                elif message["op"] == "write_to":
                    await self._pools.labels.run(self._app.write_to, message["uploads"])
                elif message["op"] == "drain":
                    self._app.drain()
                elif message["op"] == "stop":
                    break
        server.should_exit = True

    async def _report_ready(self, server: uvicorn.Server, was_described: bool) -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        if not was_described:
            while not await self._is_described():
                await asyncio.sleep(FIRST_LOOK_S)
            await self._follower.looked()
        self._app.about.loaded = True
        self._hand_over_counts()
        self._report({"event": "ready"})

    async def _is_described(self) -> bool:
        with contextlib.suppress(OSError, BadRequest):
            return await self._pools.looking.run(self._config.paths.described.exists)
        return False

    async def _beat(self) -> None:
        """Report that the loop runs, also while versions are loaded, and that what requests need ends some day."""
        while True:
            self._hand_over_counts()
            if self._pools.hung() is None:  # else nothing that control would take for a sign of life
                for message in ({"event": "heartbeat"}, *self._passed_on.messages()):
                    self._report(message)
            log_dropped()
            await asyncio.sleep(BEAT_S)

    def _hand_over_counts(self) -> None:
        for message in self._app.metrics.hand_over():
            self._report(message)

    async def _look_at_numbers(self) -> None:
        """Follow what control wrote down for Prometheus; while the state folder is away, what it said last stays."""
        while True:
            with contextlib.suppress(OSError, BadRequest):
                await self._pools.numbers.run(self._app.metrics.state.look)
            await asyncio.sleep(NUMBERS_LOOK_S)

    async def _hand_over_labels(self) -> None:
        while True:
            await asyncio.sleep(SPOOL_LOOK_S)
            await self._pools.labels.run(close_old_segments, self._app.spools)

    async def _hand_over_segments(self) -> None:
        """What is open now, for somebody is to be forgotten."""
        await self._pools.labels.run(
            close_all, [partial(one.close_old, at_once=True) for one in self._app.spools.values()]
        )
        await self._pools.log.run(close_all, [one.close for one in self._app.logs.values()])
        self._report({"event": "handed_over"})

    async def _write_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_EVERY_S)
            await self._pools.log.run(flush_logs, self._app.logs)


def close_old_segments(spools: Mapping[str, Spool]) -> None:
    """Hand over, of each model, what has been open for long; one that fails keeps no other."""
    each([spool.close_old for spool in spools.values()])


def flush_logs(logs: Mapping[str, PredictionLog]) -> None:
    """Write what waits, of each model."""
    each([one.flush for one in logs.values()])


def each(jobs: Iterable[Callable[[], object]]) -> None:
    """Do all; then raise the first error, if any."""
    errors = []
    for job in jobs:
        try:
            job()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def close_all(jobs: Iterable[Callable[[], None]]) -> None:
    """Do each, also where one fails, which is logged; what a server leaves open control takes over."""
    for job in jobs:
        try:
            job()
        except OSError as error:
            log.error("part_failed", part="end of the server", error=repr(error), traceback=traceback.format_exc())


def warm() -> None:
    """Import what loading a version needs, and keep the garbage collector from going through it ever again: a full
    collection over all of it stops every request for 50 ms."""
    load_libraries(WARM)
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="daemon.server")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--page", default="", help="the address of the page process; none where there is no page")
    parser.add_argument("--uploads", action="store_true", help="what it writes down goes to another host")
    parser.add_argument("--models", default="", help="patterns of the models to serve; all without it")
    for number in ("--listen-fd", "--control-fd", "--parent"):
        parser.add_argument(number, type=int, required=True)
    options = parser.parse_args()
    # SIGTERM ends a server that still loads at once, and lets one that serves finish what it answers.
    end_with_parent(options.parent, signal.SIGTERM)
    one_arena()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload is control's affair, also where the whole group gets it
    faulthandler.enable()
    faults.install(os.environ, "server")
    config = load_config(options.config)
    config = selected(config, options.models) if options.models else config
    logged, passed_on = LoggedCounts(), PassedOn()
    service, tap = config.service, both(logged.add, passed_on.add)
    configure(service.log_level, service.log_format, own_output(), tap, config.log_file)
    unread = logging.getLogger("uvicorn")  # it answers what is wrong; its lines say nothing more
    unread.addHandler(logging.NullHandler())
    unread.propagate = False
    listener = socket.socket(fileno=options.listen_fd)
    listener.setblocking(False)
    channel = socket.socket(fileno=options.control_fd)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config, listener, channel, options.page, logged, passed_on, options.uploads).run())


if __name__ == "__main__":
    main()
