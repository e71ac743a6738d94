"""The labels of a replay as the service gets them: those that are there with a batch in its own file, later ones in
files of labels, one after each batch."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.tools.replay.label_times import LabelTimes, places, positive_class
from daemon.tools.replay.source import BatchFile, Source
from retrain.records.predictions import Floats, Predictions
from retrain.rows.targets import target_values

Mask = NDArray[np.bool_]


@dataclass
class LabelFiles:
    """The files of one replay, in a folder of its own (`work`). The `initial` batches have all their labels."""

    source: Source
    times: LabelTimes
    initial: int
    work: Path
    _pending: dict[int, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))

    def arriving(self, batch: BatchFile, served: Predictions | None) -> tuple[Path, int]:
        """The rows of a batch as they are taken in, and how many have their label then; `served` is what was answered
        for them."""
        if not self.times.late or batch.place < self.initial:
            return batch.labelled, batch.labelled_rows
        table = pq.read_table(batch.labelled, pre_buffer=False)
        known = np.asarray(table.column(self.source.schema.target).is_valid().to_numpy())
        after = np.where(known, self._places(batch, table, served), -1)
        for place in np.unique(after[after > batch.place]).tolist():
            self._pending[place].append(self._labels(table, after == place))
        return self._write(batch, table, after == batch.place, known)

    def due(self, place: int) -> tuple[Path, int] | None:
        """The file of the labels that came after a batch, and how many; None for none."""
        tables = self._pending.pop(place, [])
        if not tables:
            return None
        path, table = self.work / f"{place + 1:05d}.labels.parquet", pa.concat_tables(tables)
        numbers = pa.array(np.arange(1, table.num_rows + 1))
        pq.write_table(table.append_column("__row", numbers), path, compression="lz4")
        return path, table.num_rows

    def _labels(self, table: pa.Table, chosen: Mask) -> pa.Table:
        schema = self.source.schema
        return table.select([str(schema.id_column), schema.target]).filter(pa.array(chosen))

    def _places(self, batch: BatchFile, table: pa.Table, served: Predictions | None) -> NDArray[np.int64]:
        """The batch after which each label (n,) is known."""
        times, source, count = self.times, self.source, len(self.source.batches)
        if times.kind == "column":
            when = source.seconds(table, times.column)
            return places(np.where(np.isfinite(when), 0.0, np.inf), batch.place, when, source.clock)
        labels = target_values(table, source.schema)
        positive = self._classes[0]
        lags = times.lags(labels, positive, batch.place, _ratings(served, positive))
        if times.by_time:
            return places(lags, batch.place, source.event_times(table), source.clock)
        return places(lags, batch.place, None, range(count))

    def _write(self, batch: BatchFile, table: pa.Table, own: Mask, known: Mask) -> tuple[Path, int]:
        """With the labels that are there, and where these are provisional, another class's until they are corrected."""
        place = table.column_names.index(self.source.schema.target)
        kind, column = table.schema.field(place), table.column(place).combine_chunks()
        shown = pc.if_else(pa.array(own), column, pa.scalar(None, kind.type))
        if self.times.kind == "provisional":
            shown, own = pc.if_else(pa.array(known & ~own), self._other, shown), known
        path = self.work / f"{batch.place + 1:05d}.rows.parquet"
        pq.write_table(table.set_column(place, kind, shown), path, compression="lz4")
        return path, int(own.sum())

    @cached_property
    def _classes(self) -> tuple[str, str]:
        """The class that comes first, and the most frequent of the others; two empty names where neither counts."""
        if not self.times.by_class:
            return "", ""
        tables = [pq.read_table(batch.labelled, pre_buffer=False) for batch in self.source.batches[: self.initial]]
        counts = Counter[str]()
        for table in tables:
            counts.update(
                str(label) for label in target_values(table, self.source.schema).tolist() if label is not None
            )
        positive = positive_class(counts, self.times.positive)
        return positive, max((name for name in counts if name != positive), key=lambda name: counts[name])

    @cached_property
    def _other(self) -> Any:
        """A cell of the most frequent of the other classes."""
        for batch in self.source.batches:
            table = pq.read_table(batch.labelled, pre_buffer=False)
            found = np.flatnonzero(target_values(table, self.source.schema) == self._classes[1])
            if len(found):
                return table.column(self.source.schema.target)[int(found[0])]
        raise AssertionError("a class that was counted has a row")


def _ratings(served: Predictions | None, positive: str) -> Floats | None:
    """What a model gives rows (n,): the probability of the positive class, else whether it is answered, else the
    number."""
    if served is None:
        return None
    if served.classes is None:
        return np.asarray(served.values, dtype=np.float64)
    if served.probabilities is None or positive not in served.classes:
        return np.asarray(served.values == positive, dtype=np.float64)
    return np.asarray(served.probabilities[:, served.classes.index(positive)])
