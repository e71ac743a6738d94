"""Rows of plain cells to the matrix of a preprocessor, without a table or a dictionary a row: what serving uses."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrain.model.preprocessing import Preprocessor
from retrain.records.predictions import Floats

Cells = tuple[float | str | None, ...]
"""A row: numbers, booleans and Unix seconds as numbers, categories as text, missing None or NaN."""


class RowEncoder:
    """A Preprocessor compiled for rows whose cells stand in the order of `names`: the bits of its `transform_rows`.

    A feature that is not among `names` is missing in every row."""

    def __init__(self, preprocessor: Preprocessor, names: Sequence[str]) -> None:
        self._preparation, self._prepared = preprocessor.preparation, preprocessor.transform_prepared
        if self._preparation is not None:
            preprocessor = self._preparation.raw
        place = {name: position for position, name in enumerate(names)}
        wanted = [feature.name for feature in preprocessor.features]
        self._picked = None if wanted == list(names) else [place.get(name) for name in wanted]
        features, self._is_raw = preprocessor.features, preprocessor.encoding == "raw"
        self._categories = [(j, f.index) for j, f in enumerate(features) if f.categories is not None]
        self._numbers = [j for j, f in enumerate(features) if not f.is_text]
        self._expanded = preprocessor.expanded

    def __call__(self, rows: Sequence[Cells]) -> Floats:
        """The matrix (n, features of the preprocessor)."""
        picked: list[list[Any]] = (
            [list(row) for row in rows]
            if self._picked is None
            else [[None if at is None else row[at] for at in self._picked] for row in rows]
        )
        if self._is_raw:
            raw: Floats = self._raw(picked)
            return raw if self._preparation is None else self._prepared(self._preparation.of_cells(raw))
        for position, index in self._categories:
            for row in picked:
                row[position] = index.get(row[position], math.nan)
        matrix = np.array(picked, dtype=np.float64)
        matrix[np.isinf(matrix)] = np.nan
        return self._expanded(matrix)

    def _raw(self, rows: list[list[Any]]) -> Any:
        """The same as plain cells, an object array."""
        matrix = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=object)
        matrix[:] = rows
        for position in self._numbers:
            numbers = matrix[:, position].astype(np.float64)
            numbers[np.isinf(numbers)] = np.nan
            matrix[:, position] = numbers
        return matrix
