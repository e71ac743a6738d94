"""What a model's counters are made of: the accepted files of the ledger, and what was posted and is in none of them.

The spool is read first and the ledger after it, so that an event that moves from one to the other is met in one of them
at least; met in both, it is still one event of the set."""

from dataclasses import dataclass, field
from typing import Any

from daemon.config.paths import ModelPaths
from daemon.ledger import Ledger, files
from daemon.server.recommendation.tail import Tail
from retrain.operations import AcceptedFile
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.catalogue_file import read_catalogue
from retrain.recommendation.interactions import Interactions, joined
from retrain.recommendation.log import read_log
from retrain.recommendation.posted import PostedEvent, events_of
from retrain.recommendation.unfiled import interactions_of_posted
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

ALL = 2**62


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
        self, model: str, settings: ModelSettings, paths: ModelPaths, ledger: Ledger, items: str | None
    ) -> None:
        self._model, self._settings, self._paths, self._ledger, self._items = model, settings, paths, ledger, items
        self._catalogue_seq: int | None = None
        self._tail = Tail(paths.spool)
        self._files: dict[int, str] = {}
        self._watch = ledger.watch()
        self._seen = -1

    def everything(self, schema: Schema) -> tuple[Interactions, Catalogue | None]:
        """All events there are, and the catalogue, at the first look. Retry where a snapshot is gone meanwhile."""
        posted = events_of(self._tail.new_lines())
        accepted = self._accepted()
        log = read_log(accepted, schema, self._settings)
        self._files = {one.seq: one.digest for one in accepted}
        return joined(log.events, interactions_of_posted(posted, self._settings)), self._new_catalogue()

    def news(self, schema: Schema) -> News:
        """What came since the last look."""
        posted = events_of(self._tail.new_lines())
        seen = self._version()
        if seen == self._seen and not self._tail.shrunk:
            return News(posted)
        accepted = self._accepted()
        there = {one.seq: one.digest for one in accepted}
        if self._tail.shrunk or self._files.items() - there.items() or self._is_catalogue_gone():
            return News(posted, gone=True)
        fresh = [one for one in accepted if one.seq not in self._files]
        filed = read_log(fresh, schema, self._settings).events if fresh else None
        catalogue = self._new_catalogue()
        self._files, self._seen = there, seen
        return News(posted, filed, catalogue)

    def close(self) -> None:
        """No more looks."""
        self._watch.close()

    def _new_catalogue(self) -> Catalogue | None:
        """The newest catalogue, if it is another one than at the last look."""
        row = self._items_row()
        if row is None or row.seq == self._catalogue_seq:
            return None
        catalogue = read_catalogue(self._paths.state / row.snapshot)
        self._catalogue_seq = row.seq
        return catalogue

    def _is_catalogue_gone(self) -> bool:
        """Whether there was a catalogue at the last look, and the ledger has none any more: it was forgotten."""
        return self._catalogue_seq is not None and self._items_row() is None

    def _items_row(self) -> Any:
        if self._items is None:
            return None
        with self._ledger.connect() as conn:
            return files.newest_items(conn, self._model, self._items)

    def _version(self) -> int:
        """Changes with each commit of the ledger."""
        return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def _accepted(self) -> list[AcceptedFile]:
        with self._ledger.connect() as conn:
            rows = [row for row in files.usable(conn, self._model, ALL) if row.kind == "rows"]
        return [
            AcceptedFile(
                seq=row.seq, snapshot=self._paths.state / row.snapshot, digest=row.sha256, rows=row.rows, kind=row.kind,
                source=row.source, accepted_at=row.accepted_at,
            )
            for row in rows
        ]  # fmt: skip
