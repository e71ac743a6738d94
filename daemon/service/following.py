"""Servers on a host without control follow it: what is promoted in the ledger is fetched from the object store, proven
whole, and described beside the servers, which read that alone. They start, and go on, while both are away.

Of a model there is described which deployment is promoted, which challenger is on trial, and of one that recommends
the files that its counters are made of."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config, items_name
from daemon.ledger import Ledger, Version, promotions, trials
from daemon.runtime.counted import Counted, counted, describe_counted
from daemon.runtime.lock import is_held
from daemon.runtime.log import get_logger
from daemon.runtime.promoted import describe, describe_trial, described, described_trial
from daemon.runtime.restarting import error_key
from daemon.runtime.stored_state import StoredState
from daemon.runtime.within import within
from retrain import durable
from retrain.records.deployment import Champion, Deployment
from retrain.records.errors import Retry
from retrain.records.trial import Trial
from retrain.store.backends.objects import StoreFailed
from retrain.store.versions import list_versions

log = get_logger()
LOOK_S, HINTED_LOOK_S = 0.25, 2.0
"""Between two looks at the ledger, each one short question: without hints, and while these are heard."""
HEAR_S = 30.0
RETRY_S = 2.0
UNUSED_S = 3600.0
"""So long a version stays that is not served any more."""
RESTS = 20.0
"""After it was read which files recommenders count, that rests so many times as long as it took."""


@dataclass(frozen=True)
class _Followed:
    """A model of the ledger as this host is to serve it; `counted` of one that recommends."""

    champion: Champion | None
    trial: Trial | None
    counted: Counted | None


class _Result(NamedTuple):
    """What came of following a model: whether there is news for servers, and whether nothing is to be tried again."""

    is_news: bool
    is_done: bool


class Following:
    """Of the models of `config`, which may be replaced; `changed` is told that there is another description. Models are
    compared one by one: in a database numbers become visible out of their order. Where the folder is to be a whole
    copy, as of a service that stands by, versions stay that nobody serves, and `keeps` is held during a look."""

    def __init__(
        self, config: Config, ledger: Ledger, stored: StoredState, changed: Callable[[], None],
        keeps: "threading.Lock | None" = None,
    ) -> None:  # fmt: skip
        self._ledger, self._stored, self._changed, self._keeps = ledger, stored, changed, keeps
        self.config, self._paths = config, config.paths
        self._marks: dict[str, tuple[int, int]] = {}
        self._found: dict[str, Counted] = {}
        self._counted: dict[str, Counted] = {}
        self._is_resting = self._is_hearing = False
        self._hinted = asyncio.Event()
        self._version: Version = -1
        self._retry_s = self._rests_until_s = float("-inf")
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
        pause_s = HINTED_LOOK_S if self._is_hearing and self._retry_s == float("inf") else LOOK_S
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
            version, now_s = self._ledger.data_version(), time.monotonic()
            if version == self._version and now_s < self._retry_s:
                return False
            with self._ledger.connect() as conn:
                wanted, marks = self._read(conn)
        except SQLAlchemyError as error:
            self._log_unreadable(error_key(error))
            return False
        self._log_unreadable("")
        self._version, self._retry_s = version, self._rests_until_s if self._is_resting else float("inf")
        found = [self._follow(model, one, marks[model]) for model, one in wanted.items()]
        if not self._paths.followed.exists() and (not found or any(one.is_done for one in found)):
            durable.write_file(self._paths.followed, b"", "follow.begun")
        return any(one.is_news for one in found)

    def _read(self, conn: Connection) -> tuple[dict[str, _Followed], dict[str, tuple[int, int]]]:
        """What changed of which models: two questions show it for all of them."""
        promoted, running = promotions.newest_ids(conn), trials.running_by_model(conn)
        marks = {name: (promoted.get(name, 0), running.get(name, 0)) for name in self.config.models}
        changed = {name for name, mark in marks.items() if mark != self._marks.get(name)}
        counting = [name for name, one in self.config.models.items() if one.task == "recommendation"]
        self._is_resting = bool(counting) and (begun_s := time.monotonic()) < self._rests_until_s
        if counting and not self._is_resting:
            self._found = {name: counted(conn, name, items_name(self.config, name)) for name in counting}
            self._rests_until_s = time.monotonic() + RESTS * (time.monotonic() - begun_s)
        changed |= {name for name, one in self._found.items() if one != self._counted.get(name)}
        return {
            name: _Followed(promotions.champion(conn, name), trials.running(conn, name), self._found.get(name))
            for name in changed
        }, marks

    def _follow(self, model: str, wanted: _Followed, mark: tuple[int, int]) -> _Result:
        """Fetched first, so that what is described is there. What cannot be fetched is tried again."""
        is_news = False
        try:
            for change in self._changes(model, wanted):
                is_news = change() or is_news
        except (OSError, Retry) as error:
            self.hopeless = str(error) if isinstance(error, StoreFailed) and error.hopeless else ""
            self._stored.failed(error_key(error))
            self._retry_s = time.monotonic() + RETRY_S
            return _Result(is_news, is_done=False)
        if wanted.champion is not None or wanted.trial is not None:
            self._stored.reached()
        self._marks[model] = mark
        if self._keeps is None:
            self._forget_unused(model, wanted)
        return _Result(is_news, is_done=True)

    def _changes(self, model: str, wanted: _Followed) -> Iterable[Callable[[], bool]]:
        """The files a recommender counts before what answers with them; a trial's end after its promotion, and its
        challenger where the champion has nothing to wait for."""
        if wanted.counted is not None:
            yield partial(self._count, model, wanted.counted)
        if wanted.champion is not None:
            yield partial(self._promote, model, wanted.champion)
        yield partial(self._try, model, wanted.trial)

    def _count(self, model: str, found: Counted) -> bool:
        if found != self._counted.get(model):
            self._stored.fetch_files(_files(found))
            describe_counted(self._paths, model, found)
            self._counted[model] = found
        return False  # servers look at these files themselves

    def _promote(self, model: str, champion: Champion) -> bool:
        if champion == described(self._paths, model):
            return False
        self._fetch_versions(model, champion.deployment)
        describe(self._paths, champion)
        return True

    def _try(self, model: str, trial: Trial | None) -> bool:
        before = described_trial(self._paths, model)
        if (before and before.id) == (trial and trial.id):
            return False
        if trial is not None:
            self._fetch_versions(model, trial.deployment)
        describe_trial(self._paths, model, trial)
        return True

    def _fetch_versions(self, model: str, deployment: Deployment) -> None:
        versions = self._paths.model(model).versions.relative_to(self._paths.state)
        for name in _needed(deployment):
            self._stored.fetch_version((versions / name).as_posix())

    def _forget_unused(self, model: str, wanted: _Followed) -> None:
        """Versions that were served a while ago, and at once files that are not counted, as of who is forgotten."""
        folder, champion, trial = self._paths.model(model).versions, wanted.champion, wanted.trial
        needed = _needed(None if trial is None else trial.deployment)
        needed |= set() if champion is None else _needed(champion.deployment, champion.predecessor)
        for name in list_versions(folder):
            if name not in needed and time.time() - (folder / name).stat().st_mtime > UNUSED_S:
                durable.remove(folder / name, "follow.remove")
        if wanted.counted is not None:
            named = {self._paths.state / name for name in _files(wanted.counted)}
            for path in self._paths.model(model).snapshots.glob("*.parquet"):
                if path not in named:
                    durable.remove(path, "follow.remove")

    def _log_unreadable(self, reason: str) -> None:
        if reason and reason != self._reason:
            log.error("ledger_unreadable", reason=reason)
        self._reason = reason


def _needed(*deployments: Deployment | None) -> set[str]:
    """The versions of deployments."""
    return {one.version for deployment in deployments if deployment is not None for one in deployment.members}


def _files(counted: Counted) -> set[str]:
    """What a recommender counts, below the state folder."""
    return {file.snapshot for file in counted.files} | ({counted.items[1]} if counted.items else set())
