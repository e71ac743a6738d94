"""Rows to a matrix of numbers, fitted once a version and kept apart from the estimator.

A snapshot's table and a request's rows give the same floats, bit by bit. `codes` is for estimators with
native categories (codes 0…k−1, missing and unseen NaN); `onehot` for all others (no NaN is left).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind
from retrain.rows import cells

if TYPE_CHECKING:
    import pyarrow as pa

Encoding = Literal["codes", "onehot"]
FORMAT = 1
MAX_CATEGORIES = 254


@dataclass(frozen=True)
class Feature:
    """A column as fitted: `categories` by falling frequency, then name; `indicator` where missing was seen.
    `median`, `mean` and `scale` impute and standardize under `onehot`."""

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] | None = None
    indicator: bool = False
    median: float = 0.0
    mean: float = 0.0
    scale: float = 1.0

    @cached_property
    def index(self) -> dict[str, float]:
        """Code of each category."""
        return {name: float(code) for code, name in enumerate(self.categories or ())}

    @property
    def width(self) -> int:
        """Columns of the matrix under `onehot`."""
        return int(self.indicator) + (1 if self.categories is None else len(self.categories))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of these columns."""
        indicator = (f"{self.name} is missing",) if self.indicator else ()
        if self.categories is None:
            return (self.name, *indicator)
        return (*(f"{self.name}={category}" for category in self.categories), *indicator)


@dataclass(frozen=True)
class Preprocessor:
    """Schema features to a float64 matrix of shape (rows, len(feature_names))."""

    encoding: Encoding
    features: tuple[Feature, ...]

    @classmethod
    def fit(
        cls, table: "pa.Table", schema: Schema, encoding: Encoding, max_categories: int = MAX_CATEGORIES
    ) -> "Preprocessor":
        """Learn categories, and under `onehot` medians and scales, from a snapshot's table of ≥ 1 rows."""
        if not schema.features:
            raise Refused("the schema has no feature columns", "expected at least one besides target, time and id")
        return cls(encoding, tuple(_fit_column(table, c, encoding, max_categories) for c in schema.features))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each column of the matrix."""
        if self.encoding == "codes":
            return tuple(feature.name for feature in self.features)
        return tuple(name for feature in self.features for name in feature.names)

    @cached_property
    def categorical_mask(self) -> tuple[bool, ...]:
        """Which columns of the matrix hold category codes."""
        if self.encoding == "codes":
            return tuple(feature.categories is not None for feature in self.features)
        return (False,) * len(self.feature_names)

    def transform(self, table: "pa.Table") -> Floats:
        """The matrix of a snapshot's table. A column that it does not have is missing in every row; one of another kind
        is read as this kind, as far as that goes."""
        base = np.full((table.num_rows, len(self.features)), np.nan)
        names = set(table.column_names)
        for position, f in enumerate(self.features):
            if f.name in names:
                base[:, position] = cells.from_arrow(table.column(f.name), f.kind, f.index)
        return self.expanded(base)

    def transform_rows(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """The matrix of rows as JSON gives them; absent and null are missing. Refused names a wrong value."""
        base = np.full((len(rows), len(self.features)), np.nan)
        for position, f in enumerate(self.features):
            values: Sequence[Any] = cells.plain_values([row.get(f.name) for row in rows], f.name, f.kind)
            base[:, position] = [f.index.get(v, np.nan) for v in values] if f.categories is not None else values
        return self.expanded(base)

    def expanded(self, base: Floats) -> Floats:
        """The matrix of codes and numbers (rows, features)."""
        return base if self.encoding == "codes" else self._expansion(base)

    @cached_property
    def _expansion(self) -> "_Expansion":
        return _Expansion(self.features)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; floats keep every bit."""
        return {"format": FORMAT, "encoding": self.encoding, "features": [asdict(f) for f in self.features]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Preprocessor":
        """The inverse of `to_json`; Refused on an unknown format."""
        if value.get("format") != FORMAT:
            raise Refused(f"preprocessor format {value.get('format')!r}; this driftd reads format {FORMAT}")
        return cls(value["encoding"], msgspec.convert(value["features"], tuple[Feature, ...]))


def _fit_column(table: "pa.Table", column: Column, encoding: Encoding, max_categories: int) -> Feature:
    values = table.column(column.name)
    if column.kind == "category":
        missing = encoding == "onehot" and values.null_count > 0
        return Feature(column.name, column.kind, cells.frequent(values, max_categories), missing)
    if encoding == "codes":
        return Feature(column.name, column.kind)
    numbers = cells.from_arrow(values, column.kind, {})
    present = numbers[~np.isnan(numbers)]
    missing = len(present) < len(numbers)
    if not len(present):
        return Feature(column.name, column.kind, indicator=missing)
    median = float(np.median(present))
    mean, scale = _moments(np.where(np.isnan(numbers), median, numbers))
    return Feature(column.name, column.kind, None, missing, median, mean, scale)


def _moments(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation (1 where it is 0), without overflow."""
    largest = float(np.max(np.abs(values))) or 1.0
    shrunk = values / largest
    deviation = float(shrunk.std()) * largest
    return float(shrunk.mean()) * largest, deviation if deviation > 0 else 1.0


class _Expansion:
    """One-hot categories, imputed and standardized numbers, indicators: all columns at once."""

    def __init__(self, features: Sequence[Feature]) -> None:
        starts = np.cumsum([0, *(f.width for f in features)])
        self._width = int(starts[-1])
        numbers = [j for j, f in enumerate(features) if f.categories is None]
        self._numbers, self._number_columns = np.array(numbers, dtype=np.int64), starts[numbers]
        self._median = np.array([features[j].median for j in numbers])
        self._mean = np.array([features[j].mean for j in numbers])
        self._scale = np.array([features[j].scale for j in numbers])
        words = [j for j, f in enumerate(features) if f.categories is not None]
        self._words, self._word_columns = np.array(words, dtype=np.int64), starts[words]
        flagged = [j for j, f in enumerate(features) if f.indicator]
        self._flagged, self._flag_columns = np.array(flagged, dtype=np.int64), starts[[j + 1 for j in flagged]] - 1

    def __call__(self, base: Floats) -> Floats:
        out = np.zeros((len(base), self._width))
        missing = np.isnan(base)
        numbers = np.where(missing[:, self._numbers], self._median, base[:, self._numbers])
        out[:, self._number_columns] = (numbers - self._mean) / self._scale
        rows, columns = np.nonzero(~missing[:, self._words])
        codes = base[rows, self._words[columns]].astype(np.int64)
        out[rows, self._word_columns[columns] + codes] = 1.0
        out[:, self._flag_columns] = missing[:, self._flagged]
        return out
