"""How much labelled rows of live traffic count, where labels depend on the answer and some answers were drawn."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drift.statistics.scores import Floats
from retrain.labels.propensity import (
    ANSWER,
    COLUMNS,
    GREEDY,
    PROPENSITY,
    SHARE,
    WEIGHT,
    AnswerCounts,
    Answered,
    answer_counts,
    label_rates,
    label_weights,
)
from retrain.labels.words import WAITING
from retrain.operations import AcceptedFile
from retrain.records.schema import Schema
from retrain.rows.retype import conform
from retrain.rows.settled import Settling

Mask = NDArray[np.bool_]
Read = Callable[[AcceptedFile, tuple[str, ...]], pa.Table]
RATE_FILES = 60
"""The newest files of live traffic, up to the one in question, from which the rates of labels are estimated."""


class AnsweredRows:
    """The answers in the files of live traffic of a model; `read` gives some columns of a file."""

    def __init__(self, files: Sequence[AcceptedFile], settling: Settling, schema: Schema, read: Read) -> None:
        self._settling, self._schema, self._read = settling, schema, read
        rows = (file for file in files if file.kind == "rows" and file.source == "traffic" and file.trust != WAITING)
        self._files = sorted(rows, key=lambda file: file.seq)
        self._counts: dict[int, AnswerCounts | None] = {}

    def weighted(self, table: pa.Table, file: AcceptedFile, believed: Mask) -> pa.Table:
        """A file's n rows with how much each counts (0 without a label); `believed` (n,) says which labels may be
        believed. The table as it is, where all count alike."""
        rates = self.rates(file)
        if rates is None:
            return table
        weights, known = np.ones(table.num_rows), _known(table)
        weights[known] = label_weights(_answered(table, known, believed), rates)
        return table.append_column(WEIGHT, pa.array(weights))

    def rates(self, file: AcceptedFile) -> dict[str, float] | None:
        """By class answered, the share of rows that get a label; None where the labels of this file count alike."""
        if file.source != "traffic" or not drawn_in(file.snapshot):
            return None
        files = [one for one in self._files if one.seq <= file.seq][-RATE_FILES:]
        return label_rates([found for one in files if (found := self._counts_of(one)) is not None])

    def _counts_of(self, file: AcceptedFile) -> AnswerCounts | None:
        if file.seq not in self._counts:
            self._counts[file.seq] = self._counted(file) if drawn_in(file.snapshot) else None
        return self._counts[file.seq]

    def _counted(self, file: AcceptedFile) -> AnswerCounts | None:
        schema = self._schema
        needed = [name for name in (schema.id_column, schema.time_column, schema.target) if name is not None]
        table = conform(self._read(file, (*COLUMNS, *needed)), schema)
        labels = self._settling.labels(table, file).believed
        rows = _answered(table, _known(table), np.asarray(labels.is_valid()))
        return answer_counts(rows) if rows.labelled.any() else None


@lru_cache(maxsize=10_000)
def drawn_in(snapshot: Path) -> bool:
    """Whether a snapshot says which answers were drawn at random."""
    return set(COLUMNS) <= set(pq.read_schema(snapshot).names)


def row_weights(table: pa.Table) -> Floats | None:
    """How much each of n rows counts, (n,); None where all count alike."""
    if WEIGHT not in table.column_names:
        return None
    weights: Floats = table.column(WEIGHT).fill_null(1.0).to_numpy()
    return weights


def _known(table: pa.Table) -> Mask:
    """The rows of which it is known how likely their answer was."""
    return np.asarray(table.column(PROPENSITY).is_valid())


def _answered(table: pa.Table, known: Mask, believed: Mask) -> Answered:
    part = table.select(COLUMNS).filter(pa.array(known))
    greedy, answer = (part.column(name).to_numpy().astype(np.str_) for name in (GREEDY, ANSWER))
    return Answered(greedy, answer, part.column(PROPENSITY).to_numpy(), part.column(SHARE).to_numpy(), believed[known])
