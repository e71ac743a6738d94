"""The parent's side of a worker: start it when needed, ask, and survive its death."""

import asyncio
import contextlib
import contextvars
import json
import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from daemon.runtime.log import get_logger
from daemon.runtime.within import within
from daemon.runtime.worker.forks import Fork, Forks
from daemon.runtime.worker.operations import BY_REQUEST, Role
from retrain.operations import Request, Result, from_json, to_json

log = get_logger()
T = TypeVar("T")
R = TypeVar("R", bound=Result)
LONGEST_ANSWER = 256 * 2**20
BEAT_S = 5.0
LOOK_S = 15.0
SILENT_LOOKS = 20
"""So many looks in a row without a heartbeat and a worker counts as hung: five minutes, for a library may hold
Python's lock, and with it the thread that beats, for as long as one of its calls takes."""
RENEWED_AFTER_S, RENEWED_ABOVE = 3_600.0, 500_000_000
"""An analyst that lives for so long and holds more bytes than this between two requests ends, and the next request
starts another: what allocators keep in pieces too small to be given back grows for as long as a process lives."""
END_S = 5.0
"""For so long the end of a killed process is waited for."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerError(Exception):
    """What a worker answered instead of a result; `kind` is `refused`, `retry` or `failed` (nobody thought of that),
    `late` where it took longer than it might, or `died` where the work ended it; `raised` by code that does the same
    again, no fault of the world's. `cpu_s` are the CPU seconds that it took, 0 where nobody could say so any more."""

    def __init__(self, kind: str, message: str, detail: str = "", raised: bool = False, cpu_s: float = 0.0) -> None:
        super().__init__(message)
        self.raised = raised
        self.cpu_s = cpu_s
        self.kind = kind
        self.message = message
        self.detail = detail


async def _unless_silent(step: Callable[[], Awaitable[T]], beats: bool) -> T:
    """What a step gives; TimeoutError where there should be beats and none came for so many looks. These are counted
    one by one: a service that was itself stopped for long finds at the next what its worker wrote meanwhile."""
    if not beats:
        return await step()
    for _ in range(SILENT_LOOKS):
        with contextlib.suppress(TimeoutError):
            return await within(step(), LOOK_S)
    raise TimeoutError


def resident_bytes(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where there is none any more."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """What a worker may use, and the control group that it works in."""

    nice: int = 5
    threads: int = 1
    max_memory: int = 0
    oom_score: int = 0
    group: Path | None = None


async def ask_again(call: Callable[[Request[R]], Awaitable[R]], request: Request[R], tries: int = 3) -> R:
    """What `call` gives for a request, also where it fails once."""
    for _ in range(tries - 1):
        try:
            return await call(request)
        except WorkerError as error:
            if error.kind == "refused":
                raise
            operation = BY_REQUEST[type(request)]
            log.warning("worker_asked_again", role=operation.role, op=operation.name, reason=error.message)
    return await call(request)


@dataclass
class Busy:
    """What a worker works on: since when, and when it gave its last sign of life, Unix seconds."""

    work: str
    since: float
    heard: float


@dataclass
class Worker:
    """One child process that answers one request at a time; started at the first, restarted after a death: as a fork,
    if there are `forks`. `fresh` is called before each start: what the process before left unfinished is needed by
    nobody. `busy` says what it works on."""

    role: Role
    limits: Limits
    fresh: Callable[[], None] = lambda: None
    busy: Busy | None = None
    forks: Forks | None = None
    _process: asyncio.subprocess.Process | Fork | None = None
    _last_words: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _listener: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _started_s: float = 0.0

    async def ask_again(self, request: Request[R], tries: int = 3) -> R:
        """The result of a request, also where the worker was killed or hindered once; WorkerError if it is refused or
        fails each time."""
        return await ask_again(self.call, request, tries)

    async def warm(self, request: Request[Any]) -> None:
        """Have it load libraries, as the request says."""
        await self.call(request)

    @property
    def is_taken(self) -> bool:
        """Whether a request is worked on or waits."""
        return self._turn.locked()

    async def call(self, request: Request[R], timeout_s: float | None = None, limit: str = "") -> R:
        """The result of a request; WorkerError if it failed, died, took longer than `timeout_s`, which is what the key
        `limit` says, or gave no sign of life for long: work may take its time, a process that hangs may not. (The
        trainer, whose every stage is bounded in time, gives none: a thread takes of its memory.)"""
        operation = BY_REQUEST[type(request)]
        assert operation.role == self.role, f"{operation.name} is no work of the {self.role}"
        async with self._turn:
            self.busy = Busy(operation.name, time.time(), time.time())
            try:
                beats = timeout_s is None or self.role == "analyst"
                asked = self._ask(operation.name, to_json(request), beats)
                answer = await within(asked, timeout_s)
                await self._renew()
            except TimeoutError:
                await self.close()
                reason = f"{operation.name} took longer than {timeout_s:g} s ({limit}) and was stopped"
                raise WorkerError("late", reason) from None
            except asyncio.CancelledError:
                await self.close()
                raise
            finally:
                self.busy = None
        if "error" in answer:
            error = answer["error"]
            raised = error["kind"] == "failed" or error["type"] == MemoryError.__name__
            raise WorkerError(error["kind"], error["message"], error["traceback"], raised, error["cpu_s"])
        return cast(R, from_json(answer["ok"], operation.result))

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def is_forked(self) -> bool:
        """Whether another one costs little."""
        return isinstance(self._process, Fork)

    async def rest(self) -> None:
        """End the process, once nothing is asked of it; the next question has another."""
        async with self._turn:
            await self.close()

    async def _ask(self, op: str, args: dict[str, Any], beats: bool) -> dict[str, Any]:
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            request = {"op": op, "args": args, "beat": BEAT_S if beats else None}
            process.stdin.write((json.dumps(request) + "\n").encode())
            await _unless_silent(process.stdin.drain, beats)
            while line := await _unless_silent(process.stdout.readline, beats):
                answer: dict[str, Any] = json.loads(line)
                if "alive" not in answer:
                    return answer
                if self.busy is not None:
                    self.busy.heard = time.time()
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            raise await self._hung(op) from None
        raise await self._death(process, op)

    async def _start(self) -> asyncio.subprocess.Process | Fork:
        self.fresh()
        limits = self.limits
        environment = dict(os.environ) | dict.fromkeys(THREAD_VARIABLES, str(limits.threads))
        arguments = [
            "--role", self.role, "--nice", str(limits.nice), "--max-memory", str(limits.max_memory),
            "--oom-score", str(limits.oom_score), "--group", str(limits.group or ""),
        ]  # fmt: skip
        process: asyncio.subprocess.Process | Fork | None = None
        if self.forks is not None:
            process = await self.forks.fork(arguments, environment, LONGEST_ANSWER)
        if process is None:
            process = await _spawned(arguments, environment)
        self._process, self._started_s = process, time.monotonic()
        self._last_words.clear()
        # The analyst works for all models: what it prints is not that of the one that happened to start it.
        context = contextvars.Context() if self.role == "analyst" else None
        self._listener = asyncio.create_task(self._listen(process), context=context)
        return process

    async def _renew(self) -> None:
        """End an analyst that has grown, once it is old: it is started again soon enough not to be missed."""
        process, age_s = self._process, time.monotonic() - self._started_s
        if self.role != "analyst" or process is None or age_s < RENEWED_AFTER_S:
            return
        held = resident_bytes(process.pid)
        if held > RENEWED_ABOVE:
            log.info("worker_renewed", role=self.role, resident_mb=held // 1_000_000, hours=round(age_s / 3600, 1))
            await self.close()

    async def _listen(self, process: asyncio.subprocess.Process | Fork) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            log.debug("worker_output", role=self.role, line=text)

    async def _death(self, process: asyncio.subprocess.Process | Fork, op: str) -> WorkerError:
        code = await process.wait()
        if self._listener is not None:
            await self._listener
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        hint = " (out of memory?)" if code == -9 else ""
        self._process = None
        log.warning("worker_died", role=self.role, op=op, how=how + hint)
        return WorkerError("died", f"the {self.role} {how}{hint} during {op}", "\n".join(self._last_words))

    async def _hung(self, op: str) -> WorkerError:
        silent_s = round(LOOK_S * SILENT_LOOKS)
        log.error("worker_hung", role=self.role, op=op, pid=self.pid, silent_s=silent_s)
        await self.close()
        return WorkerError("died", f"the {self.role} gave no sign of life for {silent_s} s during {op} and was ended")

    async def close(self) -> None:
        """End the process; what it was doing is lost, which harms nothing. One that cannot be ended, since it reads
        from a mount that hangs, is left to end when that answers: nobody waits for it."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            with contextlib.suppress(TimeoutError):
                await within(process.wait(), END_S)


async def _spawned(arguments: list[str], environment: dict[str, str]) -> asyncio.subprocess.Process:
    """A worker that imports its libraries itself."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daemon.runtime.worker.child", *arguments, "--parent", str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_ANSWER,
        env=environment,
    )  # fmt: skip
