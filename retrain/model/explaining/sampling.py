"""Contributions of the columns to any function of a row: Shapley values by sampled permutations (Castro, Gómez and
Tejada 2009; Štrumbelj and Kononenko 2014), each beside its reverse (Mitchell et al. 2022).

A permutation begins with a background row and takes the columns of the explained row one after the other; what each
changes is its contribution. All background rows are used equally often, with the same permutations for every row that
is explained: the same row has the same contributions, and these add up to what is explained exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.model.explaining.contributions import Step, no_step
from retrain.records.predictions import Floats

MOST_AT_ONCE, MOST_CELLS = 4_096, 2_000_000
"""Rows, and cells of these, that the function is asked for in one call."""
Function = Callable[[Sequence[Floats]], Floats]
"""Of one matrix for each member, (n, its features), the explained numbers (n, k)."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """`background`: for each member the same m ≥ 2 rows of its matrix, each as often as the others; `owners`: for each
    of its features the place of its column among `columns`."""

    function: Function
    background: Sequence[Floats]
    owners: Sequence[NDArray[np.int64]]
    columns: int
    seed: int = 0

    @property
    def permutations(self) -> int:
        """How many are tried of each row."""
        return 2 * len(self.background[0])

    @property
    def evaluations(self) -> int:
        """How often the function is asked for one row."""
        return self.permutations * (self.columns + 1)

    def base(self) -> Floats:
        """The mean (k,) over the background."""
        mean: Floats = self.function(self.background).mean(axis=0)
        return mean

    def __call__(self, matrices: Sequence[Floats], step: Step = no_step) -> tuple[Floats, Floats]:
        """Contributions (n, columns, k) for n rows, and their standard errors: of the mean over the background rows,
        each with a permutation and its reverse."""
        ranks = self._ranks()
        found = [self._one([X[row] for X in matrices], ranks, step) for row in range(len(matrices[0]))]
        values, errors = zip(*found, strict=True)
        return np.stack(values), np.stack(errors)

    def _ranks(self) -> NDArray[np.int64]:
        """The place of each column in each permutation (2m, columns): one for each of the m background rows, then the
        reverse of these."""
        rng = np.random.default_rng(self.seed)
        straight = rng.permuted(np.tile(np.arange(self.columns), (len(self.background[0]), 1)), axis=1)
        return np.concatenate([straight, self.columns - 1 - straight])

    def _one(self, row: Sequence[Floats], ranks: NDArray[np.int64], step: Step) -> tuple[Floats, Floats]:
        """Of one row, given by its features of each member."""
        changes = np.diff(self._values(row, ranks, step), axis=1)
        by_column = np.take_along_axis(changes, ranks[:, :, None], axis=1)
        pairs = by_column.reshape(2, -1, *by_column.shape[1:]).mean(axis=0)
        errors = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
        return pairs.mean(axis=0), errors

    def _values(self, row: Sequence[Floats], ranks: NDArray[np.int64], step: Step) -> Floats:
        """The function along all permutations (2m, columns + 1, k): from the background row to the whole row."""
        points = self.columns + 1
        at_once = max(1, min(MOST_AT_ONCE, MOST_CELLS // sum(map(len, row))))
        pieces = []
        for start in range(0, len(ranks) * points, at_once):
            step()
            at = np.arange(start, min(start + at_once, len(ranks) * points))
            taken = ranks[at // points] < (at % points)[:, None]
            origin = at // points % len(self.background[0])
            mixed = [
                np.where(taken[:, owner], own, background[origin])
                for own, background, owner in zip(row, self.background, self.owners, strict=True)
            ]
            pieces.append(self.function(mixed))
        values: Floats = np.concatenate(pieces).reshape(len(ranks), points, -1)
        return values
