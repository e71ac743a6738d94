"""Streams that the benchmark makes itself, each with one kind of change; written as Parquet, the target last."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Made = tuple[Floats, NDArray[np.int64]]
NOISE = 0.1
ROWS = 20_000


def _sea(rng: np.random.Generator, rows: int) -> Made:
    """Abrupt: the threshold on the sum of two of three features jumps, the last time back (Street and Kim 2001)."""
    X = rng.uniform(0, 10, (rows, 3))
    at = np.arange(rows) / rows
    threshold = np.select([at < 0.3, at < 0.5, at < 0.75], [8.0, 11.0, 6.0], 8.0)
    return X, (X[:, 0] + X[:, 1] > threshold).astype(np.int64)


def _sine(rng: np.random.Generator, rows: int) -> Made:
    """Gradual, and back again: the side of a sine curve, its sense reversed in between (Gama et al. 2004)."""
    X = rng.uniform(0, 1, (rows, 4))
    at = np.arange(rows) / rows
    reversed_share = 1 / (1 + np.exp(-40 * (at - 0.35))) - 1 / (1 + np.exp(-40 * (at - 0.7)))
    above = X[:, 1] > 0.5 + 0.3 * np.sin(3 * np.pi * X[:, 0])
    return X, (above ^ (rng.random(rows) < reversed_share)).astype(np.int64)


def _rotating(rng: np.random.Generator, rows: int) -> Made:
    """Incremental: a plane that turns by half a turn over the stream (Hulten et al. 2001)."""
    X = rng.normal(0, 1, (rows, 6))
    angle = np.pi * np.arange(rows) / rows
    return X, (X[:, 0] * np.cos(angle) + X[:, 1] * np.sin(angle) + 0.3 * X[:, 2] > 0).astype(np.int64)


def _stationary(rng: np.random.Generator, rows: int) -> Made:
    """Control: nothing changes."""
    X = rng.normal(0, 1, (rows, 6))
    return X, (X[:, 0] * X[:, 1] + X[:, 2] > 0.2).astype(np.int64)


def _irrelevant(rng: np.random.Generator, rows: int) -> Made:
    """Control: columns that mean nothing drift, the concept stays."""
    X = rng.normal(0, 1, (rows, 6))
    X[:, 3:] += 4 * np.sin(2 * np.pi * 5 * np.arange(rows) / rows)[:, None]
    return X, (X[:, 0] + X[:, 1] ** 2 > 1).astype(np.int64)


def _unit_bug(rng: np.random.Generator, rows: int) -> Made:
    """A column arrives in another unit for a while, then is repaired; later the concept changes."""
    X = rng.normal(5, 2, (rows, 6))
    at = np.arange(rows) / rows
    first, later = X[:, 0] + X[:, 1] > 10, X[:, 0] - X[:, 2] > 0
    y = np.where(at < 0.8, first, later).astype(np.int64)
    bug = (at > 0.4) & (at < 0.55)
    X[bug, 0] *= 2.54
    return X, y


def _label_noise(rng: np.random.Generator, rows: int) -> Made:
    """Labels grow noisy for a while: nothing better can be learned."""
    X = rng.normal(0, 1, (rows, 6))
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64)
    at = np.arange(rows) / rows
    noisy = (at > 0.4) & (at < 0.6) & (rng.random(rows) < 0.3)
    return X, np.where(noisy, 1 - y, y)


def _rare(rng: np.random.Generator, rows: int) -> Made:
    """One row in ten is of the second class, judged by ROC AUC; what makes it so moves."""
    X = rng.normal(0, 1, (rows, 6))
    at = np.arange(rows) / rows
    score = np.where(at < 0.5, X[:, 0] + X[:, 1], X[:, 2] - X[:, 1]) + rng.normal(0, 0.5, rows)
    return X, (score > np.quantile(score, 0.9)).astype(np.int64)


KINDS: dict[str, Callable[[np.random.Generator, int], Made]] = {
    "sea_like": _sea, "sine_like": _sine, "rotating": _rotating, "stationary": _stationary,
    "irrelevant": _irrelevant, "unit_bug": _unit_bug, "label_noise": _label_noise, "rare": _rare,
}  # fmt: skip
CONTROLS = ("stationary", "irrelevant")


def write_streams(folder: Path, seed: int, rows: int = ROWS) -> list[Path]:
    """One file a kind, with a tenth of the labels wrong; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (name, make) in enumerate(KINDS.items()):
        path = folder / f"{name}_{rows}_{seed}.parquet"
        paths.append(path)
        if path.exists():
            continue
        rng = np.random.default_rng([seed, place])
        X, y = make(rng, rows)
        wrong = rng.random(rows) < (0.0 if name == "rare" else NOISE)
        columns = {f"x{place}": X[:, place] for place in range(X.shape[1])}
        pq.write_table(pa.table({**columns, "target": np.where(wrong, 1 - y, y)}), path)
    return paths
