"""Control's side of the fork server: workers that have their libraries from the start. Where it cannot be had there are
none, and a worker is started as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from daemon.runtime.log import get_logger
from daemon.runtime.within import within

log = get_logger()
LOADED_S = 120.0
"""So long its libraries may take; a second or two, where the disk is quick."""
FORKED_S = 60.0
"""So long a fork may take; milliseconds, where the server is not stopped."""
AGAIN_S = 60.0
"""After a start that failed the next is tried no sooner."""
TRIES = 2
"""So many servers may end when they are asked for the same fork: with each goes a second or two."""
END_S = 5.0
ROOM = 160
"""Characters by which a worker's command line is longer than the server's."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NO_HELPERS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Arrow's second allocator would begin a thread when it is loaded."""


class Fork:
    """A worker that is a fork, as `asyncio.subprocess.Process` is one that was started."""

    def __init__(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.pid = 0
        self.returncode: int | None = None
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._descriptor, self._unwanted = -1, False

    def begin(self, pid: int, descriptor: int) -> None:
        """It is there; the descriptor is its own as long as it is not reaped, whatever pids are used again."""
        self.pid, self._descriptor = pid, descriptor
        if not self.begun.done():
            self.begun.set_result(None)
        if self._unwanted:
            self.kill()

    def fail(self, error: OSError) -> None:
        """It never began."""
        self.abandon()
        _refuse(self.begun, error)

    def abandon(self) -> None:
        """Nobody waits for it any more: it ends as soon as it begins."""
        self._unwanted = True
        self.stdin.close()
        self.kill()

    def end(self, status: int) -> None:
        """It ended; negative is a signal."""
        self.returncode = status
        os.close(self._descriptor)
        self._descriptor = -1
        self._ended.set_result(status)

    def orphan(self) -> None:
        """Its server is gone, and it goes with it: end it, and note when it is gone."""
        self.kill()
        loop, descriptor = asyncio.get_running_loop(), self._descriptor

        def gone() -> None:
            loop.remove_reader(descriptor)
            with contextlib.suppress(ChildProcessError):  # a service that is process 1 has inherited it
                os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)
            self.end(-signal.SIGKILL)

        loop.add_reader(descriptor, gone)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    async def wait(self) -> int:
        """Its status, once it has ended."""
        return await asyncio.shield(self._ended)


def _refuse(future: "asyncio.Future[None]", error: OSError) -> None:
    """Whoever waits for it gets the error, if anybody does."""
    if not future.done():
        future.set_exception(error)
        future.exception()


class _Until(asyncio.StreamReaderProtocol):
    """A stream that closes itself once all that the other end wrote has been read."""

    def eof_received(self) -> bool:
        super().eof_received()
        return False


@dataclass(eq=False)
class _Server:
    """One process of the fork server: what was asked of it, in order, and its forks."""

    process: asyncio.subprocess.Process
    descriptor: int
    socket: socket.socket
    ready: "asyncio.Future[None]"
    asked: deque[Fork] = field(default_factory=deque)
    forks: dict[int, Fork] = field(default_factory=dict)
    words: str = ""
    is_gone: bool = False

    def hear(self) -> None:
        """Take in what it says; nothing is an end."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose()
            return
        said = json.loads(data)
        if "ended" in said:
            self.forks.pop(said["ended"]).end(said["status"])
        elif "pid" in said:
            fork = self.forks[said["pid"]] = self.asked.popleft()
            fork.begin(said["pid"], descriptors[0])
        elif "error" in said:
            self.asked.popleft().fail(OSError(said["error"]))
        elif not self.ready.done():
            self.ready.set_result(None)

    def lose(self) -> None:
        """It is gone, or of no use any more: nothing of it goes on."""
        if self.is_gone:
            return
        self.is_gone = True
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()
        with contextlib.suppress(ProcessLookupError):  # not by `process.kill`, which may reap it unseen by asyncio
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
        os.close(self.descriptor)
        gone = OSError("it ended")
        for fork in self.asked:
            fork.fail(gone)
        for fork in self.forks.values():
            fork.orphan()
        _refuse(self.ready, gone)


@dataclass
class Forks:
    """Forks of one server, which is started when it is first needed, and again where it has ended; `group` is the
    control group that it works in. None where the system has no descriptors of processes."""

    group: Path | None = None
    _server: _Server | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _not_before_s: float = 0.0
    _told: str = ""
    _attending: "asyncio.Task[None] | None" = None

    async def start(self) -> bool:
        """Have a server that has loaded the libraries; whether there is one."""
        return await self._ready() is not None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        server = self._server
        return None if server is None or server.is_gone else server.process.pid

    async def fork(self, arguments: list[str], environment: dict[str, str], longest_line: int) -> Fork | None:
        """A worker with these arguments of its own, and its whole environment; None where there can be none."""
        for _ in range(TRIES):
            if (server := await self._ready()) is None:
                return None
            try:
                fork = await _asked(server, longest_line)
            except TimeoutError:
                server.words = f"it did not fork within {FORKED_S:g} s"
                self._not_before_s = time.monotonic() + AGAIN_S
                server.lose()
            except OSError as error:
                if not server.is_gone:
                    self._failed(str(error))
                    return None
            else:
                self._told = ""
                first = {"arguments": [*arguments, "--parent", str(server.process.pid)], "environment": environment}
                fork.stdin.write((json.dumps(first) + "\n").encode())
                return fork
        self._not_before_s = time.monotonic() + AGAIN_S
        return None

    async def close(self) -> None:
        """End the server, and what it forked."""
        server, self._server = self._server, None
        if server is not None:
            server.lose()
            if self._attending is not None:
                with contextlib.suppress(TimeoutError):
                    await within(asyncio.shield(self._attending), END_S)

    async def _ready(self) -> _Server | None:
        async with self._turn:
            if self._server is not None and not self._server.is_gone:
                return self._server
            if not hasattr(os, "pidfd_open") or time.monotonic() < self._not_before_s:
                return None
            try:
                self._server = await self._started()
            except (OSError, TimeoutError) as error:
                self._failed(str(error) or f"its libraries took more than {LOADED_S:g} s")
                return None
            self._told, self._not_before_s = "", 0.0
            return self._server

    async def _started(self) -> _Server:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        command = [
            sys.executable, "-m", "daemon.runtime.worker.fork_server", "--parent", str(os.getpid()),
            "--socket", str(theirs.fileno()), "--group", str(self.group or ""), "--room", "." * ROOM,
        ]  # fmt: skip
        try:
            process = await asyncio.create_subprocess_exec(
                *command, pass_fds=[theirs.fileno()], env=dict(os.environ) | ONE_THREAD | NO_HELPERS,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            descriptor = os.pidfd_open(process.pid)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        server = _Server(process, descriptor, ours, loop.create_future())
        loop.add_reader(ours, server.hear)
        self._attending = asyncio.create_task(self._attend(server))
        try:
            await within(server.ready, LOADED_S)
        except OSError:
            await self._attending
            raise OSError(server.words) from None
        except BaseException:
            server.lose()
            raise
        return server

    async def _attend(self, server: _Server) -> None:
        """Log what it prints, and tell when it ends by itself."""
        assert server.process.stderr is not None
        async for line in server.process.stderr:
            server.words = line.decode(errors="replace").rstrip()
            log.debug("worker_output", role="fork server", line=server.words)
        code = await server.process.wait()
        how = f"it was killed by signal {-code}" if code < 0 else f"it ended with status {code}"
        server.words = f"{how}: {server.words}" if server.words else how
        was_used = server is self._server
        server.lose()
        if was_used and self._server is server:
            log.warning("fork_failed", reason=server.words)

    def _failed(self, reason: str) -> None:
        """Told once while it is the same."""
        self._not_before_s = time.monotonic() + AGAIN_S
        if reason != self._told:
            log.warning("fork_failed", reason=reason)
        self._told = reason


async def _asked(server: _Server, longest_line: int) -> Fork:
    """A fork that has begun; OSError or TimeoutError where there is none."""
    with contextlib.ExitStack() as theirs:
        fork, descriptors = await _with_streams(longest_line, theirs)
        try:
            server.asked.append(fork)
            socket.send_fds(server.socket, [b"fork"], descriptors)
        except OSError:
            fork.abandon()
            if fork in server.asked:
                server.asked.remove(fork)
            raise
    try:
        await within(fork.begun, FORKED_S)
    except BaseException:
        fork.abandon()
        raise
    return fork


async def _with_streams(longest_line: int, theirs: contextlib.ExitStack) -> tuple[Fork, list[int]]:
    """Control's ends of a worker's standard streams, and descriptors of the other ends, which `theirs` closes."""
    loop = asyncio.get_running_loop()
    ours, other = socket.socketpair()
    theirs.enter_context(other)
    errors, written = (os.fdopen(descriptor, mode, 0) for descriptor, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    theirs.enter_context(written)
    answers, printed = asyncio.StreamReader(longest_line), asyncio.StreamReader(longest_line)
    protocol = _Until(answers)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(printed), errors)
    transport, _ = await loop.create_unix_connection(lambda: protocol, sock=ours)
    fork = Fork(asyncio.StreamWriter(transport, protocol, answers, loop), answers, printed)
    return fork, [other.fileno(), other.fileno(), written.fileno()]
