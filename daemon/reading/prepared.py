"""The user's own preparation tried on the rows of a file before it is accepted, where files are read: under the same
limits, so that what it raises costs that file alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from daemon.reading.columns import Matched
from retrain.records.settings import ModelSettings

BATCH_ROWS = 65_536


def refuse_unprepared(snapshot: Path, matched: Matched, settings: ModelSettings, config_dir: Path) -> None:
    """Refused where the configured preparation fails on a row, which is named by its number in the file, or gives other
    columns for some rows than for others; nothing without one, or of a file of labels."""
    if settings.prepare is None or matched.kind != "rows":
        return
    from retrain.model.preparation import learned, new_preparation, raw_schema

    preparation = new_preparation(settings.prepare, config_dir, raw_schema(matched.schema, settings))
    with pq.ParquetFile(snapshot, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            if not preparation.outputs:
                preparation = learned(preparation, table, matched.schema)
            elif table.num_rows:
                preparation.of_table(table)
