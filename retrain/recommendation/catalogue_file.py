"""A catalogue as a snapshot: a Parquet file with the items in order of their names, whether each is available, and a
list of texts for each attribute."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from retrain.recommendation.catalogue import Attribute, Catalogue
from retrain.recommendation.interactions import coded
from retrain.records.errors import Retry

ITEM, AVAILABLE, ATTRIBUTE = "item", "available", "attribute:"


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write a snapshot."""
    columns = {ITEM: pa.array(catalogue.items, pa.string()), AVAILABLE: pa.array(catalogue.available)}
    for name, one in catalogue.attributes.items():
        texts = pa.array(one.values[one.code], pa.string())
        columns[ATTRIBUTE + name] = pa.ListArray.from_arrays(pa.array(one.starts, pa.int32()), texts)
    pq.write_table(pa.table(columns), path, compression="zstd", write_statistics=False)


def read_catalogue(snapshot: Path) -> Catalogue:
    """The catalogue of a snapshot; Retry where it is gone or damaged."""
    try:
        table = pq.read_table(snapshot, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise Retry(f"{snapshot}: {error}") from None
    attributes = {
        name.removeprefix(ATTRIBUTE): _attribute(table.column(name))
        for name in table.column_names
        if name.startswith(ATTRIBUTE)
    }
    items = np.array(table.column(ITEM).to_pylist(), dtype=object)
    return Catalogue(items, np.asarray(table.column(AVAILABLE).to_numpy(), bool), attributes)


def _attribute(column: pa.ChunkedArray) -> Attribute:
    lists = column.combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    encoded = lists.flatten().dictionary_encode()
    names, places = coded(encoded.dictionary.to_pylist())
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    starts = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    return Attribute(names, starts, places[encoded.indices.to_numpy()])
