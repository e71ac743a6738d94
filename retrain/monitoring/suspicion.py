"""Say of a new file whether it looks like poison, beside bounded samples of recent accepted files."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drift.columns.values import join
from drift.profiles.categorical import Codes
from retrain.operations import SuspectRequest, SuspectResult
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.rows.columns import CATEGORICAL, column_values, open_snapshot
from retrain.rows.targets import class_column
from retrain.suspicion import Columns, Rows, doubts
from retrain.suspicion.rows import lowest, row_keys

MOST_GROUPS = 3
FILE_ROWS, RECENT_ROWS = 2_000, 5_000


def suspect(request: SuspectRequest) -> SuspectResult:
    """The operation: judge a new file beside recent ones."""
    started = time.perf_counter()
    settings = request.settings.suspicion
    judged = (*request.recent, request.file)
    tables = [_read(one.snapshot, one.predictions) for one in judged]
    files, columns = _rows([one.name for one in judged], tables, request.schema, settings.ignore)
    kinds = tuple(kind for kind in settings.kinds if kind not in request.ignore_kinds)
    found = doubts(files[-1], files[:-1], columns, kinds)
    plain = [{"kind": doubt.kind, "reason": doubt.reason, "numbers": doubt.numbers} for doubt in found]
    return SuspectResult(doubts=plain, seconds=time.perf_counter() - started)


def _read(snapshot: Path, predictions: Path | None) -> tuple[pa.Table, pa.Table | None]:
    """The rows of at most three parts of a snapshot, from its beginning to its end, and what was predicted for them."""
    with open_snapshot(snapshot) as file:
        groups = file.num_row_groups
        chosen = np.unique(np.linspace(0, max(groups - 1, 0), MOST_GROUPS).astype(int)).tolist()
        table = file.read_row_groups(chosen) if groups > MOST_GROUPS else file.read()
        sizes = [file.metadata.row_group(k).num_rows for k in range(groups)]
    if predictions is None or not predictions.exists():
        return table, None
    predicted = pq.read_table(predictions, pre_buffer=False)
    if groups > MOST_GROUPS:
        starts = np.cumsum([0, *sizes])
        predicted = predicted.take(pa.array(np.concatenate([np.arange(starts[k], starts[k + 1]) for k in chosen])))
    return table, predicted if predicted.num_rows == table.num_rows else None


def _rows(
    names: list[str], tables: Sequence[tuple[pa.Table, pa.Table | None]], schema: Schema, ignore: Sequence[str]
) -> tuple[list[Rows], Columns]:
    """All files in the same codes, long ones thinned by their rows' keys."""
    ends = np.cumsum([len(table) for table, _ in tables])[:-1]
    read = [c for c in schema.features if c.kind != "text" and c.name not in ignore]
    features = [c for c in read if all(c.name in t.column_names for t, _ in tables)]
    X = [_coded([column_values(t[c.name], c.kind) for t, _ in tables])[0] for c in features]
    matrices = np.split(np.column_stack(X) if X else np.zeros((sum(len(t) for t, _ in tables), 0)), ends)
    labels, classes = _labels([table for table, _ in tables], schema)
    categorical = tuple(column.kind in CATEGORICAL for column in features)
    columns = Columns(tuple(c.name for c in features), categorical, schema.target, len(classes))
    most = [RECENT_ROWS / max(1, len(tables) - 1)] * (len(tables) - 1) + [FILE_ROWS]
    rows = []
    for k, (name, X_k, y) in enumerate(zip(names, matrices, np.split(labels, ends), strict=True)):
        kept = min(1.0, most[k] / max(1, len(X_k)))
        chosen = lowest(row_keys(X_k), kept)
        scores = _scores(tables[k][1], chosen, classes, schema.task == "regression")
        rows.append(Rows(name, X_k[chosen], y[chosen], scores, kept))
    return rows, columns


def _coded(pieces: Sequence[Any]) -> tuple[Floats, tuple[str, ...]]:
    """One column of all files, end to end, as numbers with NaN; codes have names."""
    joined = join(pieces)
    if isinstance(joined, Codes):
        return np.where(joined.codes < 0, np.nan, joined.codes).astype(np.float64), tuple(map(str, joined.names))
    return np.asarray(joined, dtype=np.float64), ()


def _labels(tables: Sequence[pa.Table], schema: Schema) -> tuple[Floats, tuple[str, ...]]:
    """The target of all files, end to end: codes and the names of the classes, or numbers."""
    number = schema.task == "regression"
    columns = [t[schema.target] if schema.target in t.column_names else pa.nulls(len(t), pa.string()) for t in tables]
    if number:
        values, _ = _coded([column_values(column, "number") for column in columns])
        return np.where(np.isfinite(values), values, np.nan), ()
    return _coded([column_values(class_column(column), "category") for column in columns])


def _scores(
    predicted: pa.Table | None, chosen: NDArray[np.bool_], classes: Sequence[str], number: bool
) -> Floats | None:
    """What was predicted for the chosen rows: (n, classes), by the class names of the labels, or (n, 1) numbers; None
    where no file has a label that would name the classes."""
    if predicted is None or not (classes or number):
        return None
    predicted = predicted.filter(pa.array(chosen))
    if number:
        return np.asarray(predicted["prediction"].to_numpy(), dtype=np.float64)[:, None]
    return np.column_stack([_score(predicted, name) for name in classes])


def _score(predicted: pa.Table, name: str) -> Floats:
    if f"p_{name}" in predicted.column_names:
        return np.asarray(predicted[f"p_{name}"].to_numpy(), dtype=np.float64)
    if any(column.startswith("p_") for column in predicted.column_names):
        return np.zeros(predicted.num_rows)
    return np.array([float(str(value) == name) for value in predicted["prediction"].to_pylist()])
