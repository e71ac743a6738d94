"""The contributions of the columns to what a model says of rows, and what they are contributions to."""

from collections.abc import Callable
from dataclasses import dataclass

from retrain.records.predictions import Floats

Step = Callable[[], None]
"""Called between steps of some milliseconds; what it raises ends the work."""


@dataclass(frozen=True)
class Scale:
    """What the contributions add up to. `outputs` names the classes that are explained, each with a number of its own:
    the second of two, all of more; none for a regression. `words` says what these numbers are."""

    words: str
    outputs: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Numbers a row."""
        return max(1, len(self.outputs))


@dataclass(frozen=True, eq=False)
class Contributions:
    """Of n rows and p `columns` to k numbers a row: `base` (k,) and `values` (n, p, k) add up to what is explained.

    `errors` (n, p, k): standard errors where the values are sampled, by so many `permutations`; None where they are
    exact."""

    method: str
    scale: Scale
    columns: tuple[str, ...]
    base: Floats
    values: Floats
    errors: Floats | None = None
    permutations: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def explained(self) -> Floats:
        """What is explained (n, k)."""
        total: Floats = self.base + self.values.sum(axis=1)
        return total


def no_step() -> None:
    """For work that nobody ends."""
