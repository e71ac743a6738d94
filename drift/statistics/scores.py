"""What every statistic returns."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """A statistic and, where it is a test, its p-value; `reason` says why something is None.

    `extras` are further numbers of the same computation, such as `dof` or `normalized`.

    >>> Score(0.5, 0.01, {"dof": 3}).to_json()
    {'statistic': 0.5, 'p_value': 0.01, 'dof': 3}
    """

    statistic: float | None
    p_value: float | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    is_test: bool = True

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; numbers that are not finite become null."""
        value: dict[str, Any] = {"statistic": finite(self.statistic)}
        if self.is_test:
            value["p_value"] = finite(self.p_value)
        value.update({key: finite(extra) for key, extra in self.extras.items()})
        if self.reason is not None:
            value["reason"] = self.reason
        return value


def nothing(reason: str, is_test: bool = True) -> Score:
    """The score of what cannot be computed."""
    return Score(None, None, {}, reason, is_test)


def finite(value: Any) -> Any:
    """`value`, or None where it is a float that JSON cannot carry."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
