"""Servers on a host without control follow it: what is promoted in the ledger is fetched from the object store, proven
whole, and described beside the servers, which read that alone. They start, and go on, while both are away."""

import asyncio
import time
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, Version, promotions
from daemon.runtime.log import get_logger
from daemon.runtime.promoted import describe, described
from daemon.runtime.restarting import error_key
from daemon.runtime.stored_state import StoredState
from retrain import durable
from retrain.records.deployment import Champion, Deployment
from retrain.store.versions import list_versions

log = get_logger()
LOOK_S = 0.25
"""Between two looks at the ledger, each one short question."""
RETRY_S = 2.0
UNUSED_S = 3600.0
"""So long a version stays that is not served any more."""


class Following:
    """`changed` is told that there is another description. Models are compared one by one: in a database numbers become
    visible out of their order. Where the folder is to be a whole copy, `keeps` has versions stay that nobody serves."""

    def __init__(
        self, config: Config, ledger: Ledger, stored: StoredState, changed: Callable[[], None], keeps: bool = False
    ) -> None:
        self._ledger, self._stored, self._changed, self._keeps = ledger, stored, changed, keeps
        self._paths = config.paths
        self._models = [
            name for name, one in config.models.items() if one.task != "recommendation" and not one.is_elsewhere
        ]
        self._version: Version = -1
        self._retry_s = float("-inf")
        self._reason = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            if await self._stored.beside(self.look):
                self._changed()
            await asyncio.sleep(LOOK_S)

    def look(self) -> bool:
        """Fetch and describe what was promoted since the last look; whether there was anything."""
        try:
            version = self._ledger.data_version()
            if version == self._version and time.monotonic() < self._retry_s:
                return False
            with self._ledger.connect() as conn:
                champions = {name: promotions.champion(conn, name) for name in self._models}
        except SQLAlchemyError as error:
            self._log_unreadable(error_key(error))
            return False
        self._log_unreadable("")
        self._version, self._retry_s = version, float("inf")
        followed = [self._follow(name, champion) for name, champion in champions.items()]
        return any(followed)

    def _follow(self, model: str, champion: Champion | None) -> bool:
        if champion is None or champion == described(self._paths, model):
            return False
        try:
            for folder in self._folders(model, _needed(champion.deployment)):
                self._stored.fetch_version(folder)
            describe(self._paths, champion)
            self._stored.reached()
        except OSError as error:
            self._stored.failed(str(error))
            self._retry_s = time.monotonic() + RETRY_S
            return False
        if not self._keeps:
            self._forget_unused(model, champion)
        return True

    def _folders(self, model: str, names: Iterable[str]) -> list[str]:
        versions = self._paths.model(model).versions.relative_to(self._paths.state)
        return [(versions / name).as_posix() for name in names]

    def _forget_unused(self, model: str, champion: Champion) -> None:
        """Versions that were served a while ago."""
        folder, needed = self._paths.model(model).versions, _needed(champion.deployment, champion.predecessor)
        for name in list_versions(folder):
            if name not in needed and time.time() - (folder / name).stat().st_mtime > UNUSED_S:
                durable.remove(folder / name, "follow.remove")

    def _log_unreadable(self, reason: str) -> None:
        if reason and reason != self._reason:
            log.error("ledger_unreadable", reason=reason)
        self._reason = reason


def _needed(*deployments: Deployment | None) -> set[str]:
    """The versions of deployments."""
    return {one.version for deployment in deployments if deployment is not None for one in deployment.members}
