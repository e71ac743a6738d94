"""Data behind the states of a status page: what served versions keep of the rows that taught them, and snapshots."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.config.paths import ModelPaths
from daemon.reports.page.asked import PageReader
from drift.profiles.reference import build_reference
from retrain.records.schema import Column, Schema
from retrain.rows.columns import column_values
from retrain.store.versions import write_json, write_manifest, write_reference

COLUMNS = (
    Column("carrier", "category"), Column("hour", "integer"), Column("distance", "number"), Column("temp", "number"),
    Column("at", "datetime"), Column("note", "text"), Column("y", "category"),
)  # fmt: skip
SCHEMA = Schema(COLUMNS, "classification", "y")
CARRIERS = ("9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
START_S = 1_760_000_000


def flights(seed: int, n: int = 1200, later: float = 0.0, also: str = "") -> pa.Table:
    """Rows of the columns above: with `later` more of the evening and of the first carrier, which `also` can name."""
    draw = np.random.default_rng(seed)
    weights = np.array([1 + 4 * later, 3, 4, 4, 4, 2, 5, 2, 1])
    hours = np.clip(np.rint(draw.normal(13 + 4 * later, 4.5, n)), 5, 23).astype(int)
    names = np.array([also or CARRIERS[0], *CARRIERS[1:]])
    values: dict[str, Any] = {
        "carrier": names[draw.choice(len(names), n, p=weights / weights.sum())], "hour": hours,
        "distance": draw.gamma(2.2, 480, n), "temp": np.where(draw.random(n) < 0.04, np.nan, draw.normal(14, 9, n)),
        "at": pa.array(START_S + draw.integers(0, 86_400 * 30, n), pa.timestamp("s")), "note": ["x"] * n,
        "y": draw.choice(["yes", "no"], n),
    }  # fmt: skip
    return pa.table(values)


def keep_version(paths: ModelPaths, name: str, table: pa.Table) -> None:
    """What a version's folder has of the rows that taught it, sealed."""
    folder = paths.version(name)
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [column for column in COLUMNS if column.kind != "text" and column.name != "y"]
    named = [(column.name, column_values(table.column(column.name), column.kind)) for column in kinds]
    write_reference(folder, build_reference(named))
    write_json(folder, "schema.json", SCHEMA.to_json(), "tests")
    for part in ("model.skops", "preprocessor.json", "training.json"):
        (folder / part).write_text("{}")
    write_manifest(folder, name, int(name[1:5]), name, {"model": paths.model})


def keep_snapshot(reader: PageReader, snapshot: str, table: pa.Table) -> None:
    """A file's rows, where the ledger says that they lie."""
    path = reader.paths.state / snapshot
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
