"""The labels of one file of rows as they stand now, and samples of several files laid together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.statistics.scores import Floats

NEARLY = 0.95
NEVER = 2**40
FILE_ROWS = 2_000
"""So many rows of a file, in equal steps, are enough for the tests."""


@dataclass(frozen=True, eq=False)
class FileLabels:
    """A file of `rows` rows, `age` files of rows old (0: the newest), of which n are looked at and m have a label:
    `labelled` (n,). Of these, in their order: `classes` (m,), names or for a regression numbers; `lags` (m,), how many
    files of rows came between the row and its label (0: it came with its row, or before the next file); `changed` (m,),
    the same for the last change of a label, −1 where it never changed. `last_arrival`: how many files ago the newest
    label or change came (0: since the newest file).

    Of all n rows, None where unknown: `answers` (n,) the served model's score, `probabilities` (n, k) of its classes;
    of a version that was not trained on these labels, else it knows which rows had one."""

    seq: int
    age: int
    rows: int
    lags: NDArray[np.int64]
    classes: NDArray[Any]
    last_arrival: int
    answers: Floats | None
    labelled: NDArray[np.bool_]
    probabilities: Floats | None = None
    changed: NDArray[np.int64] | None = None

    @property
    def known(self) -> int:
        """How many rows have a label."""
        return len(self.classes)

    @property
    def share(self) -> float:
        """The share of rows that have a label."""
        return self.known / len(self.labelled) if len(self.labelled) else 0.0

    @property
    def whole(self) -> bool:
        """Every row has a label."""
        return 0 < self.known == len(self.labelled)

    @cached_property
    def final_lags(self) -> NDArray[np.int64]:
        """After how many files a label was as it is now, (m,)."""
        return self.lags if self.changed is None else np.maximum(self.lags, self.changed)

    @property
    def at_once(self) -> bool:
        """Nearly all rows have a label that came with them and was never changed."""
        return self.share >= NEARLY and not self.final_lags.any()

    @cached_property
    def scores(self) -> Floats | None:
        """What the model says of the rows, a column for each number that can vary by itself: (n, 1) or (n, k)."""
        if self.probabilities is not None:
            return self.probabilities[:, 1:] if self.probabilities.shape[1] == 2 else self.probabilities
        return None if self.answers is None else self.answers[:, None]

    @cached_property
    def one_class(self) -> Any:
        """The class of all its labels, None if there are several, or none."""
        return self.classes[0] if self.known and (self.classes == self.classes[0]).all() else None


@dataclass(frozen=True, eq=False)
class Pooled:
    """Labelled rows of several files, at most FILE_ROWS of each: when the label came and how old the row is, in files,
    its class, and the seq of its file; all (m,)."""

    lags: NDArray[np.int64]
    ages: NDArray[np.int64]
    classes: NDArray[Any]
    seqs: NDArray[np.int64]


def pooled(files: Sequence[FileLabels], silent: int = 0) -> Pooled:
    """The labels of files; ages as they were `silent` files ago, when the last label came."""
    places = [_steps(file.known) for file in files]
    sizes = [len(steps) for steps in places]

    def joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([array[steps] for array, steps in zip(arrays, places, strict=True)]) if files else NONE

    return Pooled(
        joined([file.final_lags for file in files]),
        np.repeat([max(0, file.age - silent) for file in files], sizes).astype(np.int64),
        joined([file.classes for file in files]),
        np.repeat([file.seq for file in files], sizes).astype(np.int64),
    )


def pooled_scores(files: Sequence[FileLabels]) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]] | None:
    """Of files with scores: scores (n, columns), after how many files their label came (n,), NEVER for those without,
    and the seqs of their files (n,)."""
    scores, lags, seqs = [], [], []
    for file in files:
        if file.scores is not None:
            steps = _steps(len(file.labelled))
            came = np.full(len(file.labelled), NEVER)
            came[file.labelled] = file.final_lags
            scores.append(file.scores[steps])
            lags.append(came[steps])
            seqs.append(np.full(len(steps), file.seq))
    if not scores or len({part.shape[1] for part in scores}) > 1:
        return None
    return np.concatenate(scores), np.concatenate(lags), np.concatenate(seqs)


NONE: NDArray[np.int64] = np.array([], dtype=np.int64)


def _steps(rows: int) -> NDArray[np.int64]:
    return np.linspace(0, rows - 1, min(rows, FILE_ROWS)).astype(np.int64)
