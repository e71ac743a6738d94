"""What a model's counters are made of: the accepted files of the ledger, as they are described beside it, and what was
posted and is in none of them.

The spools are read first and the description after them, so that an event that moves from one to the other is met in
one of them at least: control describes a file before it removes the segments that it was made of. Met in both, it is
still one event of the set. While the ledger is away only what is posted is seen of what comes."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from daemon.config.paths import ModelPaths, StatePaths
from daemon.config.uploads import POSTED
from daemon.reading.forgotten import marked
from daemon.reading.marks import Marks
from daemon.runtime.counted import Counted, accepted_files, described_counted, still_there
from daemon.runtime.forget_key import read_key
from daemon.server.recommendation.tail import Tail
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.catalogue_file import read_catalogue
from retrain.recommendation.interactions import Interactions, joined
from retrain.recommendation.log import read_log
from retrain.recommendation.posted import PostedEvent, events_of
from retrain.recommendation.unfiled import interactions_of_posted
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

Mark = tuple[int, ...]
"""Of a file that is replaced whole: another one once it is."""


@dataclass(frozen=True)
class News:
    """What came since the last look: events that were posted, those of new files, another catalogue. `gone`: a file or
    line that was counted, or the catalogue, is no more, and all is to be counted anew."""

    posted: list[PostedEvent] = field(default_factory=list)
    filed: Interactions | None = None
    catalogue: Catalogue | None = None
    gone: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing new."""
        return not self.posted and self.filed is None and self.catalogue is None and not self.gone


class Source:
    """Of one model; not to be asked by two threads at once."""

    def __init__(self, model: str, settings: ModelSettings, paths: ModelPaths) -> None:
        self._model, self._settings, self._paths = model, settings, paths
        self._state = StatePaths(paths.state)
        self._catalogue_seq: int | None = None
        self._tails = [Tail(folder) for folder in (paths.spool, paths.uploads(POSTED))]
        self._files: dict[int, tuple[str, str]] = {}
        self._forgotten: Marks | None = None
        self._seen: Mark = ()

    def everything(self, schema: Schema) -> tuple[Interactions, Catalogue | None]:
        """All events there are, and the catalogue, at the first look. Retry where a snapshot is gone meanwhile; OSError
        where nothing was described yet, or it cannot be read."""
        lines = self._new_lines()
        found = self._described()
        if found is None:
            raise FileNotFoundError(f"what {self._model} counts is not described yet")
        found = still_there(self._paths.state, found)
        posted = self._of_others(lines, found)
        log = read_log(accepted_files(self._paths.state, found.files), schema, self._settings)
        self._files = _contents(found)
        return joined(log.events, interactions_of_posted(posted, self._settings)), self._new_catalogue(found)

    def news(self, schema: Schema) -> News:
        """What came since the last look. Where a file is gone and the description does not say so yet, what was posted
        alone: all follows once it does."""
        lines, seen = self._new_lines(), self._mark()
        found = self._described() if seen != self._seen else None
        if found is None or still_there(self._paths.state, found) != found:
            return News(self._of_others(lines, found), gone=self._has_shrunk)
        posted, there = self._of_others(lines, found), _contents(found)
        is_bare = self._catalogue_seq is not None and found.items is None
        if self._has_shrunk or self._files.items() - there.items() or is_bare:
            return News(posted, gone=True)
        fresh = accepted_files(self._paths.state, [file for file in found.files if file.seq not in self._files])
        filed = read_log(fresh, schema, self._settings).events if fresh else None
        catalogue = self._new_catalogue(found)
        self._files, self._seen = there, seen
        return News(posted, filed, catalogue)

    @property
    def _has_shrunk(self) -> bool:
        return any(tail.shrunk for tail in self._tails)

    def _new_lines(self) -> list[bytes]:
        """Of what control on this host takes, and of what goes to another one: which of them grows may change."""
        return [line for tail in self._tails for line in tail.new_lines()]

    def _described(self) -> Counted | None:
        return described_counted(self._state, self._model)

    def _of_others(self, lines: Iterable[bytes], found: Counted | None) -> list[PostedEvent]:
        """The events of lines, but for those of people who are forgotten: these are in no file either."""
        if found is not None:
            self._forgotten = None
            with contextlib.suppress(OSError):  # without its key nobody is known again; doctor says so
                key = read_key(self._state).hex() if found.forgotten else ""
                self._forgotten = Marks(self._model, key, found.forgotten)
        events, marks = events_of(lines), self._forgotten
        for name in () if marks is None else marks.columns:
            assert marks is not None
            theirs = marked(pa.array([event.user for event in events], pa.string()), marks, name)
            events = [event for event, is_theirs in zip(events, theirs, strict=True) if not is_theirs]
        return events

    def _new_catalogue(self, found: Counted) -> Catalogue | None:
        """The newest catalogue, if it is another one than at the last look."""
        if found.items is None or found.items[0] == self._catalogue_seq:
            return None
        catalogue = read_catalogue(self._paths.state / found.items[1])
        self._catalogue_seq = found.items[0]
        return catalogue

    def _mark(self) -> Mark:
        """Of the description; the same where there is none."""
        with contextlib.suppress(FileNotFoundError):
            found = self._state.counted(self._model).stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
        return ()


def _contents(found: Counted) -> dict[int, tuple[str, str]]:
    """By its place, what a file is and which rows are left of it."""
    return {file.seq: (file.digest, file.snapshot) for file in found.files}
