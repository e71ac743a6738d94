"""Who does the stages of a cycle: the trainer of this host, or a worker of the cluster that `[service] executor`
names."""

import asyncio
import time
from typing import TypeVar

from daemon.ledger import cycles
from daemon.runtime.cluster.client import ClusterWorker, Work
from daemon.runtime.cluster.files import Exchange, FolderExchange, StoreExchange
from daemon.runtime.cluster.requests import LOCAL, REPLAY, scheduler_of
from daemon.runtime.context import ModelContext, Shared
from daemon.runtime.log import get_logger
from daemon.runtime.worker.process import Limits, Worker
from retrain import durable
from retrain.operations import EvaluateRequest, PrepareRequest, Request, Result, TrainRequest
from retrain.records.cycle import Cycle, Stage
from retrain.store.backends.objects import StoreFailed

log = get_logger()
R = TypeVar("R", bound=Result)
TRAINER_NICE = 19
TRAINER_OOM_SCORE = 500
REPLAY_S = 7 * 86400.0
REMOTE = Stage.PREPARE, Stage.TRAIN, Stage.EVALUATE
"""What publishes or adopts is done here, where it has to be."""


class Trainers:
    """For one cycle: `call` and `close` as of a `Worker`."""

    def __init__(self, context: ModelContext, cycle: Cycle) -> None:
        limits, shared = context.settings.limits, context.shared
        self._context, self._cycle = context, cycle
        self.local = Worker(
            "trainer",
            Limits(TRAINER_NICE, limits.train_threads, limits.train_memory, TRAINER_OOM_SCORE, shared.training),
            forks=shared.forks,
        )
        self.cluster = None if (scheduler := scheduler_of(shared.config)) is None else ClusterWorker(
            scheduler, Work(limits.train_threads, limits.train_memory), {"state": shared.config.state_dir},
            shared.config.path.parent, exchange_of(shared), str(cycle.id), shared.config.service.executor_wait,
            self._placed,
        )  # fmt: skip

    def is_here(self, cycle: Cycle) -> bool:
        """Whether the cycle's stage takes this host's time."""
        return self.cluster is None or cycle.stage not in REMOTE or cycle.trigger.kind in ("adopt", "reference")

    async def call(self, request: Request[R], timeout_s: float | None = None, limit: str = "") -> R:
        """The result of a stage, wherever it is done; WorkerError."""
        is_remote = isinstance(request, PrepareRequest | TrainRequest | EvaluateRequest)
        if self.cluster is None or not is_remote or self._cycle.trigger.kind == "adopt":
            return await self.local.call(request, timeout_s, limit)
        return await self.cluster.call(request, timeout_s, limit)

    async def close(self) -> None:
        """End what is done for it; nothing is left on its way."""
        await self.local.close()
        if self.cluster is not None:
            await self.cluster.close()

    def _placed(self, worker: str) -> None:
        log = self._context.log.bind(cycle_id=self._cycle.id)
        log.info("stage_placed", worker=worker)


def exchange_of(shared: Shared) -> Exchange:
    """Where files are for the cluster's workers: the object store, where there is one."""
    if shared.store is not None:
        return StoreExchange(shared.store.store)
    folder = shared.config.paths.exchange
    durable.make_folder(folder, "cluster.exchange")
    return FolderExchange(folder)


def is_old(folder: str) -> bool:
    """Whether it is of no replay that may be going on.

    >>> is_old("7"), is_old("replay-1700000000-ab"), is_old(f"replay-{time.time():.0f}-ab")
    (True, True, False)
    """
    begun = folder.removeprefix(REPLAY).partition("-")[0]
    return not (folder.startswith(REPLAY) and begun.isdigit() and time.time() - int(begun) < REPLAY_S)


async def clear_exchange(shared: Shared) -> None:
    """Delete what is on its way for nobody: of cycles that are over, and what attempts that were given up put since.
    Where stages run here, once: what was on its way when they did elsewhere."""
    is_local = shared.config.service.executor == LOCAL
    if is_local and (shared.is_exchange_clear or not (shared.store or shared.config.paths.exchange.is_dir())):
        return

    def clear() -> None:
        exchange = exchange_of(shared)
        found = list(exchange.names())
        with shared.ledger.connect() as conn:
            going = set() if is_local else {str(cycle.id) for cycle in cycles.unfinished(conn)}
        exchange.delete([name for name in found if (folder := name.partition("/")[0]) not in going and is_old(folder)])

    try:
        await asyncio.to_thread(clear)
        shared.is_exchange_clear = is_local
    except (StoreFailed, OSError) as error:
        if is_local:  # the next time, if there is anything
            return
        log.warning("exchange_uncleared", reason=str(error))
