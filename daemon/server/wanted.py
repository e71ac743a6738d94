"""What the slots are to serve: as the ledger says, or while that is away as the file beside it that says the same."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, Version, promotions, trials
from daemon.runtime.promoted import described, described_trial
from daemon.runtime.restarting import error_key
from retrain.records.deployment import Champion
from retrain.records.trial import Trial

DESCRIPTION_S = 2.0
"""So often the description is looked at while the ledger is away."""


@dataclass(frozen=True)
class Wanted:
    """Each model's champion, and its running trial: None, and all trials stay as they are, where the ledger is away.
    What `is_described` may be older than what was known before."""

    champions: dict[str, Champion | None]
    trials: dict[str, Trial | None] | None
    is_described: bool = False


class WantedSource:
    """Asked in a thread: the ledger and the folder it is in may hang. `away` says why the ledger was not read. With
    `by_description` that alone is read, as on a host whose versions are fetched before they are described."""

    def __init__(self, paths: StatePaths, ledger: Ledger, models: Collection[str], by_description: bool) -> None:
        self._by_description = by_description
        self._paths, self._ledger, self._models = paths, ledger, models
        self.away = ""
        self._version: Version = -1
        self._marks: tuple[int, tuple[int, ...]] | None = None
        self._described_s = float("-inf")

    def look(self, again: bool) -> Wanted | None:
        """What is wanted; None where nothing changed since the last look, unless it is asked `again`. Most commits
        concern no champion, which two queries for all models show. OSError where the description cannot be read."""
        if self._by_description:
            return self._described(again)
        try:
            found = self._in_ledger(again)
        except SQLAlchemyError as error:
            self.away, self._marks = error_key(error), None
            return self._described(again)
        self.away, self._described_s = "", float("-inf")
        return found

    def _in_ledger(self, again: bool) -> Wanted | None:
        version = self._ledger.data_version()
        if version == self._version and self._marks is not None and not again:
            return None
        with self._ledger.connect() as conn:
            marks = promotions.latest_id(conn), trials.running_ids(conn)
            found = None
            if marks != self._marks or again:
                champions = {name: promotions.champion(conn, name) for name in self._models}
                found = Wanted(champions, {name: trials.running(conn, name) for name in self._models})
        self._version, self._marks = version, marks
        return found

    def _described(self, again: bool) -> Wanted | None:
        now_s = time.monotonic()
        if now_s - self._described_s < DESCRIPTION_S and not again:
            return None
        self._described_s = now_s
        champions = {name: described(self._paths, name) for name in self._models}
        if not self._by_description:
            return Wanted(champions, None, is_described=True)
        on_trial = {name: described_trial(self._paths, name) for name in self._models}
        return Wanted(champions, on_trial, is_described=True)
