"""A host without control says in the object store how it is, which needs no right to write the ledger; control reads it
for `driftd status`."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from daemon.config.config import Config
from daemon.config.uploads import HOSTS
from daemon.runtime.spool import spooled_bytes
from daemon.runtime.stored_state import StoredState
from daemon.service.uploading import host_id
from retrain import durable
from retrain.store.backends.objects import StoreFailed

BEAT_S = 10.0
HEARD = 2
"""After the store did not take one, so many have to be taken until it is reached again."""


class Heartbeat:
    """Of the models of `config`, which may be replaced; `servers` says what each server serves, as
    `daemon.service.serving_file: Serving.of` does."""

    def __init__(
        self, config: Config, stored: StoredState, servers: Callable[[], list[dict[str, Any]]], url: str
    ) -> None:
        self.config, self._stored, self._servers, self._url = config, stored, servers, url
        self._began, self._owed = time.time(), 0

    @property
    def is_heard(self) -> bool:
        """Whether the store takes what this host says."""
        return not self._owed

    async def run(self) -> None:
        """Say it until cancelled; while the store is away nobody hears it."""
        while True:
            await self._stored.beside(self.put, self.facts(time.time()))
            await asyncio.sleep(BEAT_S)

    def facts(self, now: float) -> dict[str, Any]:
        """Where it is, since when, and of each model what all servers serve: `promotion` is that of the one furthest
        behind; what waits to be uploaded, and how far a fetch is."""
        waiting = [spooled_bytes(folder) for folder in self.config.paths.uploads.glob("*/*/")]
        fetching, servers = self._stored.fetching, self._servers()
        return {
            "host": socket.gethostname(), "url": self._url, "driftd": version("driftd"), "began": self._began,
            "at": now, "servers": len(servers), "models": {name: furthest_behind(servers, name) for name in
            self.config.models}, "waiting": sum(waiting),
            "fetching": None if fetching is None else asdict(fetching),
        }  # fmt: skip

    def leave(self) -> None:
        """It ends as it should: nobody is to wait for it."""
        try:
            self._stored.store.delete([f"{HOSTS}{host_id(self.config.paths)}.json"])
        except StoreFailed:
            return

    def put(self, facts: dict[str, Any]) -> None:
        """Say it, if the store takes it."""
        path = self.config.paths.uploads / "heartbeat.json"
        durable.replace_file(path, json.dumps(facts).encode(), "heartbeat")
        try:
            self._stored.store.put(f"{HOSTS}{host_id(self.config.paths)}.json", path)
        except StoreFailed:  # told where the store is waited for
            self._owed = HEARD
        else:
            self._owed = max(0, self._owed - 1)


def furthest_behind(servers: list[dict[str, Any]], model: str) -> dict[str, Any] | None:
    """What that server serves of a model which serves the oldest promotion; None before all serve one."""
    found = [server["models"].get(model) for server in servers]
    if not found or any(one is None or one["version"] is None for one in found):
        return None
    oldest: dict[str, Any] = min(found, key=lambda one: one["promotion"])
    return {key: oldest[key] for key in ("version", "promotion", "reason")}
