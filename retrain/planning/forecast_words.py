"""What is foretold, in words: the same in the gate's reason, `explain`, `versions` and model cards. Pure."""

from collections.abc import Mapping
from typing import Any

from drift.notation import counted, percent, signed
from retrain.planning.forecast import COVERED, NEXT_FILES

Json = Mapping[str, Any]
OVER = f"over the next {NEXT_FILES} files"
COVERS = (
    f"in {round(100 * COVERED)} of 100 cases the interval holds the gain (+ is better) over what was served until "
    f"then, on the next {NEXT_FILES} settled files (small ones taken together), whichever of the two is served; it "
    "says nothing of the time after them"
)
"""What the interval is, in a sentence."""


def expected_words(forecast: Json, scale: float | None = None) -> str:
    """The expected difference and its interval, as exact as numbers of this `scale`.

    >>> expected_words({"mean": 0.0231, "low": -0.002, "high": 0.0482})
    '+0.0231, between -0.0020 and +0.0482 at 90%'
    """
    mean, low, high = (signed(forecast[key], scale) for key in ("mean", "low", "high"))
    return f"{mean}, between {low} and {high} at {percent(COVERED)}"


def basis(forecast: Json, scale: float | None = None) -> str:
    """What the interval rests on.

    >>> found = {"difference": 0.03, "expected": 0.02, "mean": 0.02, "evidence": True, "trigger": "regret", "past": 0}
    >>> basis(found)
    'it rests on the gain on held-out rows (+0.0300), which shrinks on later ones, the more the less sure it is; on why
    the cycle was opened (regret), which counts for the challenger; no earlier cycle of this model tells more yet'
    >>> basis(found | {"evidence": False, "trigger": "schedule", "past": 1, "mean": 0.018}).partition("; ")[2]
    'on why the cycle was opened (schedule), which counts for neither; and on what 1 earlier cycle of this model came
    to: -0.0020'
    """
    counts = "which counts for the challenger" if forecast["evidence"] else "which counts for neither"
    past = "no earlier cycle of this model tells more yet"
    if forecast["past"]:
        moved = signed(forecast["mean"] - forecast["expected"], scale)
        past = f"and on what {counted(forecast['past'], 'earlier cycle')} of this model came to: {moved}"
    return (
        f"it rests on the gain on held-out rows ({signed(forecast['difference'], scale)}), which shrinks on later "
        f"ones, the more the less sure it is; on why the cycle was opened ({forecast['trigger']}), {counts}; {past}"
    )
