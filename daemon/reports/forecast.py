"""What the gate foretold of a challenger, and what it came to, as lines of a story."""

from collections.abc import Mapping
from typing import Any

from drift.notation import amount, counted, signed
from retrain.planning.forecast_words import COVERS, OVER, basis, expected_words

Json = Mapping[str, Any]


def in_interval(realised: Json, forecast: Json) -> bool:
    """Whether the interval held what came."""
    return bool(forecast["low"] <= realised["difference"] <= forecast["high"])


def realised_words(realised: Json, forecast: Json, scale: float | None = None) -> str:
    """What the difference came to, and whether the interval held it.

    >>> realised_words({"difference": -0.04, "se": 0.01, "rows": 1600}, {"low": -0.002, "high": 0.0482})
    '-0.0400 ± 0.0100 on 1,600 rows: below the interval'
    """
    found = realised["difference"]
    error = "" if realised.get("se") is None else f" ± {amount(realised['se'], scale)}"
    where = "within" if in_interval(realised, forecast) else "below" if found < forecast["low"] else "above"
    return f"{signed(found, scale)}{error} on {counted(realised['rows'], 'row')}: {where} the interval"


def forecast_lines(forecast: Json, realised: Json | None, scale: float | None) -> list[str]:
    """Lines of a story: what was expected, what it came to once the files are there, and what the interval is."""
    lines = [f"  {'expected ' + OVER:32} {expected_words(forecast, scale)}"]
    if realised is not None:
        came_to = realised_words(realised, forecast, scale)
        lines.append(f"  {'realised over ' + counted(len(realised['files']), 'file'):32} {came_to}")
    return [*lines, f"  - {COVERS}", f"  - {basis(forecast, scale)}"]
