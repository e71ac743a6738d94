"""What the slots are to serve: as the files beside the ledger say."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from daemon.config.paths import StatePaths
from daemon.runtime.promoted import described, described_trial
from retrain.records.deployment import Champion
from retrain.records.trial import Trial

COARSE_NS = 2 * 10**9
"""So far apart are changes of a folder that every file system tells from each other by its time."""


@dataclass(frozen=True)
class Wanted:
    """Each model's champion, None where nothing is promoted or can be understood, and its running trial."""

    champions: dict[str, Champion | None]
    trials: dict[str, Trial | None]


class WantedSource:
    """Asked in a thread: the state folder may hang."""

    def __init__(self, paths: StatePaths, models: Collection[str]) -> None:
        self._paths, self._models = paths, models
        self._folders = [path("any").parent for path in (paths.promoted, paths.on_trial)]
        self._times: list[int] | None = None

    def look(self, again: bool) -> Wanted | None:
        """What is wanted; None where nothing changed since the last look, unless it is asked `again`, and where nothing
        is described, as while the state folder is away. OSError where it cannot be read."""
        times = [_time_ns(folder) for folder in self._folders]
        if not times[0] or (times == self._times and not again):
            return None
        found = Wanted(
            {name: described(self._paths, name) for name in self._models},
            {name: described_trial(self._paths, name) for name in self._models},
        )
        self._times = times if abs(time.time_ns() - max(times)) > COARSE_NS else None
        return found


def _time_ns(folder: Path) -> int:
    """When a file of it was replaced last; 0 without it."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
