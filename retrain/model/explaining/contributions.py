"""The contributions of the columns to what a model says of rows, and what they are contributions to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drift.notation import counted
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
class Background:
    """Rows to compare with, as JSON gives them, and what one of them is called."""

    rows: Sequence[Mapping[str, Any]]
    one: str

    @property
    def words(self) -> str:
        """How many of what.

        >>> Background([{}, {}], "training row").words
        '2 training rows'
        """
        return counted(len(self.rows), self.one)


@dataclass(frozen=True, eq=False)
class Contributions:
    """Of n rows and p `columns` to k numbers a row: `base` (k,) and `values` (n, p, k) add up to what is explained.

    `errors` (n, p, k): standard errors where the values are sampled, by so many `permutations`; None where they are
    exact. `background` says which rows were compared with; empty where none were."""

    method: str
    scale: Scale
    columns: tuple[str, ...]
    base: Floats
    values: Floats
    errors: Floats | None = None
    permutations: int = 0
    background: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def explained(self) -> Floats:
        """What is explained (n, k)."""
        total: Floats = self.base + self.values.sum(axis=1)
        return total


def no_step() -> None:
    """For work that nobody ends."""
