"""Tests on a share of rows: those that are missing, and those with a category never seen before."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from drift.statistics.chi_squared import chi_squared
from drift.statistics.scores import finite


@dataclass(frozen=True)
class ShareTest:
    """The share of rows on both sides and the p-value of their difference, by chi-squared `statistic`; `values` are
    examples."""

    reference: float | None
    current: float | None
    p_value: float | None = None
    reason: str | None = None
    values: tuple[str, ...] = ()
    p_adjusted: float | None = None
    statistic: float | None = None

    @property
    def difference(self) -> float:
        """Current minus reference, 0 where either is unknown."""
        return 0.0 if self.reference is None or self.current is None else self.current - self.reference

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without `values`."""
        value = {
            "reference": finite(self.reference),
            "current": finite(self.current),
            "p_value": finite(self.p_value),
            "p_adjusted": finite(self.p_adjusted),
        }
        return value if self.reason is None else {**value, "reason": self.reason}


def share_test(reference: int, reference_rows: int, current: int, current_rows: int) -> ShareTest:
    """Do `reference` of `reference_rows` and `current` of `current_rows` show one share?

    Chi-squared test of homogeneity on the 2 × 2 table, Fisher's exact test where a count is small.

    >>> share_test(0, 1000, 0, 1000).reason
    'none on either side'
    >>> share_test(0, 10_000, 1, 1000).p_value < 0.05
    False
    """
    if not reference_rows or not current_rows:
        return ShareTest(None, None, None, "empty")
    shares = (reference / reference_rows, current / current_rows)
    if reference + current == 0:
        return ShareTest(*shares, p_value=None, reason="none on either side")
    if reference + current == reference_rows + current_rows:
        return ShareTest(*shares, p_value=None, reason="all on both sides")
    rows = (np.array([reference, reference_rows - reference]), np.array([current, current_rows - current]))
    test = chi_squared(*rows)
    return ShareTest(*shares, p_value=test.p_value, statistic=test.statistic)
