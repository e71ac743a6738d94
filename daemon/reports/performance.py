"""Performance in words: measured with labels, estimated without, and what a detector saw in the stream of errors."""

from collections.abc import Mapping
from typing import Any

from drift.notation import counted, number, score

BLIND = "blind to concept drift, a change of what the features mean for the target"


def estimate_sentence(estimated: Mapping[str, Any] | None) -> str:
    """An estimate with its interval, marked as such; empty where there is none.

    >>> estimate_sentence({"metric": "accuracy", "value": 0.81, "interval": [0.8, 0.82], "rows": 900, "method": "CBPE"})
    'accuracy about 0.8100 (95% interval: 0.8000 to 0.8200) on 900 rows without labels: a CBPE estimate, blind
    to concept drift, a change of what the features mean for the target'
    """
    if estimated is None or estimated["value"] is None:
        return ""
    ends = estimated["interval"]
    between = "" if ends is None else f" (95% interval: {score(ends[0])} to {score(ends[1])})"
    value = f"{estimated['metric']} about {score(estimated['value'])}{between}"
    return f"{value} on {counted(estimated['rows'], 'row')} without labels: a {estimated['method']} estimate, {BLIND}"


def reference_words(performance: Mapping[str, Any]) -> str:
    """What a performance is compared with; empty for nothing.

    >>> reference_words({"reference": 0.7, "earlier": 6}), reference_words({"reference": 0.7, "earlier": 0})
    ('in the 6 files before it was 0.7000', 'at its evaluation it was 0.7000')
    """
    reference, earlier = performance.get("reference"), performance.get("earlier") or 0
    if reference is None:
        return ""
    when = "at its evaluation" if not earlier else f"in the {counted(earlier, 'file')} before"
    return f"{'in the file before' if earlier == 1 else when} it was {score(reference)}"


def rise_sentence(stream: Mapping[str, Any] | None) -> str:
    """What a detector saw in the errors of a file's labelled rows; empty where they did not rise.

    >>> rise_sentence({"detector": "adwin", "dropped": True, "row": 96, "since_row": 41, "before": 0.1, "after": 0.4})
    'adwin, watching the errors of labelled rows: at row 96 the mean error had risen from 0.1 to 0.4, since row 41'
    """
    if stream is None or not stream["dropped"]:
        return ""
    since = "an earlier file" if stream["since_row"] is None else f"row {stream['since_row']:,}"
    means = f"from {number(stream['before'])} to {number(stream['after'])}"
    who = f"{stream['detector']}, watching the errors of labelled rows"
    return f"{who}: at row {stream['row']:,} the mean error had risen {means}, since {since}"
