"""Some rows of a file that is not to be in memory as a whole."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from retrain.operations import AcceptedFile
from retrain.rows.columns import open_snapshot
from retrain.rows.held_out import in_reservoir

BATCH_ROWS = 65_536


def chosen_places(rows: int, most: int, seed: int, file: AcceptedFile) -> NDArray[np.int64]:
    """Of so many rows of a file, more than `most`, those that are read, ascending: in equal steps, or where a seed is
    given at random."""
    if seed:
        return np.sort(np.random.default_rng([seed, file.place]).choice(rows, most, replace=False))
    return np.unique(np.linspace(0, rows - 1, most).astype(np.int64))


def read_long(
    file: AcceptedFile, most: int, seed: int, columns: tuple[str, ...] | None
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """At most `most` rows of a longer snapshot in their order, whole or __row and those of these columns that it has;
    and which of them are of the reservoir."""
    with open_snapshot(file.snapshot) as opened:
        reserved = in_reservoir(opened.read(columns=["__row"]).column(0).to_numpy(), file.place)
        places = chosen_places(len(reserved), most, seed, file)
        present = set(opened.schema_arrow.names)
        names = None if columns is None else [name for name in (*columns, "__row") if name in present]
        batches, start = [], 0
        for batch in opened.iter_batches(batch_size=BATCH_ROWS, columns=names):
            inside = places[np.searchsorted(places, start) : np.searchsorted(places, start + batch.num_rows)]
            batches.append(batch.take(pa.array(inside - start)))
            start += batch.num_rows
    return pa.Table.from_batches(batches).combine_chunks(), reserved[places]
