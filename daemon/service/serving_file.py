"""What the servers serve, as a file beside the ledger, for `driftd status` and whoever else need not ask control."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from daemon.config.paths import StatePaths
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.process import Worker
from retrain import durable

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
            serves = {key: message[key] for key in ("version", "promotion", "is_loaded")} | {"reason": ""}
            self._by_pid.setdefault(pid, {})[message["model"]] = serves
        elif event == "stand_in":
            found = self._model(message)
            self._by_pid[pid][message["model"]] = found | {"version": message["version"], "is_loaded": True}
        elif event == "swap_failed":
            found = self._model(message)
            self._by_pid[pid][message["model"]] = found | {"reason": message["error"]}

    def promotions(self) -> set[int]:
        """All that are served."""
        return {one["promotion"] for models in self._by_pid.values() for one in models.values()} - {0}

    def loaded(self) -> list[str]:
        """The models that a server has in memory."""
        return sorted({
            name for models in self._by_pid.values() for name, one in models.items() if one["is_loaded"]
        })  # fmt: skip

    def of(self, pids: Collection[int | None]) -> list[dict[str, Any]]:
        """By server of these. What others said that are gone is forgotten, not that of those that begin beside them."""
        self._by_pid = {pid: models for pid, models in self._by_pid.items() if pid in pids or _lives(pid)}
        return [{"pid": pid, "models": models} for pid, models in sorted(self._by_pid.items()) if pid in pids]

    def _model(self, message: dict[str, Any]) -> dict[str, Any]:
        nothing = {"version": None, "promotion": 0, "reason": "", "is_loaded": False}
        return self._by_pid.setdefault(message["pid"], {}).get(message["model"], nothing)


def _lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, 0)
        return True
    return False


class ServingFile:
    """Keeps it up to date."""

    def __init__(
        self, paths: StatePaths, serving: Serving, pids: Callable[[], Collection[int | None]],
        analyst: Worker | Analysts,
    ) -> None:  # fmt: skip
        self._paths, self._serving, self._pids, self._analyst = paths, serving, pids, analyst
        self._written = b""

    async def write(self) -> None:
        """Write what changed; OSError: then it is written the next time."""
        text = msgspec.json.encode(self.facts())
        if text != self._written:
            await asyncio.to_thread(durable.replace_file, self._paths.serving, text, "serving")
            self._written = text

    def facts(self) -> dict[str, Any]:
        """What the servers serve, and what the analyst has been working on for long."""
        return {"service": os.getpid(), "servers": self._serving.of(self._pids()), "analyst": self._slow_analyst()}

    def _slow_analyst(self) -> dict[str, Any] | None:
        busy, now_s = self._analyst.busy, time.time()
        if busy is None or now_s - busy.since < SLOW_S:
            return None
        heard = busy.heard - busy.heard % NAMED_AGAIN_S
        return {"work": busy.work, "since": busy.since, "heard": max(busy.since, heard)}
