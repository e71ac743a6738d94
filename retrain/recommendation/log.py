"""The log of events: what the snapshots of a model's files say together, whatever the order in which they are read.

This is the one reader for stages, assessments, checks and servers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.operations import AcceptedFile
from retrain.recommendation.interactions import Codes, Interactions, Names, in_order
from retrain.recommendation.weights import type_weights, where_positive
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import open_snapshot
from retrain.rows.retype import as_kind

_Encoded = tuple[Any, NDArray[np.int32]]
"""Names, an Arrow array of texts, each once; and of each row (n,) the place of its name, −1 where missing."""
FEWEST_EVENTS = 1000
"""Half-lives are multiples of a unit in which at least so many events come, on average: with fewer, popularities are
noise."""
LONGEST_PART = 6
"""A unit is at most the so-manyth part of a log."""
ODD, SAMPLED = 0.05, 1_000_000
"""The share of a log's events at either end whose times do not say how long it is (dates of 1970 stand for unknown
ones, a few events are much newer than the rest), and of how many events that is seen."""


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
        length = self._length_ms
        between = np.diff(np.sort([span.last_ms for span in self.spans]))
        usual = float(np.median(between)) if len(between) else 0.0
        return max(1.0, min(max(usual, length * FEWEST_EVENTS / len(self.events)), length / LONGEST_PART))

    @property
    def events_of_unit(self) -> float:
        """How many events come in a unit, on average."""
        return len(self.events) * self.unit_ms / self._length_ms

    @cached_property
    def _length_ms(self) -> float:
        return max(1.0, _length(self.events.time_ms[:: 1 + len(self.events) // SAMPLED]))


def _length(time_ms: Codes) -> float:
    """How long a log is, by the times (n,) of its events but for the odd ones at either end."""
    first, last = np.quantile(time_ms, [ODD, 1 - ODD])
    return float(last - first) / (1 - 2 * ODD)


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


def read_log(files: Sequence[AcceptedFile], schema: Schema, settings: ModelSettings) -> EventLog:
    """The events of accepted files of rows, in any order. Retry where a snapshot is gone or damaged. Memory: about 120
    bytes an event at most, 32 in the end, and the names."""
    read: list[tuple[int, _Columns]] = []
    notes = []
    for file in sorted((one for one in files if one.kind == "rows"), key=lambda one: one.seq):
        try:
            read.append((file.seq, _read(file.snapshot, schema, settings)))
        except Refused as error:
            notes.append(f"file {file.seq} is left out: {error}")
    spans = [
        FileSpan(seq, len(one.time_ms), int(one.time_ms.min()), int(one.time_ms.max()))
        for seq, one in read
        if len(one.time_ms)
    ]
    seq = np.repeat([seq for seq, _ in read], [len(one.time_ms) for _, one in read]).astype(np.int64)
    users, user = _unified([one.user for _, one in read])
    items, item = _unified([one.item for _, one in read])
    columns = [
        user,
        item,
        *(_end_to_end([getattr(one, name) for _, one in read]) for name in ("time_ms", "weight")),
        seq,
    ]
    del read, user, item, seq
    return EventLog(*_as_set(users, items, columns), tuple(spans), tuple(notes))


def _as_set(users: Names, items: Names, columns: list[Codes]) -> tuple[Interactions, Codes]:
    """As `interactions.canonical` of user, item, time and weight, with the first file (n,) of each event. The list is
    emptied on the way: a large log is there once."""
    order = in_order(*columns[:4])
    arranged = []
    while columns:
        arranged.append(columns.pop(0)[order])
    user, item, time_ms, weight, seq = arranged
    fresh = np.ones(len(user), bool)
    fresh[1:] = (user[1:] != user[:-1]) | (time_ms[1:] != time_ms[:-1]) | (item[1:] != item[:-1])
    events = Interactions(users, items, user, item, time_ms, weight).where(fresh)
    return events, np.minimum.reduceat(seq, np.flatnonzero(fresh)) if len(seq) else seq


def read_rows(snapshot: Path, schema: Schema, settings: ModelSettings) -> FileRows:
    """The rows of one snapshot in their order; what an older one lacks is missing in all its rows. Refused where that
    is a user, item or time, Retry where it is gone or damaged."""
    table = _table(snapshot, schema, settings)
    encoded = (_encoded(table, name) for name in (settings.user_column, schema.target, settings.event_column))
    (users, user), (items, item), (types, kind) = (_unified([one]) for one in encoded)
    moments = _moments(table, str(schema.time_column))
    return FileRows(user, users, item, items, moments, kind, types, _values(table, settings.value_column))


@dataclass(frozen=True)
class _Columns:
    """The rows (n,) of one snapshot, names as they come: users and items as codes among their names, times, and what
    each row counts."""

    user: _Encoded
    item: _Encoded
    time_ms: Codes
    weight: Codes


def _read(snapshot: Path, schema: Schema, settings: ModelSettings) -> _Columns:
    table = _table(snapshot, schema, settings)
    user, item = (_encoded(table, str(name)) for name in (settings.user_column, schema.target))
    types, kind = _unified([_encoded(table, settings.event_column)])
    weight = type_weights([*types, None], settings.event_weights)[kind]
    weight = where_positive(weight, _values(table, settings.value_column), settings.positive)
    return _Columns(user, item, _moments(table, str(schema.time_column)), weight)


def _table(snapshot: Path, schema: Schema, settings: ModelSettings) -> pa.Table:
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
            return opened.read(columns=[name for name in wanted if name in there])
    except (OSError, pa.ArrowException) as error:
        raise Retry(f"{snapshot}: {error}") from None


def _moments(table: pa.Table, name: str) -> Codes:
    moments = pc.cast(as_kind(table.column(name), "datetime"), pa.timestamp("ms"), safe=False)
    return np.asarray(pc.cast(moments, pa.int64()).to_numpy())


def _values(table: pa.Table, name: str | None) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(pc.cast(as_kind(table.column(name), "number"), pa.float64()).to_numpy())


def _encoded(table: pa.Table, name: str | None) -> _Encoded:
    """A column's names as they come, each once, and the place (n,) of each row's; −1 where missing."""
    if name not in table.column_names:
        return pa.array([], pa.string()), np.full(table.num_rows, -1, np.int32)
    column = table.column(name)
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = encoded.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return pc.cast(whole.dictionary, pa.string()), pc.cast(pc.fill_null(whole.indices, -1), pa.int32()).to_numpy()


def _unified(parts: Sequence[_Encoded]) -> tuple[Names, Codes]:
    """All names that some row has, sorted, and the places of all rows' end to end; −1 where missing. Arrow compares
    texts by their bytes in UTF-8, which is the order of Python's."""
    every = pa.chunked_array([names for names, _ in parts], pa.string()).combine_chunks().dictionary_encode()
    of_part, distinct = every.indices.to_numpy(), every.dictionary
    begins = np.r_[0, np.cumsum([len(names) for names, _ in parts])].astype(np.int64)
    there = np.zeros(len(distinct), bool)
    for begin, (names, codes) in zip(begins[:-1], parts, strict=True):
        used = np.zeros(len(names) + 1, bool)
        used[codes] = True
        there[of_part[begin + np.flatnonzero(used[:-1])]] = True
    order = pc.sort_indices(distinct).to_numpy()
    order = order[there[order]]
    rank = np.full(len(distinct) + 1, -1, np.int64)
    rank[order] = np.arange(len(order))
    found = np.empty(sum(len(codes) for _, codes in parts), np.int64)
    done = 0
    for begin, (names, codes) in zip(begins[:-1], parts, strict=True):
        found[done : done + len(codes)] = rank[np.r_[of_part[begin : begin + len(names)], len(distinct)][codes]]
        done += len(codes)
    return np.array(distinct.take(pa.array(order)).to_pylist(), dtype=object), found


def _end_to_end(arrays: Sequence[Codes]) -> Codes:
    return np.concatenate([np.zeros(0, np.int64), *arrays]).astype(np.int64)
