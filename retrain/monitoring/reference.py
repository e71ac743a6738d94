"""The reference of a new version: of the rows that it was trained on, and of the newest held-out ones."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from drift import ColumnValues, Reference, build_reference, output_columns
from retrain import durable
from retrain.model.version import LoadedVersion
from retrain.records.settings import ModelSettings
from retrain.rows.compared_columns import compared_values
from retrain.rows.held_out import of_newest_file


def version_reference(version: LoadedVersion, train: Path, holdout: Path, settings: ModelSettings) -> Reference:
    """From the files of prepared rows; columns are read one at a time. The newest held-out rows are written beside
    them."""
    rows = pq.read_table(holdout, pre_buffer=False)
    newest = of_newest_file(rows.column("__seq").to_numpy(), settings.window.holdout_min_rows)
    lately, recent = rows.filter(pa.array(newest)), holdout.with_name("recent.parquet")
    durable.crash_point("evaluate.recent.before_write")
    pq.write_table(lately, recent, compression="lz4")
    said = version.predict_table(lately)
    outputs = output_columns(said.values, said.probabilities, said.classes)
    return build_reference(_columns(train, version, settings), outputs, _columns(recent, version, settings))


def _columns(rows: Path, version: LoadedVersion, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values([rows], version.schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values
