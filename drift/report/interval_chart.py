"""Differences with their intervals beside zero: a table whose pictures repeat its numbers."""

from collections.abc import Sequence

from markupsafe import Markup

from drift.notation import signed
from drift.report.page import filled, table

Interval = tuple[str, float, float, float]
"""A name, the lower end, the middle and the upper end."""

PICTURE = """
<svg class="pair" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
<path class="guide" d="M{{ zero }} 0v100"/><path class="current" d="M{{ low }} 30H{{ high }}v40H{{ low }}z"/>
<path class="line main" d="M{{ middle }} 15v70"/></svg>
"""


def intervals(rows: Sequence[Interval], caption: str) -> Markup | str:
    """Each difference with its interval, on one scale with zero as a line; nothing without rows."""
    if not rows:
        return ""
    ends = [0.0, *(end for _, low, _, high in rows for end in (low, high))]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 1.0
    heads = [("", ""), ("", "wide"), ("difference", "num"), ("90 % interval", "num")]
    shown = [
        (
            name,
            _picture((first, middle, last), low - room, high + room),
            signed(middle),
            f"{signed(first)} to {signed(last)}",
        )
        for name, first, middle, last in rows
    ]
    return table(heads, shown, caption)


def _picture(row: tuple[float, float, float], low: float, high: float) -> Markup:
    at = [f"{100 * (value - low) / (high - low):.1f}" for value in (*row, 0.0)]
    return filled(PICTURE, low=at[0], middle=at[1], high=at[2], zero=at[3])
