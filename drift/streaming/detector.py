"""The seam of all streaming detectors: frozen states, pure steps, and JSON to keep them between files."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from drift.statistics.scores import Floats
from drift.streaming.change import Change

CHUNK = 1024
"""So many values are looked at together: after an alarm at most so many are looked at again."""


@dataclass(frozen=True)
class Detector(ABC):
    """A detector's settings and, behind them, all that it remembers of the values it has seen."""

    kind: ClassVar[str]

    @abstractmethod
    def advance(self, values: Floats) -> tuple[Self, int, Change | None]:
        """Up to the first alarm among `values`, finite, shape (n,), n ≥ 1: the state, how many were used, the alarm."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, with the kind of the detector."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The state that `to_json` wrote; lists become tuples."""
        known = [field.name for field in fields(cls)]
        return cls(**{name: _frozen(value[name]) for name in known})


D = TypeVar("D", bound=Detector)


def update(state: D, values: Floats) -> tuple[D, Change | None]:
    """The state after `values`, shape (n,), and the first alarm among them. NaN and infinities are skipped.

    After an alarm the detector is reset and goes on with the values that are left: `changes` tells all alarms.
    """
    state, found = changes(state, values)
    return state, found[0] if found else None


def changes(state: D, values: Floats) -> tuple[D, tuple[Change, ...]]:
    """The state after `values`, shape (n,), and every alarm among them: the same in any split into batches."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    found: list[Change] = []
    done = 0
    while done < len(numbers):
        state, used, change = state.advance(numbers[done : done + CHUNK])
        done += used
        if change is not None:
            found.append(change)
    return state, tuple(found)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value
