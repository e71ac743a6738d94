"""Two descriptions beside the ledger, for readers that cannot or need not ask control: what is to be served of each
model (`promoted/`), by which servers start while the ledger is away, with the files that the counters of recommenders
are made of; and what the servers serve, for `driftd status` (`serving.json`). Both follow what is the case, and are
written whole or not at all."""

import asyncio
import os
import time
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, promotions
from daemon.runtime.promoted import describe, forget_all_but
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.process import Worker
from daemon.service.described_counters import CountedDescriptions
from retrain import durable
from retrain.records.deployment import Champion

SLOW_S = 10.0
"""The analyst is named where it has worked on one thing for so long."""
NAMED_AGAIN_S = 15.0


class Serving:
    """What each server said last of each model: which promotion it serves, and why not another one."""

    def __init__(self) -> None:
        self._by_pid: dict[int, dict[str, dict[str, Any]]] = {}

    def receive(self, message: dict[str, Any]) -> None:
        """A server's report."""
        event, pid = message["event"], message["pid"]
        if event == "ready":
            self._by_pid.setdefault(pid, {})
        elif event == "swapped":
            serves = {"version": message["version"], "promotion": message["promotion"], "reason": ""}
            self._by_pid.setdefault(pid, {})[message["model"]] = serves
        elif event == "stand_in":
            found = self._model(message)
            self._by_pid[pid][message["model"]] = found | {"version": message["version"]}
        elif event == "swap_failed":
            found = self._model(message)
            self._by_pid[pid][message["model"]] = found | {"reason": message["error"]}

    def of(self, pids: Collection[int | None]) -> list[dict[str, Any]]:
        """By server of those that run; what others said is forgotten."""
        self._by_pid = {pid: models for pid, models in self._by_pid.items() if pid in pids}
        return [{"pid": pid, "models": models} for pid, models in sorted(self._by_pid.items())]

    def _model(self, message: dict[str, Any]) -> dict[str, Any]:
        nothing = {"version": None, "promotion": 0, "reason": ""}
        return self._by_pid.setdefault(message["pid"], {}).get(message["model"], nothing)


class Descriptions:
    """Keeps both up to date."""

    def __init__(
        self, paths: StatePaths, ledger: Ledger, serving: Serving, pids: Callable[[], Collection[int | None]],
        analyst: Worker | Analysts, counted: CountedDescriptions,
    ) -> None:  # fmt: skip
        self._counted = counted
        self._paths, self._ledger, self._serving, self._pids, self._analyst = paths, ledger, serving, pids, analyst
        self._described: dict[str, int] = {}
        self._seen = -1
        self._written = b""

    async def write(self) -> None:
        """Write what changed; OSError, or an error of the ledger's: then what changed is written the next time."""
        await asyncio.to_thread(self._write, self.facts())

    def facts(self) -> dict[str, Any]:
        """What the servers serve, and what the analyst has been working on for long."""
        return {"service": os.getpid(), "servers": self._serving.of(self._pids()), "analyst": self._slow_analyst()}

    def _slow_analyst(self) -> dict[str, Any] | None:
        busy, now_s = self._analyst.busy, time.time()
        if busy is None or now_s - busy.since < SLOW_S:
            return None
        heard = busy.heard - busy.heard % NAMED_AGAIN_S
        return {"work": busy.work, "since": busy.since, "heard": max(busy.since, heard)}

    def _write(self, facts: dict[str, Any]) -> None:
        self._write_serving(facts)
        self._describe_promoted()
        self._counted.write()

    def _describe_promoted(self) -> None:
        with self._ledger.connect() as conn:
            newest = promotions.latest_id(conn)
            if newest == self._seen:
                return
            champions = [promotions.champion(conn, model) for model in promotions.models_since(conn, self._seen)]
        for champion in champions:
            if champion is not None:
                self._describe(champion)
        if self._seen < 0:
            forget_all_but(self._paths, {one.deployment.model for one in champions if one is not None})
        self._seen = newest

    def _describe(self, champion: Champion) -> None:
        model = champion.deployment.model
        if self._described.get(model) != champion.promotion:
            describe(self._paths, champion)
            self._described[model] = champion.promotion

    def _write_serving(self, facts: dict[str, Any]) -> None:
        text = msgspec.json.encode(facts)
        if text != self._written:
            durable.replace_file(self._paths.serving, text, "serving")
            self._written = text
