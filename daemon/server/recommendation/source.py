"""What a model's counters are made of: the accepted files of the ledger, and what was posted and is in none of them.

The spool is read first and the ledger after it, so that an event that moves from one to the other is met in one of them
at least; met in both, it is still one event of the set. While the ledger is away the files are those that its
description names, and of what comes only what is posted is seen. On a host without control the description alone is
read, which follows the ledger there."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from daemon.config.paths import ModelPaths, StatePaths
from daemon.config.uploads import POSTED
from daemon.ledger import Ledger, Version, Watch
from daemon.reading.forgotten import marked
from daemon.reading.marks import Marks
from daemon.runtime.counted import Counted, accepted_files, counted, described_counted
from daemon.runtime.forgotten import marks_in
from daemon.server.recommendation.tail import Tail
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.catalogue_file import read_catalogue
from retrain.recommendation.interactions import Interactions, joined
from retrain.recommendation.log import read_log
from retrain.recommendation.posted import PostedEvent, events_of
from retrain.recommendation.unfiled import interactions_of_posted
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

AWAY = SQLAlchemyError


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
    """Of one model, with the path of its catalogue in the ledger; not to be asked by two threads at once."""

    def __init__(
        self, model: str, settings: ModelSettings, paths: ModelPaths, ledger: Ledger, items: str | None,
        by_description: bool = False,
    ) -> None:  # fmt: skip
        self._model, self._settings, self._paths, self._ledger, self._items = model, settings, paths, ledger, items
        self._catalogue_seq: int | None = None
        self._by_description = by_description
        self._tail = Tail(paths.uploads(POSTED) if by_description else paths.spool)
        self._files: dict[int, tuple[str, str]] = {}
        self._forgotten: Marks | None = None
        self._watch: Watch | None = None
        self._seen: Version = -1

    def everything(self, schema: Schema) -> tuple[Interactions, Catalogue | None]:
        """All events there are, and the catalogue, at the first look. Retry where a snapshot is gone meanwhile; an
        error of SQLite's where the ledger is away and was never described."""
        lines = self._tail.new_lines()
        found = self._counted_or_described()
        posted = self._of_others(lines)
        log = read_log(accepted_files(self._paths.state, found.files), schema, self._settings)
        self._files = _contents(found)
        return joined(log.events, interactions_of_posted(posted, self._settings)), self._new_catalogue(found)

    def news(self, schema: Schema) -> News:
        """What came since the last look; what was posted alone while the ledger is away."""
        lines = self._tail.new_lines()
        try:
            seen = self._version()
            if seen == self._seen and not self._tail.shrunk:
                return News(self._of_others(lines))
            found = self._counted()
        except AWAY:
            return News(self._of_others(lines), gone=self._tail.shrunk)
        posted, there = self._of_others(lines), _contents(found)
        is_bare = self._catalogue_seq is not None and found.items is None
        if self._tail.shrunk or self._files.items() - there.items() or is_bare:
            return News(posted, gone=True)
        fresh = accepted_files(self._paths.state, [file for file in found.files if file.seq not in self._files])
        filed = read_log(fresh, schema, self._settings).events if fresh else None
        catalogue = self._new_catalogue(found)
        self._files, self._seen = there, seen
        return News(posted, filed, catalogue)

    def close(self) -> None:
        """No more looks."""
        if self._watch is not None:
            self._watch.close()

    def _counted(self) -> Counted:
        if self._by_description:
            return described_counted(StatePaths(self._paths.state), self._model) or Counted(())
        with self._ledger.connect() as conn:
            with contextlib.suppress(OSError):  # without its key nobody is known again; doctor says so
                self._forgotten = marks_in(conn, StatePaths(self._paths.state), self._model)
            return counted(conn, self._model, self._items)

    def _of_others(self, lines: Iterable[bytes]) -> list[PostedEvent]:
        """The events of lines, but for those of people who are forgotten: these are in no file either."""
        events, marks = events_of(lines), self._forgotten
        for name in () if marks is None else marks.columns:
            assert marks is not None
            theirs = marked(pa.array([event.user for event in events], pa.string()), marks, name)
            events = [event for event, is_theirs in zip(events, theirs, strict=True) if not is_theirs]
        return events

    def _counted_or_described(self) -> Counted:
        try:
            return self._counted()
        except AWAY:
            described = described_counted(StatePaths(self._paths.state), self._model)
            if described is None:
                raise
            return described

    def _new_catalogue(self, found: Counted) -> Catalogue | None:
        """The newest catalogue, if it is another one than at the last look."""
        if found.items is None or found.items[0] == self._catalogue_seq:
            return None
        catalogue = read_catalogue(self._paths.state / found.items[1])
        self._catalogue_seq = found.items[0]
        return catalogue

    def _version(self) -> Version:
        """Changes with each commit of the ledger, or with the description."""
        if self._by_description:
            path = StatePaths(self._paths.state).counted(self._model)
            return path.stat().st_mtime_ns if path.exists() else 0
        if self._watch is None:
            self._watch = self._ledger.watch()
        return self._watch.version()


def _contents(found: Counted) -> dict[int, tuple[str, str]]:
    """By its place, what a file is and which rows are left of it."""
    return {file.seq: (file.digest, file.snapshot) for file in found.files}
