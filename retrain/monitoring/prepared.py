"""Snapshots whose columns are those that a version learns from, where a preparation of the user's makes these: what is
compared column by column is read of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from retrain.model.version import LoadedVersion
from retrain.rows.columns import open_snapshot

BATCH_ROWS = 65_536


@contextmanager
def prepared_snapshots(version: LoadedVersion, snapshots: Sequence[Path], work: Path) -> Iterator[list[Path]]:
    """The snapshots as they are, or, for a version with a preparation, files below `work` for as long as it lasts, with
    the columns that it makes of theirs, and whatever else they have. Refused names the row on which it fails."""
    if version.preprocessor.preparation is None:
        yield list(snapshots)
        return
    with TemporaryDirectory(prefix="prepared-", dir=work) as folder:
        made = [Path(folder, f"{number}.parquet") for number in range(len(snapshots))]
        for path, target in zip(snapshots, made, strict=True):
            _write(version, path, target)
        yield made


def _write(version: LoadedVersion, path: Path, target: Path) -> None:
    writer = None
    try:
        with open_snapshot(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                table = version.preprocessor.prepared(pa.Table.from_batches([batch])).combine_chunks()
                writer = writer or pq.ParquetWriter(target, table.schema, compression="lz4")
                writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
