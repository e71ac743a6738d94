"""A column's jump in words: what a person would have done to it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drift.notation import number

FACTORS = {
    1000.0: "kilo", 100.0: "per cent or centi", 2.54: "inches and centimetres", 3.2808: "metres and feet",
    2.2046: "kilograms and pounds", 1.6093: "miles and kilometres", 60.0: "minutes and hours", 3.6: "m/s and km/h",
    3600.0: "seconds and hours", 24.0: "hours and days", 1e6: "mega",
}  # fmt: skip
CLOSE, KNOWN = 0.1, 0.06


def describe_change(k: int, names: Sequence[str], now: Any, before: Sequence[Any], stuck: bool) -> str:
    """What became of column k, the most telling explanation first."""
    middle = float(np.mean([one.middle[k] for one in before]))
    scale = float(np.mean([one.scale[k] for one in before]))
    seen = f"{names[k]} has a mean of {number(now.middle[k])} instead of {number(middle)}"
    if stuck:
        return (
            f"{names[k]} is stuck at {number(now.first[k])}"
            if now.distinct[k]
            else f"{names[k]} is missing in all rows"
        )
    factor = float(now.scale[k] / scale) if scale else 1.0
    if (other := _swapped(k, now, before)) is not None:
        return f"{seen}: it looks like {names[other]}, as if columns were swapped"
    if abs(now.middle[k] + middle) < 0.5 * scale and abs(factor - 1) < 2 * CLOSE and abs(middle) > scale:
        return f"{seen}: its sign changed"
    if abs(now.middle[k] - factor * middle) <= CLOSE * (abs(factor * middle) + now.scale[k]):
        return f"{seen}: it is {number(factor)} times what it was{_known(factor)}"
    if abs(factor - 1.8) < 0.3 and abs(now.middle[k] - 1.8 * middle - 32) < scale:
        return f"{seen}: as °F instead of °C"
    if abs(now.middle[k] - (middle - 32) / 1.8) < 0.6 * scale and abs(factor - 1 / 1.8) < 0.1:
        return f"{seen}: as °C instead of °F"
    if abs(factor - 1) < 2 * CLOSE:
        return f"{seen}: it is shifted by {number(now.middle[k] - middle)}"
    rest = now.middle[k] - factor * middle
    sign = "+" if rest >= 0 else "-"
    return f"{seen}: about {number(factor)} · x {sign} {number(abs(rest))}"


def swapped_pair(moved: list[int], now: Any, before: Sequence[Any]) -> list[int] | None:
    """The two columns that moved, if they moved into each other's place."""
    swapped = (
        len(moved) == 2 and _is_like(now, moved[0], before, moved[1]) and _is_like(now, moved[1], before, moved[0])
    )
    return moved if swapped else None


def _swapped(k: int, now: Any, before: Sequence[Any]) -> int | None:
    """Another column whose place and scale in recent files this one has now, while that one has this one's."""
    for other in range(len(now.middle)):
        if other != k and _is_like(now, k, before, other) and _is_like(now, other, before, k):
            return other
    return None


def _is_like(now: Any, k: int, before: Sequence[Any], other: int) -> bool:
    middles = [one.middle[other] for one in before]
    scale = float(np.mean([one.scale[other] for one in before]))
    near = min(middles) - 0.5 * scale <= now.middle[k] <= max(middles) + 0.5 * scale
    return bool(near and scale > 0 and 0.7 < now.scale[k] / scale < 1.4)


def _known(factor: float) -> str:
    for value, units in FACTORS.items():
        if factor > 0 and abs(abs(math.log(factor)) - math.log(value)) < KNOWN:
            return f" ({units})"
    return ""
