"""The streams that labels come late for: classification, each with one kind of change; the target last."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.streams.generated import KINDS as OTHERS

Table = pa.Table
ROWS = 10_000
Bools = NDArray[np.bool_]
Made = Callable[[np.random.Generator, int], Table]


def _agrawal(rng: np.random.Generator, rows: int) -> Table:
    """Abrupt: loans are granted by another of the rules of Agrawal et al. (1993) in each third; a twentieth of the
    labels is wrong."""
    salary = rng.uniform(20_000, 150_000, rows)
    commission = np.where(salary >= 75_000, 0.0, rng.uniform(10_000, 75_000, rows))
    age, level = rng.integers(20, 81, rows), rng.integers(0, 5, rows)
    car, zipcode = rng.integers(1, 21, rows), rng.integers(0, 9, rows)
    house = (9 - zipcode) * 100_000 * rng.uniform(0.5, 1.5, rows)
    years, loan = rng.integers(1, 31, rows), rng.uniform(0, 500_000, rows)
    third = np.arange(rows) * 3 // rows
    rules = [
        (age < 40) | (age >= 60),
        _by_age(age, salary, [(50_000, 100_000), (75_000, 125_000), (25_000, 75_000)]),
        0.67 * (salary + commission) - 5_000 * level - 0.2 * loan - 10_000 > 0,
    ]
    granted = np.choose(third, rules) ^ (rng.random(rows) < 0.05)
    return pa.table(
        {
            "salary": salary, "commission": commission, "age": age, "level": level, "car": car, "zipcode": zipcode,
            "house": house, "years": years, "loan": loan, "target": granted.astype(np.int64),
        }
    )  # fmt: skip


def _by_age(age: NDArray[np.int64], salary: NDArray[np.float64], bounds: list[tuple[int, int]]) -> Bools:
    """The second rule: a salary within bounds of the age under 40, under 60, and above."""
    low, high = (np.choose(np.digitize(age, (40, 60)), [one[side] for one in bounds]) for side in (0, 1))
    return np.asarray((salary >= low) & (salary <= high))


def _hyperplane(rng: np.random.Generator, rows: int) -> Table:
    """Incremental: a plane in ten dimensions of which four weights move all the time (Hulten et al. 2001)."""
    X = rng.uniform(0, 1, (rows, 10))
    start, slope = rng.uniform(0, 1, 10), np.zeros(10)
    slope[:4] = rng.choice([-1.0, 1.0], 4) * 2.5
    weights = start + slope * (np.arange(rows) / rows)[:, None]
    y = (X * weights).sum(axis=1) > 0.5 * weights.sum(axis=1)
    return _numbered(X, y ^ (rng.random(rows) < 0.05))


def _employment(rng: np.random.Generator, rows: int) -> Table:
    """Shares of the classes and some columns move, the concept hardly: employed, by age, schooling and household."""
    at = np.arange(rows) / rows
    age, school = rng.integers(16, 90, rows), np.clip(rng.normal(16 + 3 * at, 4, rows), 1, 24).round()
    married, disabled = rng.random(rows) < 0.5, rng.random(rows) < 0.1 + 0.1 * at
    state = rng.choice(["n", "s", "e", "w"], rows)
    score = 2.2 - ((age - 42) / 16) ** 2 + 0.12 * (school - 16) + 0.3 * married - 1.2 * disabled - 0.8 * np.sin(4 * at)
    y = score + rng.logistic(0, 0.6, rows) > 0
    return pa.table(
        {"age": age, "school": school, "married": married.astype(np.int64), "disabled": disabled.astype(np.int64),
         "state": state, "target": y.astype(np.int64)}
    )  # fmt: skip


def _fraud(rng: np.random.Generator, rows: int) -> Table:
    """A row in eight is positive; what makes it so changes at half."""
    X, at = rng.normal(0, 1, (rows, 6)), np.arange(rows) / rows
    score = np.where(at < 0.5, X[:, 0] + X[:, 1], X[:, 2] - X[:, 1]) + rng.normal(0, 0.4, rows)
    return _numbered(X, score > 1.63)


def _driftless(rng: np.random.Generator, rows: int) -> Table:
    """Control: nothing changes."""
    X = rng.normal(0, 1, (rows, 6))
    return _numbered(X, (X[:, 0] * X[:, 1] + X[:, 2] > 0.2) ^ (rng.random(rows) < 0.1))


def _sine(rng: np.random.Generator, rows: int) -> Table:
    """Gradual, and back again (see `benchmarks.streams.generated`), a tenth of the labels wrong."""
    X, y = OTHERS["sine_like"](rng, rows)
    return _numbered(X, y.astype(bool) ^ (rng.random(rows) < 0.1))


def _numbered(X: NDArray[np.float64], y: Bools) -> Table:
    return pa.table({**{f"x{place}": X[:, place] for place in range(X.shape[1])}, "target": y.astype(np.int64)})


KINDS: dict[str, Made] = {
    "agrawal": _agrawal, "hyperplane": _hyperplane, "sine": _sine, "employment": _employment, "fraud": _fraud,
    "driftless": _driftless,
}  # fmt: skip


def write_streams(folder: Path, seed: int, rows: int = ROWS) -> list[Path]:
    """One file a kind; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (name, make) in enumerate(KINDS.items()):
        path = folder / f"{name}_{rows}_{seed}.parquet"
        if not path.exists():
            pq.write_table(make(np.random.default_rng([seed, place, 17]), rows), path)
        paths.append(path)
    return paths
