"""What the gate foretold of a challenger, and what it came to, in words."""

from collections.abc import Mapping
from typing import Any

from drift.notation import amount, counted, percent, signed
from retrain.planning.forecast import COVERED, NEXT_FILES

Json = Mapping[str, Any]


def expected_words(forecast: Json, scale: float | None = None) -> str:
    """The expected difference and its interval, as exact as numbers of this `scale`.

    >>> expected_words({"mean": 0.0231, "low": -0.002, "high": 0.0482})
    '+0.0231, between -0.0020 and +0.0482 at 90%'
    """
    mean, low, high = (signed(forecast[key], scale) for key in ("mean", "low", "high"))
    return f"{mean}, between {low} and {high} at {percent(COVERED)}"


def realised_words(realised: Json, forecast: Json, scale: float | None = None) -> str:
    """What the difference came to, and whether the interval held it.

    >>> realised_words({"difference": -0.04, "se": 0.01, "rows": 1600}, {"low": -0.002, "high": 0.0482})
    '-0.0400 ± 0.0100 on 1,600 rows: below the interval'
    """
    found = realised["difference"]
    error = "" if realised.get("se") is None else f" ± {amount(realised['se'], scale)}"
    where = "below" if found < forecast["low"] else "above" if found > forecast["high"] else "within"
    return f"{signed(found, scale)}{error} on {counted(realised['rows'], 'row')}: {where} the interval"


def forecast_lines(forecast: Json, realised: Json | None, scale: float | None) -> list[str]:
    """Lines of a story, the second once the files are there."""
    label = f"expected over the next {NEXT_FILES} files"
    lines = [f"  {label:32} {expected_words(forecast, scale)}"]
    lines += [f"  - {basis(forecast)}"]
    if realised is not None:
        came_to = realised_words(realised, forecast, scale)
        lines.append(f"  {'realised over ' + counted(len(realised['files']), 'file'):32} {came_to}")
    return lines


def basis(forecast: Json) -> str:
    """What the forecast was made of.

    >>> basis({"evidence": True, "trigger": "regret", "past": 1})
    'the difference on held-out rows returns part of the way to nothing; the cycle was opened by evidence (regret); it
    counts what 1 earlier cycle of this model came to'
    """
    opened = "by evidence" if forecast["evidence"] else "without evidence of its own"
    past = counted(forecast["past"], "earlier cycle") if forecast["past"] else "no earlier cycle"
    return (
        "the difference on held-out rows returns part of the way to nothing; the cycle was opened "
        f"{opened} ({forecast['trigger']}); it counts what {past} of this model came to"
    )
