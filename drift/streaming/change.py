"""What an alarm of a streaming detector tells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """An alarm. Positions count the finite values since the detector's start, the first one is 1.

    `position` is where the alarm rose, `start` how many values precede the estimated change; `before` and `after`
    are the means of the values on either side of it, since the last reset and up to the alarm.

    >>> Change(120, 100, 0.1, 0.6).rise
    0.5
    """

    position: int
    start: int
    before: float
    after: float

    @property
    def rise(self) -> float:
        """How much the mean grew; negative where it fell."""
        return self.after - self.before
