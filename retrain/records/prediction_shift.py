"""How it is told what a drifted column of a file does to predictions, as a check's report has it."""

from collections.abc import Mapping
from typing import Any

from drift.notation import number


def shift_sentence(shift: Mapping[str, Any]) -> str:
    """What a column does to predictions, in words.

    >>> shift_sentence({"mean": 0.214, "error": 0.03, "scale": "log-odds of 'yes'", "class": None})
    "it moves predictions by +0.214 ± 0.03 on average (log-odds of 'yes'; ± standard error)"
    """
    of = "" if shift["class"] is None else f" of {shift['class']!r}"
    sign = "+" if shift["mean"] > 0 else ""
    size = f"{sign}{number(shift['mean'])} ± {number(shift['error'])}"
    return f"it moves predictions{of} by {size} on average ({shift['scale']}; ± standard error)"
