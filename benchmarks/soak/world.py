"""What happens in the soak's world: rows whose concept turns every few minutes, their labels, and what people do in a
shop. Seeded; a file is told by its number."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

ROWS, TURNS = 200, 20
USERS, ITEMS, EVENTS = 300, 120, 150
Row = dict[str, Any]


def rows(number: int, count: int = ROWS) -> pa.Table:
    """Features and label; every TURNS files the label depends on another feature, and colours move."""
    rng = np.random.default_rng((1, number))
    x, z = rng.normal(size=count), rng.normal(size=count)
    turned = number // TURNS % 2 == 1
    colour = rng.choice(["red", "green", "blue"], count, p=[0.5, 0.3, 0.2] if turned else [0.3, 0.3, 0.4])
    signal = (z if turned else x) + 0.5 * (colour == "red") + rng.normal(0, 0.5, count)
    label = np.where(signal > 0.0, "yes", "no")
    ids = [f"f{number}-{i}" for i in range(count)]
    return pa.table({"id": ids, "x": x, "z": z, "colour": colour, "label": label})


def priced(number: int, count: int = ROWS) -> pa.Table:
    """Features and a number."""
    rng = np.random.default_rng((2, number))
    x, z = rng.normal(float(number // TURNS % 2), 1.0, count), rng.normal(size=count)
    return pa.table({"x": x, "z": z, "label": 2 * x - z + rng.normal(0, 0.3, count)})


def shopped(number: int, now_s: float, count: int = EVENTS) -> pa.Table:
    """Events of the last minute: each user likes one half of the items."""
    rng = np.random.default_rng((3, number))
    user = rng.integers(0, USERS, count)
    item = 2 * rng.integers(0, ITEMS // 2, count) + user % 2
    at = np.round(now_s - np.sort(rng.random(count) * 60.0)[::-1], 3)
    return pa.table({"who": [f"u{i:03d}" for i in user], "what": [f"i{i:03d}" for i in item], "at": at})


def _as_csv(table: pa.Table, path: Path) -> None:
    pyarrow.csv.write_csv(table, path)


def _as_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def _as_lines(table: pa.Table, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "utf-8")


def _as_gzip(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    path.write_bytes(gzip.compress(sink.getvalue().to_pybytes()))


FORMATS: tuple[tuple[str, Callable[[pa.Table, Path], None]], ...] = (
    (".csv", _as_csv), (".parquet", _as_parquet), (".jsonl", _as_lines), (".csv.gz", _as_gzip),
)  # fmt: skip


def write(table: pa.Table, folder: Path, name: str, number: int) -> Path:
    """A file in one format after the other, moved in whole."""
    suffix, as_format = FORMATS[number % len(FORMATS)]
    hidden = folder / f".{name}.tmp"
    as_format(table, hidden)
    return hidden.rename(folder / f"{name}{suffix}")
