"""The log of a cycle as the prepare stage leaves it for the others: one file of events, and which are held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain import durable
from retrain.recommendation.interactions import Codes, Interactions, canonical, coded


@dataclass(frozen=True, eq=False)
class PreparedLog:
    """The events (n,), which of them are held out, and which (neither held out nor outside of the window) train."""

    events: Interactions
    held: NDArray[np.bool_]
    trains: NDArray[np.bool_]


def write_log(log: PreparedLog, path: Path) -> None:
    """Publish it as a Parquet file; equal logs give equal bytes."""
    events = log.events
    table = pa.table({
        "user": pa.DictionaryArray.from_arrays(pa.array(events.user), pa.array(list(events.users), pa.string())),
        "item": pa.DictionaryArray.from_arrays(pa.array(events.item), pa.array(list(events.items), pa.string())),
        "time_ms": events.time_ms, "weight": events.weight, "held": log.held, "trains": log.trains,
    })  # fmt: skip
    temporary = path.with_name(f".{path.name}.tmp")
    durable.crash_point("prepare.train.before_write")
    pq.write_table(table, temporary, compression="lz4")
    durable.publish_file(temporary, path, "prepare.train")


def read_log_file(path: Path) -> PreparedLog:
    """What `write_log` wrote."""
    table = pq.read_table(path, pre_buffer=False)
    (users, user), (items, item) = (_coded(table.column(name)) for name in ("user", "item"))
    numbers = {name: np.asarray(table.column(name).to_numpy()) for name in ("time_ms", "weight", "held", "trains")}
    events = canonical(users, items, user, item, numbers["time_ms"], numbers["weight"])
    return PreparedLog(events, numbers["held"], numbers["trains"])


def _coded(column: pa.ChunkedArray) -> tuple[NDArray[np.object_], Codes]:
    whole = column.unify_dictionaries().combine_chunks()
    array = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    names, places = coded(array.dictionary.to_pylist())
    return names, places[array.indices.to_numpy()]
