"""What an alarm of a streaming detector tells."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """An alarm. Positions count the finite values since the detector's start, the first one is 1.

    `position` is where the alarm rose, `start` how many values precede the estimated change; `before` and `after`
    are the means of the values on either side of it, since the last reset and up to the alarm. `warning` is where
    the warning that led to the alarm began, None where the method knows none.

    >>> Change(120, 100, 0.1, 0.6).rise
    0.5
    """

    position: int
    start: int
    before: float
    after: float
    warning: int | None = None

    @property
    def rise(self) -> float:
        """How much the mean grew; negative where it fell."""
        return self.after - self.before

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Change":
        """The change that `to_json` wrote."""
        return cls(**value)
