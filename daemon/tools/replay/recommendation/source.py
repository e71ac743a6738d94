"""An event log as batches: interactions read from files in any order, cut by event time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from daemon.reading.tabular import Table, open_table
from retrain.recommendation.interactions import UNIT, Codes, Interactions, canonical, coded
from retrain.recommendation.times import LARGEST_S, milliseconds
from retrain.records.errors import Refused
from retrain.records.settings import ColumnKind

TEXT: ColumnKind = "category"
MOST_NAMES = 12
"""Of columns, in a message."""
FEWEST = 20
"""Events of a batch, below which its score says nothing."""


@dataclass(frozen=True)
class EventColumns:
    """Which column is what. An event is positive where its value is at least `positive` (every event without), and
    counts as its type's weight (1 where it has none; 0: known, teaches nothing)."""

    user: str
    item: str
    time: str
    value: str = ""
    positive: float | None = None
    event: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(name for name in (self.user, self.item, self.time, self.value, self.event) if name)


@dataclass(frozen=True)
class Stream:
    """All events, the batch (n,) of each from 0 on, and of each batch the time of its first event. `notes` say what
    became of the rows."""

    events: Interactions
    batch: Codes
    starts_ms: tuple[int, ...]
    rows: int
    notes: tuple[str, ...]

    def before(self, place: int) -> Interactions:
        """The events of earlier batches."""
        return self.events.where(self.batch < place)

    def of(self, place: int) -> Interactions:
        """The events of one batch."""
        return self.events.where(self.batch == place)

    @property
    def typical_ms(self) -> float:
        """How long a batch lasts, the median."""
        ends = (*self.starts_ms[1:], self.events.newest_ms)
        return float(max(1.0, np.median(np.subtract(ends, self.starts_ms))))


@dataclass(frozen=True)
class _Rows:
    """What one file gave: texts and numbers of the rows that are whole, and how many were not."""

    user: pa.ChunkedArray
    item: pa.ChunkedArray
    time_ms: Codes
    weight: Codes
    rows: int
    notes: list[str]


def read_stream(files: Sequence[Path], columns: EventColumns, batches: int, work: Path) -> Stream:
    """The files' events together, cut by event time into batches of equal numbers of events. Refused where a file
    cannot be read, lacks a column, or the events are too few."""
    read = [_read(file, columns, work / f"{place}.parquet") for place, file in enumerate(files)]
    users, user = _coded([one.user for one in read])
    items, item = _coded([one.item for one in read])
    time_ms, weight = (np.concatenate([getattr(one, name) for one in read]) for name in ("time_ms", "weight"))
    events = canonical(users, items, user, item, time_ms, weight)
    if len(events) < FEWEST * batches:
        reason = f"{len(events):,} events cannot be cut into {batches} batches of at least {FEWEST}"
        raise Refused(reason, "give more events, or fewer --batches")
    batch, starts = _cut(events, batches)
    notes = [note for one in read for note in one.notes]
    if len(time_ms) > len(events):
        again = len(time_ms) - len(events)
        notes.append(f"{again:,} events were there before (same user, item and time) and count once")
    late = int(np.count_nonzero(np.diff(time_ms) < 0))
    if late:
        notes.append(f"{late:,} events came after a later one: event time decides, not the order of rows and files")
    return Stream(events, batch, starts, sum(one.rows for one in read), tuple(notes))


def _read(file: Path, columns: EventColumns, converted: Path) -> _Rows:
    table = _table(file, columns, converted)
    users, items = _texts(table, columns.user), _texts(table, columns.item)
    time_ms, timed, in_ms = _times(table, file, columns.time)
    weight = _weights(table, columns)
    whole = timed & ~_missing(users) & ~_missing(items)
    notes = list(table.notes)
    if not whole.all():
        notes.append(f"{int((~whole).sum()):,} rows of {file.name} lack a user, an item or a time and were left out")
    if in_ms:
        notes.append(f"{columns.time} of {file.name}: numbers too large for seconds are taken as milliseconds or less")
    mask = pa.array(whole)
    return _Rows(users.filter(mask), items.filter(mask), time_ms[whole], weight[whole], table.rows, notes)


def _table(file: Path, columns: EventColumns, converted: Path) -> Table:
    """The file, with users, items and event types as text: read again where they look like something else."""
    table = open_table(file, converted, wanted=columns.named)
    lacking = [name for name in columns.named if name not in table.names]
    if lacking:
        raise Refused(f"{file}: no column {lacking[0]!r}", f"it has {', '.join(table.names[:MOST_NAMES])}")
    texts = [name for name in (columns.user, columns.item, columns.event) if name]
    if all(table.kinds[name] == TEXT for name in texts):
        return table
    layout = replace(table.layout, kinds={**table.kinds, **dict.fromkeys(texts, TEXT)})
    return replace(open_table(file, converted, layout, columns.named), notes=table.notes)


def _texts(table: Table, name: str) -> pa.ChunkedArray:
    chunks = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in table.texts(name)]
    return pa.chunked_array([one.cast(pa.string()) for one in chunks], pa.string())


def _missing(texts: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(texts.is_null().to_numpy())


def _times(table: Table, file: Path, name: str) -> tuple[Codes, NDArray[np.bool_], bool]:
    """Milliseconds (n,), which rows have any, and whether numbers were too large to be seconds."""
    if table.kinds[name] not in ("number", "datetime"):
        expected = "expected dates, or numbers of seconds or milliseconds since 1970"
        raise Refused(f"{file}: {name!r} holds no times", expected)
    values = np.asarray(table.values(name), np.float64)
    there = np.isfinite(values)
    known = np.where(there, values, 0.0)
    if table.kinds[name] == "datetime":
        return np.rint(known * 1e3).astype(np.int64), there, False
    return milliseconds(known), there, bool((np.abs(known) >= LARGEST_S).any())


def _weights(table: Table, columns: EventColumns) -> Codes:
    """Of each row, in thousandths; 0 where it is not positive."""
    weight = np.full(table.rows, UNIT, np.int64)
    if columns.event:
        by_type = {name: round(UNIT * one) for name, one in columns.weights.items()}
        weight[:] = [by_type.get(one, UNIT) for one in _texts(table, columns.event).to_pylist()]
    if columns.value and columns.positive is not None:
        weight[~(np.asarray(table.values(columns.value), np.float64) >= columns.positive)] = 0
    return weight


def _coded(columns: Sequence[pa.ChunkedArray]) -> tuple[NDArray[np.object_], Codes]:
    """The distinct texts of all files, sorted, and each one's place."""
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).combine_chunks()
    dictionary = encoded.dictionary_encode()
    names, places = coded(dictionary.dictionary.to_pylist())
    return names, places[dictionary.indices.to_numpy()]


def _cut(events: Interactions, batches: int) -> tuple[Codes, tuple[int, ...]]:
    order = np.lexsort((events.user, events.item, events.time_ms))
    edges = np.linspace(0, len(events), batches + 1).astype(np.int64)
    batch = np.empty(len(events), np.int64)
    batch[order] = np.repeat(np.arange(batches), np.diff(edges))
    return batch, tuple(int(events.time_ms[order[edge]]) for edge in edges[:-1])
