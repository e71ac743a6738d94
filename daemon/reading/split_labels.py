"""A file of labels in two: those at some places, and the others."""

import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daemon.reading.digest import file_digest
from daemon.reading.operations import LabelsPart, SplitRequest, SplitResult
from retrain.rows.targets import class_column


def split(request: SplitRequest) -> SplitResult:
    """The operation: write both parts to the work folder."""
    table = pq.read_table(request.snapshot, pre_buffer=False)
    chosen = np.zeros(table.num_rows, dtype=bool)
    chosen[request.places] = True
    stem = request.work / uuid.uuid4().hex
    parts = [
        _written(table.filter(pa.array(which)), stem.with_suffix(f".{name}.parquet"), request)
        for name, which in (("changes", chosen), ("rest", ~chosen))
    ]
    return SplitResult(changes=parts[0], rest=parts[1])


def _written(table: pa.Table, path: Path, request: SplitRequest) -> LabelsPart:
    pq.write_table(table, path, compression="lz4")
    classes = {}
    if request.task == "classification":
        counts = pc.value_counts(class_column(table.column(request.target)).drop_null()).to_pylist()
        classes = {entry["values"]: entry["counts"] for entry in counts}
    return LabelsPart(snapshot=path, digest=file_digest(path), rows=table.num_rows, class_rows=classes)
