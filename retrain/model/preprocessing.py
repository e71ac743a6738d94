"""Rows to a matrix of numbers, fitted once a version and kept apart from the estimator.

A snapshot's table and a request's rows give the same floats, bit by bit. `codes` is for estimators with
native categories (codes 0…k−1, missing and unseen NaN); `onehot` for all others (no NaN is left); `raw` for a pipeline
that prepares its rows itself: plain cells, see `retrain.model.pipeline`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import numpy as np

from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind
from retrain.rows import cells

if TYPE_CHECKING:
    import pyarrow as pa

Encoding = Literal["codes", "onehot", "raw"]
FORMAT = 1
MAX_CATEGORIES = 254


@dataclass(frozen=True)
class Feature:
    """A column as fitted: `categories` by falling frequency, then name; `indicator` where missing was seen.
    `median`, `mean` and `scale` impute and standardize under `onehot`; `missing` is of `raw`, see
    `retrain.model.pipeline: Input`."""

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] | None = None
    indicator: bool = False
    median: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    missing: str = "nan"

    @property
    def is_text(self) -> bool:
        """Whether its cells are text."""
        return self.kind in ("category", "text")

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


class Prepares(Protocol):
    """What a preprocessor needs of a preparation of the user's, see `retrain.model.preparation`."""

    @property
    def name(self) -> str:
        """The function, as the configuration names it."""

    @property
    def digest(self) -> str:
        """Of its file."""

    @property
    def file(self) -> str:
        """What the file is called."""

    @property
    def code(self) -> bytes:
        """The file."""

    @property
    def raw(self) -> "Preprocessor":
        """The cells of what the function reads."""

    def of_table(self, table: "pa.Table") -> "pa.Table":
        """The features of a snapshot's table."""

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
        """The features of rows as JSON gives them."""

    def of_cells(self, cells: Any) -> "pa.Table":
        """The features of raw cells."""

    def model_schema(self, schema: Schema) -> Schema:
        """The schema of the features."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""


@dataclass(frozen=True)
class Preprocessor:
    """Schema features to a float64 matrix of shape (rows, len(feature_names)), under `raw` an object array of plain
    cells, of which frames of `library` are made. With a `preparation` of the user's the features are what that gives,
    and tables and rows what it reads."""

    encoding: Encoding
    features: tuple[Feature, ...]
    library: str = ""
    preparation: "Prepares | None" = None

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
        if self.encoding != "onehot":
            return tuple(feature.name for feature in self.features)
        return tuple(name for feature in self.features for name in feature.names)

    @cached_property
    def categorical_mask(self) -> tuple[bool, ...]:
        """Which columns of the matrix hold category codes."""
        if self.encoding == "codes":
            return tuple(feature.categories is not None for feature in self.features)
        return (False,) * len(self.feature_names)

    def prepared(self, table: "pa.Table") -> "pa.Table":
        """A snapshot's table with the features as columns."""
        return table if self.preparation is None else self.preparation.of_table(table)

    def transform(self, table: "pa.Table") -> Floats:
        """The matrix of a snapshot's table. A column that it does not have is missing in every row; one of another kind
        is read as this kind, as far as that goes."""
        return self.transform_prepared(self.prepared(table))

    def transform_prepared(self, table: "pa.Table") -> Floats:
        """The same of a table that `prepared` gave."""
        if self.encoding == "raw":
            raw: Floats = self._raw_cells(table)
            return raw
        return self.expanded(self.codes(table))

    def codes(self, table: "pa.Table") -> Floats:
        """Codes and numbers (rows, features) whatever the encoding, free text as its length."""
        base = np.full((table.num_rows, len(self.features)), np.nan)
        names = set(table.column_names)
        for position, f in enumerate(self.features):
            if f.name in names and f.kind == "text":
                base[:, position] = [np.nan if text is None else len(text) for text in _texts(table.column(f.name))]
            elif f.name in names:
                base[:, position] = cells.from_arrow(table.column(f.name), f.kind, f.index)
        return base

    def numbers(self, table: "pa.Table") -> Floats:
        """The matrix of a snapshot's table for what learns from numbers alone: that of `transform`, or its codes where
        that has text."""
        if self.encoding != "raw":
            return self.transform(table)
        return self.codes(self.prepared(table))

    def _raw_cells(self, table: "pa.Table") -> Any:
        """Plain cells, an object array (rows, features)."""
        base = np.full((table.num_rows, len(self.features)), np.nan, dtype=object)
        names = set(table.column_names)
        for position, f in enumerate(self.features):
            if f.is_text:
                base[:, position] = _texts(table.column(f.name)) if f.name in names else None
            elif f.name in names:
                base[:, position] = cells.from_arrow(table.column(f.name), f.kind, {})
        return base

    def transform_rows(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """The matrix of rows as JSON gives them; absent and null are missing. Refused names a wrong value."""
        if self.preparation is not None:
            return self.transform_prepared(self.preparation.of_rows(rows))
        base = np.full((len(rows), len(self.features)), np.nan, dtype=object if self.encoding == "raw" else np.float64)
        for position, f in enumerate(self.features):
            values: Sequence[Any] = cells.plain_values([row.get(f.name) for row in rows], f.name, f.kind)
            coded = f.categories is not None and self.encoding != "raw"
            base[:, position] = [f.index.get(v, np.nan) for v in values] if coded else _kept(values, f)
        return self.expanded(base)

    def expanded(self, base: Floats) -> Floats:
        """The matrix of codes and numbers (rows, features)."""
        return self._expansion(base) if self.encoding == "onehot" else base

    @cached_property
    def _expansion(self) -> "_Expansion":
        return _Expansion(self.features)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; floats keep every bit."""
        features = [_plain(asdict(f)) for f in self.features]
        of_frames: dict[str, Any] = {"library": self.library} if self.library else {}
        if self.preparation is not None:
            of_frames["preparation"] = self.preparation.to_json()
        return {"format": FORMAT, "encoding": self.encoding, "features": features} | of_frames

    @classmethod
    def from_json(cls, value: Mapping[str, Any], preparation: "Prepares | None" = None) -> "Preprocessor":
        """The inverse of `to_json`, with the preparation that it had; Refused on an unknown format."""
        if value.get("format") != FORMAT:
            raise Refused(f"preprocessor format {value.get('format')!r}; this driftd reads format {FORMAT}")
        features = msgspec.convert(value["features"], tuple[Feature, ...])
        return cls(value["encoding"], features, value.get("library", ""), preparation)


def _plain(feature: dict[str, Any]) -> dict[str, Any]:
    """Without what is as it was before there were raw cells, so that digests stay."""
    return {key: value for key, value in feature.items() if key != "missing" or value != "nan"}


def _fit_column(table: "pa.Table", column: Column, encoding: Encoding, max_categories: int) -> Feature:
    values = table.column(column.name)
    if column.kind == "category":
        missing = encoding == "onehot" and values.null_count > 0
        return Feature(column.name, column.kind, cells.frequent(values, max_categories), missing)
    if encoding != "onehot":
        return Feature(column.name, column.kind)
    numbers = cells.from_arrow(values, column.kind, {})
    present = numbers[~np.isnan(numbers)]
    missing = len(present) < len(numbers)
    if not len(present):
        return Feature(column.name, column.kind, indicator=missing)
    median = float(np.median(present))
    mean, scale = _moments(np.where(np.isnan(numbers), median, numbers))
    return Feature(column.name, column.kind, None, missing, median, mean, scale)


def _texts(column: "pa.ChunkedArray") -> list[str | None]:
    from retrain.rows.retype import as_kind

    texts: list[str | None] = as_kind(column, "text").to_pylist()
    return texts


def _kept(values: Sequence[Any], feature: Feature) -> Sequence[Any]:
    """Cells as a raw matrix has them: what is missing of numbers is NaN."""
    return values if feature.is_text else [np.nan if value is None else value for value in values]


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
