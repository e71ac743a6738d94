"""A sample sorted once, so that no statistic sorts it again."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from drift.statistics.scores import Floats


@dataclass(frozen=True, eq=False)
class Sample:
    """Finite values in ascending order, shape (n,)."""

    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def centre(self) -> float:
        """The middle order statistic; sums are taken around it so that they cancel little."""
        return float(self.values[len(self.values) // 2])

    @cached_property
    def prefix(self) -> Floats:
        """Shape (n + 1,): the sums of the first k values, each minus `centre`."""
        sums = np.zeros(len(self.values) + 1)
        np.cumsum(self.values - self.centre, out=sums[1:])
        return sums

    @cached_property
    def sd(self) -> float:
        """Standard deviation (divided by n)."""
        return float(np.std(self.values))


def sample(values: "Floats | Sample") -> Sample:
    """`values`, shape (n,), sorted and without NaN and infinities; a Sample is returned as it is.

    >>> sample(np.array([2.0, np.nan, 1.0])).values
    array([1., 2.])
    """
    if isinstance(values, Sample):
        return values
    numbers = np.asarray(values, dtype=np.float64)
    return Sample(np.sort(numbers[np.isfinite(numbers)]))
