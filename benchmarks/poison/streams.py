"""Streams in order of time, with a model that serves them: generated ones, or Parquet files with the target last."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from drift.profiles.categorical import Codes
from retrain.rows.columns import column_values
from retrain.suspicion import Columns, Rows

BATCHES, INITIAL, EVERY = 50, 4, 7
MAX_CLASSES = 20
Floats = NDArray[np.float64]


@dataclass
class Stream:
    """A named stream in batches; `model` gives what is served at a batch: trained on the first four batches, then on
    all before every seventh."""

    name: str
    columns: Columns
    X: Floats
    y: Floats
    models: dict[int, Any] = field(default_factory=dict)

    def bounds(self, batch: int) -> slice:
        """The rows of a batch."""
        edges = np.linspace(0, len(self.y), BATCHES + 1).astype(int)
        return slice(edges[batch], edges[batch + 1])

    def model(self, batch: int) -> Any:
        """The model that serves a batch."""
        first = INITIAL + (batch - INITIAL) // EVERY * EVERY
        if first not in self.models:
            known = slice(0, self.bounds(first).start)
            kind = HistGradientBoostingClassifier if self.columns.classes else HistGradientBoostingRegressor
            model = kind(max_iter=50, categorical_features=list(self.columns.categorical), random_state=0)
            self.models[first] = model.fit(self.X[known], self.y[known])
        return self.models[first]

    def rows(self, batch: int, X: Floats, y: Floats, name: str) -> Rows:
        """A file of these rows as it arrives in place of a batch; the first four were predicted by nobody."""
        if batch < INITIAL:
            return Rows(name, X, y)
        model = self.model(batch)
        if not self.columns.classes:
            return Rows(name, X, y, model.predict(X)[:, None])
        scores = np.zeros((len(X), self.columns.classes))
        scores[:, model.classes_.astype(int)] = model.predict_proba(X)
        return Rows(name, X, y, scores)

    def clean(self, batch: int) -> Rows:
        """A batch as it is."""
        return self.rows(batch, self.X[self.bounds(batch)], self.y[self.bounds(batch)], f"batch {batch}")


def read(folder: Path) -> Iterator[Stream]:
    """All Parquet files of a folder whose target is last."""
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        if "rating" not in table.column_names:
            yield from_table(path.stem, table)


def from_table(name: str, table: pa.Table) -> Stream:
    """Text becomes categories; a target of whole numbers with few values becomes classes."""
    *features, target = table.column_names
    columns, categorical = [], []
    for feature in features:
        kind = table.schema.field(feature).type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
        values = column_values(table[feature], "category" if text else "number")
        categorical.append(text)
        columns.append(np.where(values.codes < 0, np.nan, values.codes) if isinstance(values, Codes) else values)
    y = table[target].to_numpy().astype(np.float64)
    found = np.unique(y)
    classes = len(found) if len(found) <= MAX_CLASSES and (found == found.round()).all() else 0
    if classes:
        y = np.searchsorted(found, y).astype(np.float64)
    return Stream(name, Columns(tuple(features), tuple(categorical), target, classes), np.column_stack(columns), y)


def generated() -> Iterator[Stream]:
    """Streams with seasons, trends, abrupt, gradual and recurring concepts, for classes and numbers."""
    for seed, (name, classes) in enumerate(
        (("still", 2), ("abrupt", 2), ("gradual", 2), ("seasons", 2), ("three_classes", 3), ("numbers", 0))
    ):
        yield _generated(name, classes, np.random.default_rng([20, seed]))


def _generated(name: str, classes: int, rng: np.random.Generator, rows: int = 25_000) -> Stream:
    at = np.linspace(0, 1, rows)
    season = np.sin(2 * np.pi * 4 * at) if name in ("seasons", "numbers") else np.zeros(rows)
    X = np.column_stack([
        rng.normal(0, 1, rows), rng.normal(20, 5, rows) + 8 * season, rng.exponential(3, rows) * (1 + 0.5 * at),
        rng.integers(0, 24, rows), rng.lognormal(3, 0.5, rows), rng.integers(0, 5, rows),
    ])  # fmt: skip
    signal = X[:, 0] + (X[:, 1] - 20) / 5 + 0.3 * X[:, 2]
    other = -X[:, 0] + (X[:, 4] - 20) / 10 + 0.5 * (X[:, 5] == 1)
    share = {"abrupt": (at > 0.45).astype(float), "gradual": 1 / (1 + np.exp(-(at - 0.5) * 15))}.get(
        name, np.zeros(rows)
    )
    mixed = np.where(rng.random(rows) < share, other, signal) + rng.normal(0, 0.8, rows)
    y = np.digitize(mixed, np.quantile(mixed, np.arange(1, classes) / classes)).astype(np.float64) if classes else mixed
    names = ("score", "temperature", "wait", "hour", "amount", "colour")
    return Stream(name, Columns(names, (*(False,) * 5, True), "answer", classes), X, y)
