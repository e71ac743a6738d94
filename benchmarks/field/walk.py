"""What a schedule of retrains comes to, looked up in a bank of trained models. Standalone: numpy alone.

A bank has, of one stream, a model for each number of batches that may be known and each window of rows, its metric on
every later batch and its error on every later row. So any rule that says after a batch whether to retrain is walked
through in milliseconds, and each one finds the same models."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Bank:
    """`scores` (windows, models, batches) and `errors` (windows, models, rows), NaN or unset where a batch is not later
    than what the model knows. Model 0 is the first one, of `initial` batches, model k knows `initial` + k. Rows of
    batch t are `edges[t]` to `edges[t + 1]`; `spent` (windows, models) are the CPU seconds of each training."""

    windows: tuple[str, ...]
    initial: int
    edges: Floats
    scores: Floats
    errors: Floats
    spent: Floats
    metric: str
    greater_is_better: bool
    binary_errors: bool

    @property
    def batches(self) -> int:
        """Of the stream, the initial ones too."""
        return len(self.edges) - 1

    def rows(self, batch: int) -> slice:
        """Of one batch."""
        return slice(int(self.edges[batch]), int(self.edges[batch + 1]))


@dataclass(frozen=True)
class Walked:
    """The batches (from 0) after which there was a retrain, and the metric of what was served, by batch."""

    retrains: tuple[int, ...]
    scores: tuple[float, ...]
    cpu_seconds: float


Alarm = Callable[[int, int, Floats], bool]
"""After batch t: the model that serves, its known batches last of all, and the errors (n,) of its answers that became
known (empty: none); says whether to retrain."""


def load(path: Path) -> Bank:
    """A bank that `save` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        return Bank(
            tuple(kept["windows"].tolist()), int(kept["initial"]), kept["edges"], kept["scores"], kept["errors"],
            kept["spent"], str(kept["metric"]), bool(kept["greater_is_better"]), bool(kept["binary_errors"]),
        )  # fmt: skip


def save(bank: Bank, path: Path) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **vars(bank))
    temporary.replace(path)


def walk(bank: Bank, window: str, alarm: Alarm, delay: int = 0) -> Walked:
    """Serve batch after batch; labels come `delay` batches after their rows. Errors are those of the answers of the
    model that serves now: what an older one got wrong says nothing of it, and would make a rule fire again."""
    place, model, since = bank.windows.index(window), 0, bank.initial
    retrains, scores, spent = [], [], 0.0
    for batch in range(bank.initial, bank.batches):
        scores.append(float(bank.scores[place, model, batch]))
        if batch == bank.batches - 1:
            break
        told = batch - delay
        errors = bank.errors[place, model, bank.rows(told)] if told >= since else bank.errors[0, 0, :0]
        newest = told + 1 - bank.initial
        if alarm(batch, model + bank.initial, errors) and newest > model:
            model, since = newest, batch + 1
            retrains.append(batch)
            spent += float(bank.spent[place, model])
    return Walked(tuple(retrains), tuple(scores), spent)


def every(period: int) -> Callable[[], Alarm]:
    """A retrain each so many batches."""

    def made() -> Alarm:
        counted = [0]

        def alarm(batch: int, known: int, errors: Floats) -> bool:
            del batch, known, errors
            counted[0] += 1
            return counted[0] % period == 0

        return alarm

    return made


def never() -> Alarm:
    """The first model for good."""
    return lambda batch, known, errors: False


def mean(scores: tuple[float, ...]) -> float:
    """Over batches whose metric is defined."""
    return float(np.nanmean(np.asarray(scores, dtype=np.float64)))
