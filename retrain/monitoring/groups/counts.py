"""What was answered to the groups of one file, and how that did on the labels that may be believed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
class AnsweredGroups:
    """Of m answered rows the answers `said`; which are of which group, (m,) each; which are `settled`, (m,); and of s
    settled ones the labels `y` (s,) and how much each counts, (s,) (None: all alike)."""

    said: Predictions
    groups: Mapping[Group, Mask]
    settled: Mask
    y: Labels
    weights: Floats | None

    def of(self, group: Group) -> "Settled | None":
        """The settled rows of a group; None without any."""
        mask = self.groups.get(group)
        if mask is None or not (mask & self.settled).any():
            return None
        inside = mask[self.settled]
        weights = None if self.weights is None else self.weights[inside]
        return Settled(self.y[inside], self.said.take(mask & self.settled), weights)


@dataclass(frozen=True, eq=False)
class Settled:
    """Labels (n,) of settled rows, what was answered to them, and how much each counts (None: all alike)."""

    y: Labels
    said: Predictions
    weights: Floats | None


def answered_groups(history: History, file: AnsweredFile, columns: Sequence[str]) -> AnsweredGroups | None:
    """The groups of a file's rows; None where what was answered is not there any more."""
    batch = history.batch(file.seq)
    found = answers_to(file, batch.table, history.schema.id_column)
    if found is None:
        return None
    said, known = found
    table = batch.table.filter(pa.array(known))
    settled, weights = batch.known[known], row_weights(batch.table)
    labelled = batch.table.filter(pa.array(known & batch.known))
    y = target_values(labelled, history.schema)
    masks = {ALL_ROWS: np.ones(table.num_rows, dtype=bool), **dict(_groups_of(table, columns))}
    return AnsweredGroups(said, masks, settled, y, None if weights is None else weights[known & batch.known])


def _groups_of(table: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Group, Mask]]:
    """The groups with most rows of each column, and which rows they are of; missing and long values are none."""
    for column in columns:
        if column not in table.column_names:
            continue
        words = pc.cast(table.column(column), pa.string()).combine_chunks()
        found = pc.value_counts(words).to_pylist()
        entries = [one for one in found if one["values"] is not None and len(one["values"]) <= LONGEST_NAME]
        entries.sort(key=lambda entry: (-entry["counts"], entry["values"]))
        for entry in entries[:MOST_GROUPS]:
            yield (column, entry["values"]), pc.equal(words, entry["values"]).fill_null(False).to_numpy(False)


def counted(rows: AnsweredGroups, group: Group, positive: str) -> GroupCounts:
    """The counts of one group of a file; "" is no class."""
    chosen, settled = rows.groups[group], rows.of(group)
    column, value = group
    selected = rows.said.values.astype(np.str_)[chosen] == positive if positive else np.zeros(0, dtype=bool)
    counts = GroupCounts(column=column, group=value, rows=int(chosen.sum()), selected=int(selected.sum()))
    if settled is None:
        return counts
    weights = np.ones(len(settled.y)) if settled.weights is None else settled.weights
    is_positive = (settled.y.astype(np.str_) == positive) & bool(positive)
    is_hit = is_positive & (settled.said.values.astype(np.str_) == positive)
    return GroupCounts(
        column=column, group=value, rows=counts.rows, selected=counts.selected, settled=len(settled.y),
        positives=float(weights[is_positive].sum()), positive_squares=float((weights[is_positive] ** 2).sum()),
        hits=float(weights[is_hit].sum()),
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
