"""What was taken in until now, as the service knows it: files of rows and of labels in the order of their arrival; held
files teach nothing."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.operations import AcceptedFile
from retrain.records.schema import Schema
from retrain.records.settings import LabelSettings
from retrain.rows.batches import batches_of
from retrain.rows.columns import column_values
from retrain.rows.event_times import time_span
from retrain.rows.history import History


@dataclass
class Past:
    """The files so far, and how many labels came with each; `held` by seq, `newest_seq` of the newest file."""

    schema: Schema
    labels: LabelSettings
    held: Set[int]
    taken: list[AcceptedFile] = field(default_factory=list)
    newest_seq: int = 0
    _labels: list[int] = field(default_factory=list)

    @property
    def now(self) -> float:
        """When the newest file came."""
        return self.taken[-1].accepted_at

    def add(self, snapshot: Path, digest: str, rows: int, labels: int, now: float, kind: str = "rows") -> AcceptedFile:
        """Take in a file with so many labels."""
        self.newest_seq += 1
        number = sum(file.kind == "rows" for file in self.taken) + 1 if kind == "rows" else 0
        first, last = _span(snapshot, self.schema.time_column) if kind == "rows" else (None, None)
        self.taken.append(
            AcceptedFile(
                seq=self.newest_seq, snapshot=snapshot, digest=digest, rows=rows, kind=kind, accepted_at=now,
                first_time=first, last_time=last, number=number, own_labels=labels if kind == "rows" else 0,
            )
        )  # fmt: skip
        self._labels.append(labels)
        return self.taken[-1]

    @property
    def rows(self) -> int:
        """Labelled rows, as `daemon.ledger.files.labelled_rows` counts them."""
        sums = Counter[str]()
        for file, labels in zip(self.taken, self._labels, strict=True):
            if file.seq not in self.held:
                sums.update({file.kind: labels, f"all {file.kind}": file.rows})
        return sums["rows"] + min(sums["labels"], sums["all rows"] - sums["rows"])

    def files(self) -> list[AcceptedFile]:
        """As the stages are given them."""
        return [file for file in self.taken if file.seq not in self.held]

    @property
    def batches(self) -> float:
        """How much data was taken in, as `daemon.ledger.models.batches_of` counts it."""
        return sum(batches_of(file.rows) for file in self.taken if file.kind == "rows")

    def class_rows(self) -> dict[str, int]:
        """Labelled rows by class, before the first model."""
        return History(self.files(), self.schema, self.labels, alone=True).class_rows()


def _span(snapshot: Path, time_column: str | None) -> tuple[float | None, float | None]:
    """The first and the last event time of a file's rows (Unix seconds); None without any."""
    if time_column is None:
        return None, None
    column = pq.read_table(snapshot, columns=[time_column], pre_buffer=False).column(0)
    times = np.asarray(column_values(column, "datetime" if pa.types.is_timestamp(column.type) else "number"))
    return time_span(times) or (None, None)
