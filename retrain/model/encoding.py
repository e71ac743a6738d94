"""Rows of plain cells to the matrix of a preprocessor, without a table or a dictionary a row: what serving uses."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrain.model.preprocessing import Feature, Preprocessor
from retrain.records.predictions import Floats

Cells = tuple[float | str | None, ...]
"""A row: numbers, booleans and Unix seconds as numbers, categories as text, missing None or NaN."""


class RowEncoder:
    """A Preprocessor compiled for rows whose cells stand in the order of `names`: the bits of its `transform_rows`.

    A feature that is not among `names` is missing in every row."""

    def __init__(self, preprocessor: Preprocessor, names: Sequence[str]) -> None:
        place = {name: position for position, name in enumerate(names)}
        wanted = [feature.name for feature in preprocessor.features]
        self._picked = None if wanted == list(names) else [place.get(name) for name in wanted]
        features = preprocessor.features
        self._categories = [(j, f.index) for j, f in enumerate(features) if f.categories is not None]
        self._expand = None if preprocessor.encoding == "codes" else _Expansion(features)

    def __call__(self, rows: Sequence[Cells]) -> Floats:
        """The matrix (n, features of the preprocessor)."""
        picked: list[list[Any]] = (
            [list(row) for row in rows]
            if self._picked is None
            else [[None if at is None else row[at] for at in self._picked] for row in rows]
        )
        for position, index in self._categories:
            for row in picked:
                row[position] = index.get(row[position], math.nan)
        matrix = np.array(picked, dtype=np.float64)
        matrix[np.isinf(matrix)] = np.nan
        return matrix if self._expand is None else self._expand(matrix)


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
        told = [j for j, f in enumerate(features) if f.indicator]
        self._told, self._told_columns = np.array(told, dtype=np.int64), starts[[j + 1 for j in told]] - 1

    def __call__(self, base: Floats) -> Floats:
        out = np.zeros((len(base), self._width))
        missing = np.isnan(base)
        numbers = np.where(missing[:, self._numbers], self._median, base[:, self._numbers])
        out[:, self._number_columns] = (numbers - self._mean) / self._scale
        rows, columns = np.nonzero(~missing[:, self._words])
        codes = base[rows, self._words[columns]].astype(np.int64)
        out[rows, self._word_columns[columns] + codes] = 1.0
        out[:, self._told_columns] = missing[:, self._told]
        return out
