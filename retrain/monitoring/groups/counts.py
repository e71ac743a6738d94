"""What was answered to the groups of one file, and how that did on the labels that may be believed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs
from numpy.typing import NDArray

from retrain.metrics.metric import Metric, weighted
from retrain.metrics.resampling import standard_error
from retrain.model.blend import concatenate
from retrain.monitoring.answers import answers_to
from retrain.monitoring.scoring import alike
from retrain.operations import AnsweredFile
from retrain.records.groups import ALL_ROWS, Group, GroupCounts
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.rows.answered import row_weights
from retrain.rows.history import History
from retrain.rows.targets import target_values

MOST_GROUPS = 50
"""Of a column, those with most rows; as many slices the gate judges."""
LONGEST_NAME = 200
"""Characters of a value; a longer one is a text, not the name of a group."""
RESAMPLES = 60
"""Of the bootstrap of a group's metric, where that is no mean of rows: its standard error is known to a tenth."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Settled:
    """Labels (n,) of settled rows, what was answered to them, and how much each counts (None: all alike)."""

    y: Labels
    said: Predictions
    weights: Floats | None

    def take(self, mask: Mask) -> "Settled":
        """Some of the rows."""
        return Settled(self.y[mask], self.said.take(mask), None if self.weights is None else self.weights[mask])


@dataclass(frozen=True, eq=False)
class Names:
    """The groups of a column: its values, and of m rows the place of each one's value in them, (m,), −1 of others."""

    values: tuple[str, ...]
    places: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class AnsweredGroups:
    """Of m answered rows the groups by column, which were answered the positive class (`selected`), and which are
    settled, (m,) each; of the s settled ones labels and answers, whose label is the positive class, and which of these
    were answered so (`hits`), (s,) each."""

    columns: Mapping[str, Names]
    selected: Mask
    is_settled: Mask
    settled: Settled
    positives: Mask
    hits: Mask

    @property
    def groups(self) -> list[Group]:
        """All rows, and the groups of each column, those with most rows first."""
        return [ALL_ROWS, *((column, value) for column, names in self.columns.items() for value in names.values)]

    def rows(self, group: Group) -> Mask:
        """Which rows are of a group, (m,)."""
        column, value = group
        if group == ALL_ROWS:
            return np.ones(len(self.selected), dtype=bool)
        names = self.columns.get(column)
        if names is None or value not in names.values:
            return np.zeros(len(self.selected), dtype=bool)
        return np.asarray(names.places == names.values.index(value))

    def of(self, group: Group) -> Settled | None:
        """The settled rows of a group; None without any."""
        inside = self.rows(group)[self.is_settled]
        return self.settled.take(inside) if inside.any() else None

    def some(self, groups: Collection[Group]) -> dict[Group, Settled]:
        """The settled rows of those of these groups that have any."""
        return {group: rows for group in groups if (rows := self.of(group)) is not None}


def answered_groups(
    history: History, file: AnsweredFile, columns: Sequence[str], positive: str
) -> AnsweredGroups | None:
    """The groups of a file's rows; "" is no class. None where what was answered is not there any more."""
    batch = history.batch(file.seq)
    found = answers_to(file, batch.table, history.schema.id_column)
    if found is None:
        return None
    said, known = found
    table, weights = batch.table.filter(pa.array(known)), row_weights(batch.table)
    is_settled, selected = batch.known[known], _is(said.values, positive)
    y = target_values(batch.table.filter(pa.array(known & batch.known)), history.schema)
    settled = Settled(y, said.take(is_settled), None if weights is None else weights[known & batch.known])
    names = {column: _names(table, column) for column in columns if column in table.column_names}
    positives = _is(y, positive)
    return AnsweredGroups(names, selected, is_settled, settled, positives, positives & selected[is_settled])


def _is(values: Labels, positive: str) -> Mask:
    return values.astype(np.str_) == positive if positive else np.zeros(len(values), dtype=bool)


def _names(table: pa.Table, column: str) -> Names:
    """The groups with most rows of a column; missing and long values are none."""
    words = pc.cast(table.column(column), pa.string()).combine_chunks()
    found = pc.value_counts(words).to_pylist()
    entries = [one for one in found if one["values"] is not None and len(one["values"]) <= LONGEST_NAME]
    entries.sort(key=lambda entry: (-entry["counts"], entry["values"]))
    values = tuple(entry["values"] for entry in entries[:MOST_GROUPS])
    places = pc.fill_null(pc.index_in(words, pa.array(values, pa.string())), -1)
    return Names(values, places.to_numpy(zero_copy_only=False).astype(np.int8))


def counted(rows: AnsweredGroups, group: Group) -> GroupCounts:
    """The counts of one group of a file."""
    chosen, (column, value) = rows.rows(group), group
    inside, selected = chosen[rows.is_settled], int((chosen & rows.selected).sum())
    counts = GroupCounts(column=column, group=value, rows=int(chosen.sum()), selected=selected)
    if not inside.any():
        return counts
    given, count = rows.settled.weights, int(inside.sum())
    weights = np.ones(count) if given is None else given[inside]
    of_positives, of_hits = weights[rows.positives[inside]], weights[rows.hits[inside]]
    return structs.replace(
        counts, settled=count, positives=float(of_positives.sum()),
        positive_squares=float((of_positives**2).sum()), hits=float(of_hits.sum()),
    )  # fmt: skip


def scored(metric: Metric, parts: Sequence[Settled], seed: int) -> tuple[float, float] | None:
    """The metric of these rows together and its standard error; None where either is undefined."""
    y, said = np.concatenate([part.y for part in parts]), concatenate(alike([part.said for part in parts]))
    if any(part.weights is not None for part in parts):
        ones = [np.ones(len(part.y)) if part.weights is None else part.weights for part in parts]
        metric = weighted(metric, np.concatenate(ones))
    value = metric.score(y, said)
    error = None if value is None else standard_error(metric, y, said, seed=seed, n_boot=RESAMPLES)
    return None if value is None or error is None else (value, error)
