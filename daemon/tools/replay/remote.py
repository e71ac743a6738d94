"""Variants of a replay on the workers of a cluster, side by side: each is the daemon over the same batches, which a
worker cuts itself from the same files."""

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import uuid4

from daemon.config.config import Config
from daemon.runtime.cluster import courier
from daemon.runtime.cluster.client import ClusterWorker, Work
from daemon.runtime.cluster.files import Exchange, FolderExchange, StoreExchange
from daemon.runtime.cluster.requests import REPLAY, ReplayRequest, ReplayResult, Scheduler, scheduler_of
from daemon.runtime.stores import configured_store
from daemon.runtime.worker.process import WorkerError, ask_again
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read
from daemon.tools.replay.subject import Request, Subject
from retrain.operations import from_json
from retrain.records.errors import Refused

END_S = 10.0
MOST_S = 7 * 86400.0
"""So long one variant may take."""


class Direct:
    """Asks the cluster from this process: a command has no other work that Dask's client could disturb."""

    async def call(self, request: Any, _timeout_s: float | None = None, _limit: str = "") -> Any:
        """As of a `Worker`."""
        act: Callable[[Any], Any] = courier.submit if hasattr(request, "text") else courier.collect
        try:
            return await asyncio.to_thread(act, request)
        except courier.Failed as error:
            raise WorkerError("refused" if isinstance(error, Refused) else "retry", str(error)) from error

    async def close(self) -> None:
        """The connection is shared."""


def play(request: ReplayRequest) -> ReplayResult:
    """The operation: one variant, from files to its result."""
    times = from_json(request.times, LabelTimes)
    with tempfile.TemporaryDirectory(prefix="driftd-replay-") as work:
        source_of = Subject("", "", request.source, request.config_dir, (), request.ignore, request.columns)
        asked = Request(
            request.files, source_of, request.batches, request.initial, times, (), (), False, request.approve_classes
        )
        source = read(asked, source_of, Path(work))
        engine = Engine(source, request.settings, request.config_dir, request.initial, times)
        engine.play()
        return ReplayResult(run=as_json(engine))


class Elsewhere:
    """Variants that workers play from now on."""

    def __init__(self, config: Config, requests: Mapping[str, ReplayRequest], work: Path) -> None:
        scheduler = scheduler_of(config)
        assert scheduler is not None, "asked where there is one"
        self._loop = asyncio.new_event_loop()
        self._found: Future[dict[str, dict[str, Any]]] = Future()
        self._task = self._loop.create_task(_all(scheduler, config, requests, work))
        self._thread = threading.Thread(target=self._play, name="variants", daemon=True)
        self._thread.start()

    def result(self) -> dict[str, dict[str, Any]]:
        """By the variants' names, once all are there. Refused where one fails."""
        return self._found.result()

    def end(self) -> None:
        """Let go of them, also where they are not done: nobody waits for them any more."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(END_S)

    def _play(self) -> None:
        try:
            self._found.set_result(self._loop.run_until_complete(self._task))
        except BaseException as error:
            self._found.set_exception(error)
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


async def _all(
    scheduler: Scheduler, config: Config, requests: Mapping[str, ReplayRequest], work: Path
) -> dict[str, dict[str, Any]]:
    folder = f"{REPLAY}{int(time.time())}-{uuid4().hex[:8]}"
    exchange = _exchange(config, work)
    try:
        await asyncio.to_thread(courier.workers_of, scheduler)  # the connection, or why there is none
        one_by_one = [_one(scheduler, exchange, folder, name, one) for name, one in requests.items()]
        return dict(zip(requests, await asyncio.gather(*one_by_one), strict=True))
    finally:
        exchange.delete(list(exchange.names(folder)))
        courier.close()


def _exchange(config: Config, work: Path) -> Exchange:
    """Files go through the object store of the configuration, where it has one; answers are texts."""
    store = configured_store(config)
    return FolderExchange(work) if store is None else StoreExchange(store)


async def _one(
    scheduler: Scheduler, exchange: Exchange, folder: str, name: str, request: ReplayRequest
) -> dict[str, Any]:
    parents = dict.fromkeys(path.absolute().parent for path in request.files)
    roots = {f"files{number}": parent for number, parent in enumerate(parents)}
    worker = ClusterWorker(scheduler, Work(1, 0), roots, request.config_dir, exchange, folder, MOST_S, courier=Direct())
    try:
        return (await ask_again(lambda one: worker.call(one, MOST_S, "a week"), request)).run
    except WorkerError as error:
        raise Refused(f"{name}: {error.message}") from None
