"""What the assessments of a recommendation remember between calls: logs that were read, counters of what came before a
file, lessons of files. Losing it changes nothing but the time that it takes, and the versions that lessons are of."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from scipy import sparse

from retrain.operations import AcceptedFile
from retrain.recommendation.blend import FILES
from retrain.recommendation.counters import Counters, count, longest_for, merge
from retrain.recommendation.interactions import Names
from retrain.recommendation.learning import Lesson
from retrain.recommendation.log import EventLog, read_log
from retrain.recommendation.version import LoadedRecommender
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

T = TypeVar("T")
HalfLives = tuple[float | None, ...]
MODELS, TWINS, VERSIONS = 4, 8, 24
LESSONS = MODELS * FILES
"""How much of each is kept; of logs and counters one for a model, of lessons those that a blend is learned from: one
takes 1.7 MB."""
EARLIEST = 0.02
"""The share of a file's events that may be older than what counts as its start."""


class Newest(Generic[T]):
    """Values by key, the least recently used forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._kept = limit, OrderedDict[Hashable, T]()

    def get(self, key: Hashable) -> T | None:
        """What is kept for a key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, value: T) -> T:
        """Keep it, and give it back."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


@dataclass
class Remembered:
    """Of all models, by the folder of their versions."""

    logs: Newest[tuple[Hashable, EventLog]] = field(default_factory=lambda: Newest(MODELS))
    counters: Newest[tuple[frozenset[str], Counters]] = field(default_factory=lambda: Newest(MODELS))
    lessons: Newest[Lesson] = field(default_factory=lambda: Newest(LESSONS))
    twins: Newest[tuple[Names, sparse.csr_array]] = field(default_factory=lambda: Newest(TWINS))
    versions: Newest[LoadedRecommender] = field(default_factory=lambda: Newest(VERSIONS))


@dataclass(frozen=True, eq=False)
class Past:
    """The log of a model's accepted files, and what was counted before each of them; `files` by their seq."""

    folder: Path
    log: EventLog
    files: Mapping[int, AcceptedFile]
    half_lives_ms: HalfLives
    remembered: Remembered

    def before(self, seq: int) -> Counters:
        """The counters of all files that came before one, by the names of the whole log."""
        earlier = {file.snapshot.name: one for one, file in self.files.items() if one < seq}
        key = (self.folder, self.half_lives_ms)
        names, counted = self.remembered.counters.get(key) or (frozenset(), None)
        if counted is None or not names <= set(earlier):
            counted, names = self._counted([]), frozenset()
        missing = [one for name, one in earlier.items() if name not in names]
        counted = merge(counted, self._counted(missing))
        self.remembered.counters.put(key, (frozenset(earlier), counted))
        return counted

    def of_snapshots(self, digests: Sequence[str]) -> Counters:
        """The counters of some files alone."""
        wanted = set(digests)
        return self._counted([one for one, file in self.files.items() if file.digest in wanted])

    def _counted(self, seqs: Sequence[int]) -> Counters:
        events = self.log.events
        return count(events.where(self.log.brought_by(seqs)), self.half_lives_ms, longest_for(events))


def past_of(
    folder: Path,
    files: Sequence[AcceptedFile],
    schema: Schema,
    settings: ModelSettings,
    half_lives_ms: HalfLives,
    remembered: Remembered,
) -> Past:
    """Of a model's accepted files; read anew where they, or the snapshots of their rows, are not those of before."""
    weights = settings.event_weights and repr(settings.event_weights)
    key = tuple((file.seq, file.snapshot.name) for file in files), weights
    kept = remembered.logs.get(folder)
    if kept is None or kept[0] != key:
        kept = remembered.logs.put(folder, (key, read_log(files, schema, settings)))
    by_seq = {file.seq: file for file in files if file.kind == "rows"}
    return Past(folder, kept[1], by_seq, half_lives_ms, remembered)


def start_ms(past: Past, seq: int) -> int:
    """When a file began: by its earliest events but for the odd one that is much older. Of one that brought no event
    which was not known, when the log ends."""
    times = past.log.events.time_ms[past.log.seq == seq]
    if not len(times):
        return past.log.events.newest_ms
    return int(np.quantile(times, EARLIEST, method="lower"))
