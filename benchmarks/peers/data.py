"""Data for the comparison: a reference and current rows of 40 numeric and 10 categorical columns, as Parquet.

Standalone: the runners, which the tools' own interpreters execute, import it too."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas

SEED = 20_251
EDITION = 1  # part of the files' names: raise it when what is drawn changes
SIZES = (2, 3, 5, 8, 12, 25, 50, 100, 300, 1_000)
NORMALS, LOGNORMALS, HEAVY, UNIFORMS, COUNTS = 14, 8, 5, 5, 6
MISSING_SHARE, ZERO_SHARE = 0.05, 0.6
NUMERIC = tuple(
    f"{kind}_{number}"
    for kind, columns in (
        ("normal", NORMALS), ("lognormal", LOGNORMALS), ("heavy", HEAVY), ("uniform", UNIFORMS), ("count", COUNTS),
        ("missing", 1), ("zeros", 1),
    )
    for number in range(columns)
)  # fmt: skip
CATEGORICAL = tuple(f"category_{size}" for size in SIZES)
DRIFTED = {"normal_3": 0.05, "lognormal_2": 0.03, "heavy_1": 0.05, "uniform_4": 0.02, "count_3": 0.02, "missing_0": 0.1}
DRIFTED_CATEGORIES = ("category_5", "category_100")  # a little steeper than in the reference

Floats = np.ndarray
Draw = Callable[[np.random.Generator, int], Floats]


def ensure(folder: Path, kind: str, rows: int) -> Path:
    """The Parquet file of "reference" or "current" data; written unless it is there."""
    path = folder / f"{kind}-{rows}-{EDITION}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        pq.write_table(generate(rows, kind == "current"), temporary, compression="zstd", write_statistics=False)
        temporary.replace(path)
    return path


def frame(path: Path) -> "pandas.DataFrame":
    """A file as pandas has it: float64 and the category dtype."""
    return pq.read_table(path).to_pandas()


def generate(rows: int, drifted: bool) -> pa.Table:
    """The columns, each from a random stream of its own; `drifted` moves a few of them a little."""
    columns = {}
    for number, name in enumerate((*NUMERIC, *CATEGORICAL)):
        rng = np.random.default_rng((SEED, number, int(drifted), rows))
        columns[name] = (
            _category(rng, name, rows, drifted) if name in CATEGORICAL else _number(rng, name, rows, drifted)
        )
    return pa.table(columns)


def _number(rng: np.random.Generator, name: str, rows: int, drifted: bool) -> pa.Array:
    kind, _, number = name.partition("_")
    shift = DRIFTED.get(name, 0.0) if drifted else 0.0
    values = _draw(kind, int(number), shift)(rng, rows)
    if kind == "missing":
        values[rng.random(rows) < MISSING_SHARE] = np.nan
    if kind == "zeros":
        values[rng.random(rows) < ZERO_SHARE] = 0.0
    return pa.array(values)


def _draw(kind: str, number: int, shift: float) -> Draw:
    """`shift` is in units of the distribution's scale."""
    scale = 10.0 ** (number % 7 - 3)
    if kind == "lognormal":
        return lambda rng, rows: rng.lognormal(number - 2 + shift, 0.25 * (1 + number % 4), rows)
    if kind == "heavy":
        return lambda rng, rows: scale * (rng.standard_t(3, rows) + shift)
    if kind == "uniform":
        return lambda rng, rows: scale * (rng.random(rows) + shift)
    if kind == "count":
        mean = (2, 5, 12, 40, 300, 5_000)[number] * (1 + shift)
        return lambda rng, rows: rng.poisson(mean, rows).astype(np.float64)
    if kind == "zeros":
        return lambda rng, rows: rng.exponential(20.0, rows)
    offset = 100.0 * (number % 3 - 1)
    return lambda rng, rows: scale * (rng.standard_normal(rows) + offset + shift)


def _category(rng: np.random.Generator, name: str, rows: int, drifted: bool) -> pa.DictionaryArray:
    size = int(name.partition("_")[2])
    steepness = 1.05 if drifted and name in DRIFTED_CATEGORIES else 1.0
    weights = 1.0 / np.arange(1, size + 1) ** steepness
    edges = np.cumsum(weights / weights.sum())
    codes = np.minimum(np.searchsorted(edges, rng.random(rows), side="right"), size - 1)
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), [f"value {code:04d}" for code in range(size)])
