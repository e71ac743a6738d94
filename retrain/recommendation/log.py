"""The log of events: what the snapshots of a model's files say together, whatever the order in which they are read.

This is the one reader for stages, assessments, checks and servers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.operations import AcceptedFile
from retrain.recommendation.interactions import Codes, Interactions, Names, coded
from retrain.recommendation.weights import type_weights, where_positive
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import open_snapshot
from retrain.rows.retype import as_kind

FEWEST_EVENTS = 1000
"""Half-lives are multiples of a unit in which at least so many events come, on average: with fewer, popularities are
noise."""
LONGEST_PART = 6
"""A unit is at most the so-manyth part of a log."""


@dataclass(frozen=True)
class FileSpan:
    """One file: its place in the order of arrival, its events, and the times of the first and the last."""

    seq: int
    rows: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class EventLog:
    """The set of all events of some files; `seq` (n,) is the first file that brought each. `spans` of the files that
    have events, in the order of arrival; `notes` say which files could not be read so, and why."""

    events: Interactions
    seq: Codes
    spans: tuple[FileSpan, ...]
    notes: tuple[str, ...] = ()

    def brought_by(self, seqs: Sequence[int]) -> NDArray[np.bool_]:
        """Which events (n,) came first with one of these files."""
        return np.isin(self.seq, np.asarray(seqs, np.int64))

    @property
    def unit_ms(self) -> float:
        """The unit of half-lives: the median time between the ends of consecutive files, but at least the time in which
        FEWEST_EVENTS come, and at most a sixth of the log. Milliseconds."""
        if not len(self.events):
            return 1.0
        length = max(1, self.events.newest_ms - int(self.events.time_ms.min()))
        between = np.diff(np.sort([span.last_ms for span in self.spans]))
        usual = float(np.median(between)) if len(between) else 0.0
        return max(1.0, min(max(usual, length * FEWEST_EVENTS / len(self.events)), length / LONGEST_PART))


@dataclass(frozen=True)
class FileRows:
    """The rows (n,) of one snapshot: codes of users and items, and of types of events (−1: missing), with their names;
    times; values, NaN where missing or where there is no such column."""

    user: Codes
    users: Names
    item: Codes
    items: Names
    time_ms: Codes
    type: Codes
    types: Names
    value: NDArray[np.float64]

    def weight(self, settings: ModelSettings) -> Codes:
        """What each row counts, in thousandths."""
        weight = type_weights([*self.types, None], settings.event_weights)[self.type]
        return where_positive(weight, self.value, settings.positive)


def read_log(files: Sequence[AcceptedFile], schema: Schema, settings: ModelSettings) -> EventLog:
    """The events of accepted files of rows, in any order. Retry where a snapshot is gone or damaged. Memory: about 100
    bytes an event and the names."""
    read: list[tuple[AcceptedFile, FileRows]] = []
    notes = []
    for file in sorted((one for one in files if one.kind == "rows"), key=lambda one: one.seq):
        try:
            read.append((file, read_rows(file.snapshot, schema, settings)))
        except Refused as error:
            notes.append(f"file {file.seq} is left out: {error}")
    users, user = _unified([(one.users, one.user) for _, one in read])
    items, item = _unified([(one.items, one.item) for _, one in read])
    time_ms = _end_to_end([one.time_ms for _, one in read])
    weight = _end_to_end([one.weight(settings) for _, one in read])
    seq = np.repeat([file.seq for file, _ in read], [len(one.user) for _, one in read]).astype(np.int64)
    spans = [
        FileSpan(file.seq, len(one.user), int(one.time_ms.min()), int(one.time_ms.max()))
        for file, one in read
        if len(one.user)
    ]
    events, first = _as_set(users, items, user, item, time_ms, weight, seq)
    return EventLog(events, first, tuple(spans), tuple(notes))


def _as_set(
    users: Names, items: Names, user: Codes, item: Codes, time_ms: Codes, weight: Codes, seq: Codes
) -> tuple[Interactions, Codes]:
    """As `interactions.canonical`, with the first file (n,) of each event."""
    order = np.lexsort((-weight, item, time_ms, user))
    user, item, time_ms, weight, seq = (one[order] for one in (user, item, time_ms, weight, seq))
    fresh = np.ones(len(user), bool)
    fresh[1:] = (np.diff(user) != 0) | (np.diff(time_ms) != 0) | (np.diff(item) != 0)
    events = Interactions(users, items, user[fresh], item[fresh], time_ms[fresh], weight[fresh])
    return events, np.minimum.reduceat(seq, np.flatnonzero(fresh)) if len(seq) else seq


def read_rows(snapshot: Path, schema: Schema, settings: ModelSettings) -> FileRows:
    """The rows of one snapshot in their order; what an older one lacks is missing in all its rows. Refused where that
    is a user, item or time, Retry where it is gone or damaged."""
    who, what, when = str(settings.user_column), schema.target, str(schema.time_column)
    texts = [name for name in (who, what, settings.event_column) if name is not None]
    try:
        with open_snapshot(snapshot) as opened:
            there = set(opened.schema_arrow.names)
        lacking = [name for name in (who, what, when) if name not in there]
        if lacking:
            raise Refused(f"it has no column {lacking[0]!r}", "it was read before the configuration named it")
        wanted = [*texts, when, *([settings.value_column] if settings.value_column else [])]
        with open_snapshot(snapshot, [name for name in texts if name in there]) as opened:
            table = opened.read(columns=[name for name in wanted if name in there])
    except (OSError, pa.ArrowException) as error:
        raise Retry(f"{snapshot}: {error}") from None
    (user, users), (item, items), (kind, types) = (_coded(table, name) for name in (who, what, settings.event_column))
    moments = pc.cast(as_kind(table.column(when), "datetime"), pa.timestamp("ms"), safe=False)
    time_ms = np.asarray(pc.cast(moments, pa.int64()).to_numpy())
    return FileRows(user, users, item, items, time_ms, kind, types, _values(table, settings.value_column))


def _values(table: pa.Table, name: str | None) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(pc.cast(as_kind(table.column(name), "number"), pa.float64()).to_numpy())


def _coded(table: pa.Table, name: str | None) -> tuple[Codes, Names]:
    """The places (n,) of a column's texts among their names, sorted; −1 where missing."""
    if name not in table.column_names:
        return np.full(table.num_rows, -1), np.zeros(0, object)
    column = table.column(name)
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = encoded.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    names, places = coded(whole.dictionary.to_pylist())
    return np.r_[places, -1][pc.fill_null(whole.indices, len(places)).to_numpy()], names


def _unified(parts: Sequence[tuple[Names, Codes]]) -> tuple[Names, Codes]:
    """All names, sorted, and the places of all texts end to end."""
    if not parts:
        return np.zeros(0, object), np.zeros(0, np.int64)
    names = np.unique(np.concatenate([one for one, _ in parts]))
    return names, _end_to_end([np.searchsorted(names, one)[codes] for one, codes in parts])


def _end_to_end(arrays: Sequence[Codes]) -> Codes:
    return np.concatenate([np.zeros(0, np.int64), *arrays]).astype(np.int64)
