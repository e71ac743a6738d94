"""Servers on a host without control follow it: what is promoted in the ledger is fetched from the object store, proven
whole, and described beside the servers. They start, and go on, while both are away."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger
from daemon.runtime.describing import RETRY_S, Describing, Looked, Recorded
from daemon.runtime.lock import is_held
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import error_key
from daemon.runtime.stored_state import StoredState
from daemon.runtime.within import within
from retrain import durable
from retrain.records.deployment import Deployment
from retrain.store.backends.objects import StoreFailed
from retrain.store.versions import list_versions

log = get_logger()
LOOK_S, HINTED_LOOK_S = 0.25, 2.0
"""Between two looks at the ledger, each one short question: without hints, and while these are heard."""
HEAR_S = 30.0
UNUSED_S = 3600.0
"""So long a version stays that is not served any more."""


class Following:
    """Of the models of `config`, which may be replaced; `changed` is told that there is another description. Where the
    folder is to be a whole copy, as of a service that stands by, versions stay that nobody serves, and `keeps` is held
    during a look."""

    def __init__(
        self, config: Config, ledger: Ledger, stored: StoredState, changed: Callable[[], None],
        keeps: "threading.Lock | None" = None,
    ) -> None:  # fmt: skip
        self._ledger, self._stored, self._changed, self._keeps = ledger, stored, changed, keeps
        self.config, self._paths = config, config.paths
        self._describing = Describing(lambda: self.config, ledger, _Fetching(config, stored))
        self._is_hearing = False
        self._hinted = asyncio.Event()
        self._reason = ""
        self.hopeless = ""
        """Why the store cannot be used in a way that does not mend itself."""

    async def run(self) -> None:
        """Follow until cancelled."""
        hearing = asyncio.create_task(self._hear())
        try:
            while True:
                if await self._stored.beside(self.look):
                    self._changed()
                await self._pause()
        finally:
            hearing.cancel()

    async def _pause(self) -> None:
        """Until a hint, or the next look without one; what failed, or rests, is tried again sooner."""
        pause_s = HINTED_LOOK_S if self._is_hearing and self._describing.is_settled else LOOK_S
        with contextlib.suppress(TimeoutError):
            await within(self._hinted.wait(), pause_s)
        self._hinted.clear()

    async def _hear(self) -> None:
        """One connection a host that listens, in a thread; lost, it is made anew, and meanwhile the looks are often."""
        hints = self._ledger.hints()
        while hints is not None:
            try:
                if await self._stored.beside(hints.wait, HEAR_S):
                    self._hinted.set()
                self._is_hearing = True
            except SQLAlchemyError:
                self._is_hearing = False
                await asyncio.sleep(RETRY_S)

    def look(self) -> bool:
        """Fetch and describe what is to be served since the last look; whether there was any. Nothing where `driftd
        run` works with the folder by now: it does all that."""
        if self._keeps is None:
            return not is_held(self._paths.state) and self._look()
        with self._keeps:
            return self._look()

    def _look(self) -> bool:
        try:
            looked = self._describing.look()
        except SQLAlchemyError as error:
            self._log_unreadable(error_key(error))
            return False
        self._log_unreadable("")
        self._log_store(looked)
        if self._keeps is None:
            for model, one in looked.done.items():
                self._forget_unused(model, one)
        return looked.is_news

    def _log_store(self, looked: Looked) -> None:
        """Whether what is served could be had."""
        if any(one.champion is not None or one.trial is not None for one in looked.done.values()):
            self._stored.reached()
        for error in looked.failures:
            self.hopeless = str(error) if isinstance(error, StoreFailed) and error.hopeless else ""
            self._stored.failed(error_key(error))

    def _forget_unused(self, model: str, one: Recorded) -> None:
        """Versions that were served a while ago, and at once files that are not counted, as of who is forgotten."""
        folder, champion, trial = self._paths.model(model).versions, one.champion, one.trial
        needed = _needed(None if trial is None else trial.deployment)
        needed |= set() if champion is None else _needed(champion.deployment, champion.predecessor)
        for name in list_versions(folder):
            if name not in needed and time.time() - (folder / name).stat().st_mtime > UNUSED_S:
                durable.remove(folder / name, "follow.remove")
        if one.counted is not None:
            named = {self._paths.state / name for name in one.counted.snapshots}
            for path in self._paths.model(model).snapshots.glob("*.parquet"):
                if path not in named:
                    durable.remove(path, "follow.remove")

    def _log_unreadable(self, reason: str) -> None:
        if reason and reason != self._reason:
            log.error("ledger_unreadable", reason=reason)
        self._reason = reason


class _Fetching:
    """From the store, before it is described."""

    def __init__(self, config: Config, stored: StoredState) -> None:
        self._paths, self._stored = config.paths, stored

    def versions(self, model: str, deployment: Deployment) -> None:
        """Proven whole."""
        folder = self._paths.model(model).versions.relative_to(self._paths.state)
        for name in _needed(deployment):
            self._stored.fetch_version((folder / name).as_posix())

    def files(self, names: Collection[str]) -> None:
        """Those that are not here."""
        self._stored.fetch_files(names)


def _needed(*deployments: Deployment | None) -> set[str]:
    """The versions of deployments."""
    return {one.version for deployment in deployments if deployment is not None for one in deployment.members}
