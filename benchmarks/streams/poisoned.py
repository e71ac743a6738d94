"""A history in which every tenth batch is poisoned; what is served and scored stays clean."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daemon.tools.replay.source import BatchFile, Source
from retrain.records.schema import Schema

EVERY = 10
FLIPPED = 0.3
FACTOR = 1000.0
Poison = Callable[[pa.Table, pa.Table, Schema, np.random.Generator], pa.Table]


def _flipped(table: pa.Table, _: pa.Table, schema: Schema, rng: np.random.Generator) -> pa.Table:
    """30 % of the labels are another class's, or another row's number."""
    place = table.column_names.index(schema.target)
    labels = table.column(place).to_pylist()
    chosen = np.flatnonzero(rng.random(len(labels)) < FLIPPED)
    classes = sorted({label for label in labels if label is not None}, key=str)
    others = rng.permutation(chosen)
    changed = list(labels)
    for row, other in zip(chosen, others, strict=True):
        if schema.task == "regression":
            changed[row] = labels[other]
        elif labels[row] is not None and len(classes) > 1:
            step = int(rng.integers(1, len(classes)))
            changed[row] = classes[(classes.index(labels[row]) + step) % len(classes)]
    column = pa.array(changed).cast(_plain(table.schema.field(place).type))
    return table.set_column(place, schema.target, column)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _unit(table: pa.Table, _: pa.Table, schema: Schema, rng: np.random.Generator) -> pa.Table:
    """One numeric column in another unit."""
    numbers = [column.name for column in schema.features if column.kind in ("number", "integer")]
    if not numbers:
        return table
    name = str(rng.choice(numbers))
    place = table.column_names.index(name)
    kind = table.schema.field(place).type
    column = pc.multiply(pc.cast(table.column(place), pa.float64()), FACTOR)
    return table.set_column(place, name, column if pa.types.is_floating(kind) else pc.cast(column, kind, safe=False))


def _duplicate(table: pa.Table, before: pa.Table, schema: Schema, rng: np.random.Generator) -> pa.Table:
    """The batch before, once more."""
    del table, schema, rng
    return before


KINDS: dict[str, Poison] = {"flipped": _flipped, "unit": _unit, "duplicate": _duplicate}


def poisoned(source: Source, kind: str, initial: int, seed: int, work: Path) -> Source:
    """The source with a poisoned batch in each ten that follow the initial ones."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    last = len(source.batches) - 1
    places = [start + int(rng.integers(0, EVERY)) for start in range(initial, last, EVERY)]
    batches = list(source.batches)
    for place in [place for place in places if initial < place < last]:
        before, batch = source.batches[place - 1], source.batches[place]
        changed = KINDS[kind](pq.read_table(batch.labelled), pq.read_table(before.labelled), source.schema, rng)
        batches[place] = _written(batch, changed, source.schema, work)
    return replace(source, batches=tuple(batches))


def _written(batch: BatchFile, table: pa.Table, schema: Schema, work: Path) -> BatchFile:
    place = table.column_names.index(schema.target)
    field = table.schema.field(place)
    bare = table.set_column(place, field, pa.nulls(table.num_rows, field.type))
    labelled, unlabelled = work / f"{batch.seq:05d}.poisoned.parquet", work / f"{batch.seq:05d}.poisoned.bare.parquet"
    pq.write_table(table, labelled)
    pq.write_table(bare, unlabelled)
    known = table.num_rows - table.column(place).null_count
    return BatchFile(batch.place, labelled, unlabelled, table.num_rows, known, scored=batch.labelled)
