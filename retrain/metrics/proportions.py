"""Shares of rows and their differences, with intervals that hold for few rows and for shares near 0 or 1."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

Interval = tuple[float, float]


@dataclass(frozen=True)
class Proportion:
    """A share, and on how many independent rows as good as these it rests (0 or more, may be fractional)."""

    share: float
    rows: float


@dataclass(frozen=True)
class Part:
    """Of one file: sums of weights of all rows and of those that count, and of squared weights of all rows."""

    total: float
    squares: float
    counting: float


def pooled(parts: Sequence[Part]) -> Proportion | None:
    """Of several files as one; None without rows.

    Rows that do not count alike are as good as (Σw)²/Σw² others (Kish 1965). Where shares differ between files by more
    than their rows say, rows are as good as fewer: divided by Pearson's chi-squared over its degrees of freedom, if
    that is above 1 (Rao and Scott 1992).

    >>> pooled([Part(100, 100, 50), Part(100, 100, 50)])
    Proportion(share=0.5, rows=200.0)
    >>> pooled([Part(100, 100, 20), Part(100, 100, 80)]).rows
    2.7777777777777777
    """
    found = [part for part in parts if part.total > 0]
    if not found:
        return None
    total, squares = sum(part.total for part in found), sum(part.squares for part in found)
    share = min(1.0, sum(part.counting for part in found) / total)
    spread = share * (1 - share)
    if len(found) < 2 or not spread:
        return Proportion(share, total**2 / squares)
    apart = sum(part.total**2 / part.squares * (part.counting / part.total - share) ** 2 / spread for part in found)
    return Proportion(share, total**2 / squares / max(1.0, apart / (len(found) - 1)))


def quantile(level: float) -> float:
    """The z beyond which a standard normal value lies, to both sides together, with this probability.

    >>> round(quantile(0.05), 2)
    1.96
    """
    return -NormalDist().inv_cdf(level / 2)


def wilson(found: Proportion, z: float) -> Interval:
    """The score interval of a share (Wilson 1927).

    >>> [round(end, 3) for end in wilson(Proportion(0.1, 50.0), 1.96)]
    [0.043, 0.214]
    """
    share, rows = found.share, found.rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(one: Proportion, other: Proportion, z: float) -> Interval:
    """The interval of `one` less `other`, two independent shares: the hybrid score interval (Newcombe 1998, method
    10).

    >>> [round(end, 4) for end in newcombe(Proportion(56 / 70, 70.0), Proportion(48 / 80, 80.0), 1.96)]
    [0.0524, 0.3339]
    """
    ends, other_ends = wilson(one, z), wilson(other, z)
    low = lower_end(one.share, ends, other.share, other_ends)
    return low, -lower_end(other.share, other_ends, one.share, ends)


def lower_end(share: float, ends: Interval, other: float, other_ends: Interval) -> float:
    """The lower end of `newcombe` of two shares whose Wilson intervals are known."""
    return max(-1.0, share - other - math.hypot(share - ends[0], other_ends[1] - other))
