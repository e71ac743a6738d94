"""How what was served did on labelled rows, and what that comes to beside the files before."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from drift.notation import counted
from retrain.metrics.metric import Metric
from retrain.metrics.resampling import standard_error, value_or_nan
from retrain.monitoring.drop import Evaluated, Score, judge_drop
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import ModelSettings

MOST_CLASSES = 5
"""Named in a note."""
Z_95 = 1.959964
"""The 97.5 % quantile of the standard normal distribution."""
PERFORMANCE_SHARE = 0.25
"""Of a check's budget of false alarms; the tests of drift share the rest."""
DROP_SHARE, STREAM_SHARE = 0.5, 0.125
"""Of `drift.false_alarms` in a file: the test of a drop, and the detector of a rise of errors."""
WORSE = 0.1
"""A file's metric holds unless it is worse than before with such a p-value."""
BLOCKS, FEWEST_IN_BLOCKS = 20, 3
NO_VERDICT: Mapping[str, Any] = MappingProxyType(
    {"dropped": False, "drop": None, "p_value": None, "reference": None, "reference_se": None, "earlier": 0,
     "together": 1, "holds": True}
)  # fmt: skip
"""Of a performance that is not compared with anything."""
NO_VALUE: Mapping[str, Any] = MappingProxyType(
    {"value": None, "se": None, "blocks": None, "interval": None, "began": False, **NO_VERDICT}
)
"""Of one that was not measured either."""


def measured(metric: Metric, y: Labels, predictions: Predictions, seed: int) -> dict[str, Any]:
    """The metric on `y` (n,), its standard error, 95 % `interval` and `blocks`: how many times larger the variance is
    by blocks of consecutive rows than the standard error says. `reason` says why a number is None."""
    found = metric.evaluate(y, predictions)
    error = blocks = None
    if found.value is not None:
        error = standard_error(metric, y, predictions, seed=seed)
        blocks = _blocks(metric, y, predictions, error)
    return {
        "metric": metric.name,
        "value": found.value,
        "se": error,
        "blocks": blocks,
        "interval": None if error is None else interval(found.value, error),
        "rows": len(y),
        "reason": found.reason or None,
        **NO_VERDICT,
    } | (_unknown_classes_note(y, predictions) if found.value is not None else {})


def with_verdict(
    found: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    evaluated: Evaluated | None,
    greater_is_better: bool,
    settings: ModelSettings,
) -> dict[str, Any]:
    """A measured performance with what it comes to beside the `earlier` ones of the same deployment, oldest first: see
    `retrain.monitoring.drop`. `holds`: the file is not worse than these were, by itself."""
    reason = (found["reason"] if found["value"] is None else "") or _unfit(found, settings)
    if reason:
        return {**found, **NO_VERDICT, "reason": reason}
    scores = [score for one in earlier if (score := score_of(one)) is not None]
    newest = score_of(found)
    assert newest is not None
    sign = 1.0 if greater_is_better else -1.0
    drop = judge_drop([*scores, newest], evaluated, sign, drop_level(settings), settings.triggers.min_drop)
    return {
        **found, "dropped": drop.dropped, "drop": drop.drop, "p_value": drop.p_value, "reference": drop.reference,
        "reference_se": drop.reference_se, "earlier": len(scores), "together": drop.files,
        "holds": drop.newest_p_value is None or drop.newest_p_value > WORSE, "reason": drop.reason or None,
    }  # fmt: skip


def score_of(found: Mapping[str, Any]) -> Score | None:
    """A performance as the test of a drop reads it; None where it cannot."""
    if found.get("value") is None or found.get("se") is None:
        return None
    return Score(found["value"], found["se"], found["rows"], found.get("blocks") or 1.0)


def drop_level(settings: ModelSettings) -> float:
    """The chance of a false alarm that the test of a drop may have in one file. It is stated as `drift.false_alarms`:
    half of that is left for files that differ by more than is known of them.

    >>> drop_level(ModelSettings(data_dir="d", task="regression", target="y"))
    0.005
    """
    return DROP_SHARE * settings.drift.false_alarms


def stream_level(settings: ModelSettings) -> float:
    """The chance of a false alarm that the detector of the stream of errors may have in one file."""
    return STREAM_SHARE * settings.drift.false_alarms


def interval(value: float | None, se: float) -> list[float] | None:
    """The normal 95 % confidence interval.

    >>> [round(end, 3) for end in interval(0.8, 0.01)]
    [0.78, 0.82]
    """
    return None if value is None else [value - Z_95 * se, value + Z_95 * se]


def drop_p_value(drop: float, se: float, reference_se: float) -> float:
    """One-sided p-value of a drop as large as this, of two independent normal estimates.

    >>> round(drop_p_value(0.1, 0.03, 0.04), 4)
    0.0228
    """
    spread = math.hypot(se, reference_se)
    if spread == 0:
        return 0.0 if drop > 0 else 1.0
    return 0.5 * math.erfc(drop / spread / math.sqrt(2))


def _unfit(found: Mapping[str, Any], settings: ModelSettings) -> str:
    """Why nothing can be told of a drop; empty where it can."""
    if found["rows"] < settings.drift.min_rows:
        return f"only {counted(found['rows'], 'labelled row')}; {settings.drift.min_rows} are needed to tell a drop"
    return "the standard error of the metric is undefined on these rows" if found["se"] is None else ""


def _blocks(metric: Metric, y: Labels, predictions: Predictions, error: float | None) -> float | None:
    """The variance of the metric by leaving out one of 20 blocks of consecutive rows after the other (Künsch 1989), as
    a share of that of the standard error; None where either is undefined, or where rows are too few for blocks."""
    if not error or len(y) < FEWEST_IN_BLOCKS * BLOCKS:
        return None
    bound = metric.bind(np.asarray(y), predictions)
    place = np.arange(len(y)) * BLOCKS // len(y)
    left_out = np.array([value_or_nan(bound, (place != block).astype(np.float64)) for block in range(BLOCKS)])
    if not np.isfinite(left_out).all():
        return None
    return float((BLOCKS - 1) * left_out.var() / error**2)


def _unknown_classes_note(y: Labels, predictions: Predictions) -> dict[str, Any]:
    counts = Counter(y.tolist()) if predictions.classes is not None else {}
    unknown = {name: count for name, count in sorted(counts.items()) if name not in (predictions.classes or ())}
    if not unknown:
        return {}
    names = ", ".join(f"{name!r} ({counted(count, 'row')})" for name, count in list(unknown.items())[:MOST_CLASSES])
    return {"unknown_classes": unknown, "notes": [f"the champion never saw these classes: {names}"]}
