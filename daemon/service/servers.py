"""Keeps the server processes alive on one listening socket, and hints at what is described for them.

The description is the truth and the message a hint: a server that missed it polls. Each server acknowledges every
swap. A server that dies is started again on the same socket, so that no connection is refused meanwhile.
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config.config import Config
from daemon.runtime.log import get_logger
from daemon.runtime.within import within
from daemon.server.origins import is_loopback
from daemon.service.totals import Totals
from retrain.records.errors import Refused

log = get_logger()
STOP_TIMEOUT_S = 15.0
BIND_PATIENCE_S = 5.0
LONGEST_PAUSE_S = 10.0
HUNG_S = 30.0
LOOK_S = 2.5
"""So often a silent server is looked at; it speaks every second."""
START_PATIENCE_S = 180.0
"""A start takes four seconds of a processor, which a busy machine may not have for long."""
ABORT_PATIENCE_S = 2.0
HAND_OVER_S = 10.0
REPLACE_WITHIN_S = 60.0
"""Of a reload, whose caller waits."""
NAMES_A_LINE = 200
"""Of models in a message, which may have 64 KiB."""
Report = Callable[[dict[str, Any]], None]


def listening_socket(listen: str, inherited: int | None) -> socket.socket:
    """The socket that all servers share: systemd's, or one bound to `listen` ("HOST:PORT")."""
    if inherited is not None:
        return socket.socket(fileno=inherited)
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(listener, host, int(port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Refused(
            f"cannot listen on {listen}: {error.strerror or error}",
            "stop what uses the port or set another [service] listen",
        ) from None
    return listener


def _bind(listener: socket.socket, host: str, port: int) -> None:
    """Bind, patient with the servers of a service that was just killed: they close the port within a second."""
    until_s = time.monotonic() + BIND_PATIENCE_S
    while True:
        try:
            listener.bind((host, port))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until_s:
                raise
        time.sleep(0.05)


def _is_stopped(pid: int) -> bool:
    """Whether a signal stopped the process; one that a debugger holds is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


@dataclass
class ServerProcess:
    """One server: started, listened to, restarted after a death until it is stopped."""

    listener: socket.socket
    state_dir: Path
    config_path: Path
    report: Report
    page: str = ""
    """The address of the page process; none where there is no page."""
    uploads: bool = False
    """Whether what it writes down goes to another host."""
    models: str = ""
    """Patterns of the models that it serves; "" of all."""
    asked: Callable[[], Sequence[str]] = tuple
    """Models that somebody asked for lately."""
    totals: Totals | None = None
    """Adds up what the servers count; none for a process that counts nothing."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    handed_over: asyncio.Event = field(default_factory=asyncio.Event)
    hung_s: float = HUNG_S
    last_beat: float = 0.0
    _beaten: bool = False
    _process: asyncio.subprocess.Process | None = None
    _writer: asyncio.StreamWriter | None = None
    _stopping: bool = False

    async def run(self) -> None:
        """Keep a server running until `stop`."""
        pause_s = 0.2
        while not self._stopping:
            started = time.monotonic()
            try:
                await self._start()
                await self._listen()
            except Exception as error:
                log.error("part_failed", part="server", error=repr(error), traceback=traceback.format_exc())
            finally:
                if self.totals is not None:
                    self.totals.leave(self.pid)
            if self._stopping:
                return
            self.ready.clear()
            pause_s = 0.2 if time.monotonic() - started > 30 else min(2 * pause_s, LONGEST_PAUSE_S)
            self._log_death(await self._status(), pause_s)
            await asyncio.sleep(pause_s)

    def follow(self) -> None:
        """Hint that there is another description."""
        self._send({"op": "follow"})

    def write_to(self, uploads: bool) -> None:
        """Have it write down from here on what goes to another host, or what this one's control takes."""
        self.uploads = uploads
        self._send({"op": "write_to", "uploads": uploads})

    async def hand_over(self) -> None:
        """Have it hand over the segments that it writes; returns when it did. What one that is gone left is closed for
        it, by whoever looks."""
        if not self.ready.is_set():
            return
        self.handed_over.clear()
        self._send({"op": "hand_over"})
        with contextlib.suppress(TimeoutError):
            await within(self.handed_over.wait(), HAND_OVER_S)

    def drain(self) -> None:
        """Have it answer that it is not ready, and ask its clients to leave."""
        self._send({"op": "drain"})

    async def stop(self) -> None:
        """Let it finish what it answers, then end it."""
        self._stopping = True
        self._send({"op": "stop"})
        process = self._process
        if process is None:
            return
        try:
            await within(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    def silent_s(self, now_s: float) -> float:
        """Seconds since its last sign of life, less what it is given to be ended and started again."""
        return max(0.0, now_s - self.last_beat - self.hung_s) if self._beaten else 0.0

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write((json.dumps(message) + "\n").encode())

    async def _start(self) -> None:
        asked = list(self.asked())
        self._process = None
        ours, theirs = socket.socketpair()
        environment = dict(os.environ) | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._command(),
            "--listen-fd", str(self.listener.fileno()), "--control-fd", str(theirs.fileno()),
            "--parent", str(os.getpid()),
            pass_fds=(self.listener.fileno(), theirs.fileno()), env=environment,
        )  # fmt: skip
        theirs.close()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self.last_beat, self._beaten = time.monotonic(), False
        for at in range(0, len(asked), NAMES_A_LINE):
            self._send({"op": "asked", "models": asked[at : at + NAMES_A_LINE]})
        if self.totals is not None:
            self.totals.join(self.pid, self._send)
        log.debug("server_started", pid=self._process.pid)

    def _command(self) -> list[str]:
        """The module and its arguments, but for those of every such process."""
        folder, config = str(self.state_dir), str(self.config_path)
        named = ["--models", self.models, *["--uploads"] * self.uploads]
        return ["-m", "daemon.server", "--state-dir", folder, "--config", config, "--page", self.page, *named]

    def _log_death(self, status: int | None, pause_s: float) -> None:
        log.error("server_died", status=status, restart_in_s=pause_s)

    def _log_hang(self, silent_s: float) -> None:
        log.error("server_hung", pid=self.pid, silent_s=silent_s)

    async def _listen(self) -> None:
        while line := await self._next_line():
            self.last_beat, self._beaten = time.monotonic(), True
            message = json.loads(line)
            if message["event"] == "ready":
                self.ready.set()
            if message["event"] == "handed_over":
                self.handed_over.set()
                continue
            try:
                self._receive(message)
            except Exception as error:
                log.error("part_failed", part="report", error=repr(error), traceback=traceback.format_exc())
        assert self._writer is not None
        self._writer.close()

    def _receive(self, message: dict[str, Any]) -> None:
        if self.totals is not None:
            self.totals.receive(self.pid, message)
        if message["event"] != "counted":
            self.report(message | {"pid": self.pid})

    async def _next_line(self) -> bytes:
        """Its next message; nothing once it is gone, or was silent for too long and therefore ended.

        Only several silences in a row count: what came while this process itself stood still is read after one."""
        patience_s = self.hung_s if self._beaten else max(self.hung_s, START_PATIENCE_S)
        looks = max(2, round(patience_s / LOOK_S))
        for _ in range(looks):
            try:
                async with asyncio.timeout(patience_s / looks):
                    return await self._reader.readline()
            except TimeoutError:
                self._continue_if_stopped()
            except (ConnectionResetError, BrokenPipeError):
                return b""
        await self._abort()
        return b""

    def _continue_if_stopped(self) -> None:
        """A signal stopped it: connections that it accepted wait for nobody else, so it goes on."""
        if self.pid is not None and _is_stopped(self.pid):
            log.warning("server_continued", pid=self.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)

    async def _abort(self) -> None:
        """End a server that hangs; SIGABRT has it print the stacks of its threads first."""
        assert self._process is not None
        self._log_hang(round(time.monotonic() - self.last_beat, 1))
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)
            try:
                await within(self._process.wait(), ABORT_PATIENCE_S)
            except TimeoutError:
                self._process.kill()

    async def _status(self) -> int | None:
        """How the process ended; None where none could be started."""
        if self._process is None:
            return None
        try:
            return await within(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()


@dataclass
class PageProcess(ServerProcess):
    """The process of the status page: nobody waits for it, and it is started again as a server is. `listener` is the
    page's own; `loopback` says that the servers can be reached from this machine alone."""

    loopback: bool = False

    def _command(self) -> list[str]:
        folder, config = str(self.state_dir), str(self.config_path)
        return ["-m", "daemon.page", "--state-dir", folder, "--config", config, *["--loopback"] * self.loopback]

    def _log_death(self, status: int | None, pause_s: float) -> None:
        log.error("page_died", status=status, restart_in_s=pause_s)

    def _log_hang(self, silent_s: float) -> None:
        log.error("page_hung", pid=self.pid, silent_s=silent_s)


def page_process(
    config: Config,
    listener: socket.socket,
    served: socket.socket,
    totals: Totals,
    report: Report = lambda _: None,
) -> PageProcess:
    """The process that answers on the page's `listener` for servers on the socket `served`; it counts nothing, and is
    told the `totals`."""
    folder, reachable = config.state_dir, is_loopback(served)
    return PageProcess(listener, folder, config.path, report, totals=totals, loopback=reachable)


class Servers:
    """All servers of the service, as one, and the process of the status page, where there is one."""

    def __init__(
        self,
        workers: int,
        make: Callable[[bool], ServerProcess],
        make_page: Callable[[], ServerProcess | None] = lambda: None,
        uploads: bool = False,
    ) -> None:
        self._make, self._make_page, self._uploads = make, make_page, uploads
        self._all = [make(uploads) for _ in range(workers)]
        self._tasks = [asyncio.create_task(server.run()) for server in self._all]
        self._page: tuple[list[ServerProcess], list[asyncio.Task[None]]] = ([], [])
        self._leaving: set[asyncio.Task[None]] = set()
        self._replacing = asyncio.Lock()
        self._begin_page()

    def silences(self, now_s: float) -> dict[str, float]:
        """Seconds of silence of each server that has begun to speak; one that starts has a patience of its own."""
        return {f"server {n}": server.silent_s(now_s) for n, server in enumerate(self._all, start=1)}

    def pids(self) -> set[int | None]:
        """The processes that run."""
        return {server.pid for server in self._all}

    async def wait_ready(self) -> None:
        """Return when every server serves what is described."""
        await asyncio.gather(*(server.ready.wait() for server in self._all))

    def follow(self) -> None:
        """Hint to all that there is another description."""
        for server in self._all:
            server.follow()

    def write_to(self, uploads: bool) -> None:
        """Have all write down from here on what goes to another host, or what this one's control takes; those too that
        take their place."""
        self._uploads = uploads
        for server in self._all:
            server.write_to(uploads)

    async def hand_over(self) -> None:
        """Have all hand over the segments that they write."""
        await asyncio.gather(*(server.hand_over() for server in self._all))

    async def replace(self, within_s: float = REPLACE_WITHIN_S) -> None:
        """Start fresh servers on the same socket, and stop the old ones once the new are ready; Refused if they
        never are: then the old ones go on."""
        try:
            await within(self._replacing.acquire(), within_s)
        except TimeoutError:
            raise Refused(f"others have been starting for {within_s:g} s", "the old ones go on") from None
        try:
            await self._replace(within_s)
        finally:
            self._replacing.release()

    async def _replace(self, within_s: float) -> None:
        fresh = [self._make(self._uploads) for _ in self._all]
        tasks = [asyncio.create_task(server.run()) for server in fresh]
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(server.ready.wait() for server in fresh))
        except TimeoutError:
            await self._let_go(fresh, tasks)
            raise Refused(f"new servers were not ready within {within_s:g} s", "the old ones go on") from None
        except asyncio.CancelledError:
            self._let_go(fresh, tasks)
            raise
        old, old_tasks, self._all, self._tasks = self._all, self._tasks, fresh, tasks
        # Nobody waits for the old page process: it may be answering whoever asked for this, and waits for its end.
        self._let_go(*self._page)
        self._begin_page()
        await asyncio.shield(self._let_go(old, old_tasks))

    async def drain(self, seconds: float, ended: asyncio.Event) -> None:
        """Have all say that they are not ready and ask their clients to leave, for so long or until `ended`."""
        for server in self._all:
            server.drain()
        with contextlib.suppress(TimeoutError):
            await within(ended.wait(), seconds)

    async def stop(self) -> None:
        """Stop all, each after the answers that it owes."""
        await asyncio.gather(_end(self._all, self._tasks), _end(*self._page), *self._leaving)

    def _let_go(self, servers: list[ServerProcess], tasks: list["asyncio.Task[None]"]) -> "asyncio.Task[None]":
        """Their end, which `stop` waits for, too."""
        leaving = asyncio.create_task(_end(servers, tasks))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    def _begin_page(self) -> None:
        page = self._make_page()
        pages = [] if page is None else [page]
        self._page = pages, [asyncio.create_task(one.run()) for one in pages]


async def _end(servers: list[ServerProcess], tasks: list["asyncio.Task[None]"]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
