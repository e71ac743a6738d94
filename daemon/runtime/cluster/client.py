"""Control's side of a cluster: a request goes there as a parcel, and what comes back counts once it is here, proved."""

import asyncio
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast
from uuid import uuid4

import msgspec

from daemon.runtime.cluster.files import Digests, Exchange, SentFile, fetch, files_below
from daemon.runtime.cluster.parcel import MARK, Answer, Parcel, at_root, pack
from daemon.runtime.cluster.requests import CollectRequest, Scheduler, SubmitRequest
from daemon.runtime.worker.operations import BY_REQUEST
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from retrain import durable
from retrain.operations import Json, Request, Result, from_json
from retrain.records.errors import DriftdError, Refused

R = TypeVar("R", bound=Result)
SHA256 = re.compile("[0-9a-f]{64}")
LONGEST_MESSAGE = 4000
"""Characters of what a worker says went wrong: the ledger keeps it."""
CLEAR_S = 60.0
"""So much longer than the work may take its answer is waited for: files come and go."""


class Courier(Protocol):
    """Who speaks with the scheduler."""

    async def call(self, request: Request[R], timeout_s: float | None = None, limit: str = "") -> R:
        """As of a `Worker` whose role it is."""

    async def close(self) -> None:
        """Let go of the cluster."""


@dataclass
class Work:
    """What a remote attempt may use."""

    threads: int
    memory: int


@dataclass
class ClusterWorker:
    """Does on a cluster what `Worker` does here, one request at a time: `call`, `close`. Paths of the requests are
    below the `roots`, or of the user's code beside the configuration in `config_dir`; what is on its way lies in
    `folder` of the `exchange`. `placed` hears which worker has it."""

    scheduler: Scheduler
    work: Work
    roots: dict[str, Path]
    config_dir: Path
    exchange: Exchange
    folder: str
    wait_s: float
    placed: Callable[[str], None] = lambda _: None
    courier: Courier = field(default_factory=lambda: Worker("courier", Limits(nice=0)))
    digests: Digests = field(default_factory=Digests)

    async def call(self, request: Request[R], timeout_s: float | None = None, limit: str = "") -> R:
        """The result of a request; WorkerError as of a `Worker`, and where the worker, the scheduler or what came back
        is lost."""
        operation = BY_REQUEST[type(request)]
        assert timeout_s is not None, "what runs elsewhere has an end"
        parcel = await self._beside(self._pack, operation.name, request, timeout_s, limit)
        key = f"driftd-{self.folder}-{operation.name}-{uuid4().hex}"
        text = msgspec.json.encode(parcel).decode()
        submitted = SubmitRequest(scheduler=self.scheduler, key=key, text=text, wait_s=self.wait_s)
        worker = (await self.courier.call(submitted, self.wait_s + CLEAR_S, "executor_wait")).worker
        self.placed(worker)
        try:
            collected = await self.courier.call(CollectRequest(key=key), timeout_s + CLEAR_S, limit)
        except WorkerError as error:
            message = f"{operation.name} on {worker}: {error.message}"
            raise WorkerError(error.kind, message, error.detail, error.raised) from None
        try:
            answer = msgspec.json.decode(collected.text, type=Answer)
            result = None if answer.error is not None else self._result(parcel, answer.ok, operation.result)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            message = f"{operation.name} on {worker}: the answer cannot be read: {error}"
            raise WorkerError("retry", message[:LONGEST_MESSAGE]) from None
        if (failure := answer.error) is not None:
            message, detail = failure.message[:LONGEST_MESSAGE], failure.detail[:LONGEST_MESSAGE]
            raise WorkerError(failure.kind, message, detail, failure.raised, failure.cpu_s)
        if parcel.work:
            await self._beside(self._take, parcel, answer.files)
        return cast(R, result)

    async def close(self) -> None:
        """Let go of the cluster; what it was doing is not waited for."""
        await self.courier.close()

    def _pack(self, op: str, request: Request[Any], seconds: float, limit: str) -> Parcel:
        return pack(
            op, request, self.roots, self.exchange, self.folder, self.digests, self.config_dir, seconds=seconds,
            limit=limit, threads=self.work.threads, memory=self.work.memory,
        )  # fmt: skip

    def _result(self, parcel: Parcel, ok: Json | None, kind: type[Result]) -> Result:
        """The result that an answer has; ValueError or MsgspecError where it has none of that kind, or names a file
        beyond the work folder."""
        if ok is None:
            raise ValueError("it has neither a result nor an error")

        def place(text: str) -> Path:
            path = at_root(text, self.roots)
            if not _is_below(path, at_root(parcel.work, self.roots)):
                raise ValueError(f"{text} does not belong into {parcel.work}")
            return path

        return from_json(ok, kind, place)

    async def _beside(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """In a thread; what goes wrong there is a WorkerError."""
        try:
            return await asyncio.to_thread(act, *arguments)
        except (DriftdError, OSError, ValueError) as error:  # a name with a zero byte is a ValueError
            raise WorkerError("refused" if isinstance(error, Refused) else "retry", str(error)) from error

    def _take(self, parcel: Parcel, files: Collection[SentFile]) -> None:
        """Have in the work folder exactly what the attempt's had. Where a file lies in the exchange its digest says,
        not the worker, which could name any file of this host."""
        work = at_root(parcel.work, self.roots)
        arriving = work / ".arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        places = {at_root(MARK + file.name, self.roots): file for file in files}
        if not all(_is_below(path, work) for path in places):
            raise WorkerError("retry", f"what came from {self.exchange.uri} does not belong into {work}")
        if not all(SHA256.fullmatch(file.sha256) for file in files):
            raise WorkerError("retry", f"what came from {self.exchange.uri} is not named by its SHA-256")
        fresh = [(path, file) for path, file in places.items() if not self._is_here(path, file)]
        for path, file in fresh:
            fetch(self.exchange, f"{self.folder}/{file.sha256}", file, arriving / path.relative_to(work))
        for path, _ in fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.rename(arriving / path.relative_to(work), path, "cluster.take")
        for path in files_below(work):
            if path not in places:
                path.unlink()
        shutil.rmtree(arriving, ignore_errors=True)

    def _is_here(self, path: Path, file: SentFile) -> bool:
        try:
            return path.stat().st_size == file.size and self.digests.of(path) == file.sha256
        except OSError:
            return False


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and ".." not in path.parts
