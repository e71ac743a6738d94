"""The champion's errors as one stream over all its labelled rows, in order of arrival, watched by a detector.

A file's metric is judged alone; the stream goes on from file to file, so that it sees what is too small for any one
file to show, and where within a file the errors rose. Its state is a value that the caller keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.streaming import Adwin, Change, Detector, PageHinkley, changes, from_json
from retrain.monitoring.performance import stream_level
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings

FORMAT = 1
"""Of the kept state; another begins the stream anew."""
MOST_CHANGES = 20
"""Listed in a report."""
SPAN_QUANTILE = 0.99
"""Of absolute errors of numbers: their range, in which an outlier counts no more than 1."""
MOST_DELTA = Adwin().delta
FRESH: dict[str, Detector] = {
    "adwin": Adwin(),
    "page_hinkley": PageHinkley(threshold=60.0),
}
"""The settings with the longest measured runs to a false alarm, see docs/streaming-detectors.md."""


@dataclass(frozen=True, eq=False)
class Watch:
    """`state` is to be kept for the next file, `told` what the detector saw in this one; both are plain JSON."""

    state: dict[str, Any]
    told: dict[str, Any]


def row_errors(y: Labels, predictions: Predictions) -> Floats:
    """The error of each row (n,): 1 for a wrong class and 0 for the right one, or |label − prediction|.

    >>> row_errors(np.array(["a", "b"]), Predictions(np.array(["a", "a"]), None, ("a", "b")))
    array([0., 1.])
    """
    if predictions.classes is not None:
        return np.asarray(y != predictions.values, dtype=np.float64)
    return np.abs(np.asarray(y, dtype=np.float64) - np.asarray(predictions.values, dtype=np.float64))


def error_span(y: Labels, predictions: Predictions) -> float | None:
    """The width of the errors' range: 1 for classes, else the 99 % quantile of the errors on these rows; None where
    no row has a finite one."""
    if predictions.classes is not None:
        return 1.0
    errors = row_errors(y, predictions)
    finite = errors[np.isfinite(errors)]
    return float(np.quantile(finite, SPAN_QUANTILE)) if len(finite) else None


def watch_errors(
    errors: Floats,
    rows: NDArray[np.int64],
    kept: Mapping[str, Any] | None,
    span: float | None,
    settings: ModelSettings,
) -> Watch | None:
    """Let the detector of the configuration go on over the `errors` (n,) of the rows with these numbers (n,).

    `kept` is the state after the rows before, None at a champion's start; where it is of another detector or format
    the stream begins anew. Errors are divided by `span` and at most 1, see `error_span`. The first rise of at least
    `triggers.min_drop`, in this unit, is `dropped`. None where no detector is asked for, or no error is finite.
    """
    known = np.isfinite(errors)
    if settings.drift.detector == "none" or not known.any():
        return None
    errors, rows = errors[known], rows[known]
    usable = kept is not None and kept.get("format") == FORMAT and kept["detector"]["kind"] == settings.drift.detector
    state = kept if usable else None
    width = state["span"] if state is not None else span or float(np.quantile(errors, SPAN_QUANTILE)) or 1.0
    before = from_json(state["detector"]) if state is not None else FRESH[settings.drift.detector]
    detector = _budgeted(before, len(errors), settings)
    after, found = changes(detector, np.minimum(errors / width, 1.0))
    seen = int(before.to_json()["seen"])
    told = [_describe(change, rows, seen, width) for change in found]
    counts = [change.rise > 0 and change.rise >= settings.triggers.min_drop for change in found]
    rises = list(compress(told, counts))
    first = rises[0] if rises else dict.fromkeys(("row", "since_row", "before", "after"))
    summary = {"detector": settings.drift.detector, "rows": len(errors), "seen": seen + len(errors), "span": width}
    kept_state = {"format": FORMAT, "span": width, "detector": after.to_json()}
    return Watch(kept_state, summary | {"dropped": bool(rises), **first, "changes": told[:MOST_CHANGES]})


def seen(watch: Watch, performance: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a file: its errors rose (`dropped`) only where its metric is worse than before as well. Rows in
    the order of time come in runs of easy and hard ones, which are no change."""
    return watch.told | {"rose": watch.told["dropped"], "dropped": watch.told["dropped"] and not performance["holds"]}


def _budgeted(detector: Detector, rows: int, settings: ModelSettings) -> Detector:
    """ADWIN's delta bounds the chance of a false alarm at one look, and it looks once in `clock` values: all looks
    at these rows together stay within the check's share of the budget. Page–Hinkley has no such bound."""
    if not isinstance(detector, Adwin):
        return detector
    looks = max(1.0, rows / detector.clock)
    return replace(detector, delta=min(MOST_DELTA, stream_level(settings) / looks))


def _describe(change: Change, rows: NDArray[np.int64], seen: int, span: float) -> dict[str, Any]:
    """The row at which the alarm rose, the first row after the change, None where an earlier file holds it, and the
    mean errors on either side."""
    since = change.start - seen
    return {
        "row": int(rows[change.position - seen - 1]),
        "since_row": int(rows[since]) if 0 <= since < len(rows) else None,
        "before": span * change.before,
        "after": span * change.after,
    }
