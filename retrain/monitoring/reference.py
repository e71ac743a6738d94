"""What a version's checks compare with: made when it is evaluated, from its prepared rows."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from drift import ColumnValues, Reference, build_reference, output_columns
from retrain import durable
from retrain.records.predictions import Predictions
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.compared_columns import compared_values
from retrain.rows.held_out import of_newest_file


def version_reference(
    schema: Schema, train: Path, holdout: pa.Table, predictions: Predictions, recent: Path, settings: ModelSettings
) -> Reference:
    """Of the training rows in `train`, the version's predictions of the newest held-out rows, and these rows, which are
    written to `recent`."""
    newest = of_newest_file(holdout.column("__seq").to_numpy(), settings.window.holdout_min_rows)
    lately = predictions.take(newest)
    durable.crash_point("evaluate.recent.before_write")
    pq.write_table(holdout.filter(pa.array(newest)), recent, compression="lz4")
    outputs = output_columns(lately.values, lately.probabilities, lately.classes)
    return build_reference(_columns(train, schema, settings), outputs, _columns(recent, schema, settings))


def _columns(rows: Path, schema: Schema, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values([rows], schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values
