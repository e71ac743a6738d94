"""Keeps MLflow as the ledger is: compares whenever something changed, at the start, and from time to time, so that
nothing that was missed stays so. What waits is in the outbox of the ledger, by what is wanted."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.config.registries import MLFLOW, MlflowSettings
from daemon.ledger import Ledger, outbox
from daemon.registry.wanted import mirror_standing, wanted_key, wanted_model
from daemon.runtime.log import get_logger
from daemon.runtime.registries import MirrorRequest, mlflow_options
from daemon.runtime.within import within
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from daemon.service.notifying import pause_s
from retrain.durable import crash_point
from retrain.records.errors import DriftdError

log = get_logger()
LOOK_S = 60.0
"""How often it is looked whether anything changed, should nobody have said so."""
NICE = 10
START_S = 30.0
"""For the process to begin, besides its work."""
HINTS = frozenset({
    "version_promoted", "version_rolled_back", "deployment_adjusted", "cycle_finished", "trial_started",
    "trial_finished", "version_removed", "config_reloaded", "challenger_better",
})  # fmt: skip
"""Events after which something may be otherwise."""


class Mirroring:
    """The mirror of one service. `resting` says whether the state folder is lost; then nothing is done."""

    def __init__(
        self,
        config: Callable[[], Config],
        ledger: Ledger,
        group: Path | None,
        resting: Callable[[], bool],
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        forks: Forks | None = None,
    ) -> None:
        self._config, self._ledger, self._group, self._resting = config, ledger, group, resting
        self._environment, self._now, self._monotonic = environment, now, monotonic
        self._forks = forks
        self._wake = asyncio.Event()
        self._settings: tuple[MlflowSettings | None, tuple[str, ...]] | None = None
        self._is_failing = False
        self._compared_s: dict[str, float] = {}
        self._pauses: dict[str | None, tuple[int, float]] = {}
        self._told: dict[str, str] = {}

    def hear(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Events were logged."""
        if any(row["event"] in HINTS for row in rows):
            self._wake.set()

    async def run(self) -> None:
        """Mirror, until cancelled; what is under way then is done again at the next start."""
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError):  # tried again soon
                if not self._resting() and self._ledger.is_free():
                    await self._look()
            with contextlib.suppress(TimeoutError):
                await within(self._wake.wait(), self._wait_s())
            self._wake.clear()

    def _wait_s(self) -> float:
        """Until something may be due."""
        now_s = self._monotonic()
        return min([LOOK_S, *(until_s - now_s for _, until_s in self._pauses.values() if until_s > now_s)])

    async def _look(self) -> None:
        """Note what is wanted, and do what is due, by one process for all models."""
        config = self._config()
        if self._settings != (settings := (config.mlflow, tuple(config.models))):
            self._renew(config)
            self._settings = settings
        if config.mlflow is None:
            return
        due = self._due(config, config.mlflow)
        if not due or self._is_paused(None):
            return
        worker = Worker("mirror", Limits(nice=NICE, group=self._group), forks=self._forks)
        try:
            for name, key in due.items():
                if not await self._mirror(worker, config, config.mlflow, name, key):
                    return
        finally:
            await worker.close()
        if self._is_failing and not self._told:
            log.info("mlflow_recovered")
            self._is_failing = False

    def _renew(self, config: Config) -> None:
        """The configuration is another one, or the service has begun: all is compared at once, and nothing waits of
        models, or for a server, that are not there any more. That it failed before is in the ledger."""
        self._compared_s, self._pauses, self._told = {}, {}, {}
        with self._ledger.begin() as conn:
            outbox.drop(conn, MLFLOW, () if config.mlflow is None else list(config.models))
            standing = mirror_standing(conn, config)
        self._is_failing |= standing is not None and standing["failing"] is not None

    def _due(self, config: Config, mlflow: MlflowSettings) -> dict[str, str]:
        """The models that are to be compared, each with the key of what is wanted of it, which is in the outbox then:
        over any restart that says since when it waits."""
        with self._ledger.connect() as conn:
            keys = {name: key for name in config.models if (key := wanted_key(conn, config, name)) is not None}
            news = {name: key for name, key in keys.items() if key not in outbox.pending(conn, MLFLOW, keys.values())}
            done = outbox.delivered(conn, MLFLOW, keys.values())
        if news:
            with self._ledger.begin() as conn:
                for name, key in news.items():
                    outbox.want(conn, MLFLOW, name, key, self._now())
        now_s, every_s = self._monotonic(), mlflow.check_every
        return {
            name: key
            for name, key in keys.items()
            if not self._is_paused(name)
            and (key not in done or now_s - self._compared_s.get(name, now_s - every_s) >= every_s)
        }

    def _is_paused(self, name: str | None) -> bool:
        return self._monotonic() < self._pauses.get(name, (0, 0.0))[1]

    async def _mirror(self, worker: Worker, config: Config, mlflow: MlflowSettings, name: str, key: str) -> bool:
        """Have the server be as the ledger is now; no where it cannot be asked, also not about others."""
        begun_s = self._monotonic()
        with self._ledger.connect() as conn:
            wanted, now_key = wanted_model(conn, config.paths.model(name)), wanted_key(conn, config, name)
        try:
            request = MirrorRequest(
                tracking_uri=mlflow.tracking_uri, registered=mlflow.registered(name),
                experiment=mlflow.experiment_of(name), wanted=wanted,
                options=mlflow_options(config, self._environment), look_at_files=True,
            )  # fmt: skip
            done = (await worker.call(request, mlflow.timeout + START_S, "[mlflow] timeout")).done
        except (WorkerError, DriftdError) as error:
            is_its_own = isinstance(error, WorkerError) and error.kind == "refused"
            self._failed(name, key, name if is_its_own else None, str(error))
            return is_its_own
        crash_point("mirror.before_note")
        with self._ledger.begin(durable=True) as conn:
            outbox.deliver_key(conn, key, self._now())
        crash_point("mirror.after_note")
        if now_key != key:
            self._wake.set()
        self._compared_s[name] = self._monotonic()
        self._recovered(name)
        if done:
            seconds = round(self._monotonic() - begun_s, 2)
            counts = ", ".join(f"{count} {what}" for what, count in done.items())
            log.info("mlflow_mirrored", model=name, registered=request.registered, done=counts, seconds=seconds)
        return True

    def _failed(self, name: str, key: str, paused: str | None, reason: str) -> None:
        """Tried again less and less often; told once while the reason is the same."""
        failures = self._pauses.get(paused, (0, 0.0))[0] + 1
        self._pauses[paused] = failures, self._monotonic() + pause_s(failures)
        with self._ledger.begin() as conn:
            outbox.try_key_later(conn, key, self._now() + pause_s(failures), reason)
        if reason not in self._told.values():
            log.warning("mlflow_failed", about=name, reason=reason)
        self._told[name], self._is_failing = reason, True

    def _recovered(self, name: str) -> None:
        """The server was asked, and it did what was to be done for one model."""
        for paused in (None, name):
            self._pauses.pop(paused, None)
        self._told.pop(name, None)
