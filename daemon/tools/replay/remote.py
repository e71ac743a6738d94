"""Variants of a replay on the workers of a cluster, side by side: each is the daemon over the same batches, which a
worker cuts itself from the same files."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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


def begun(config: Config, requests: Mapping[str, ReplayRequest], work: Path) -> "Future[dict[str, dict[str, Any]]]":
    """The results of variants by name, once all are there; they go to the workers now. Refused where one fails."""
    scheduler = scheduler_of(config)
    assert scheduler is not None, "asked where there is one"
    pool = ThreadPoolExecutor(1, "variants")
    try:
        return pool.submit(lambda: asyncio.run(_all(scheduler, config, requests, work)))
    finally:
        pool.shutdown(wait=False)


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
