"""Challenger and champion on the same rows: the difference of their metric with its error, over held-out rows and over
files that came later; and what the challenger knows that the champion does not."""

import pyarrow as pa
import pyarrow.compute as pc

from drift.notation import counted, percent
from retrain.metrics.metric import Metric
from retrain.metrics.resampling import Resampled
from retrain.model.version import LoadedVersion
from retrain.planning.gate import PairedGain
from retrain.records.predictions import Labels, Predictions

LEAST_COVERED = 0.01
"""Of the held-out rows, with categories that only the challenger knows, that count."""


def paired_difference(
    metric: Metric, y: Labels, said: Predictions, before: Predictions, seed: int, where: str = ""
) -> PairedGain | None:
    """How much better `said` is than `before` on the same rows, with the standard error of the difference:
    of its row values where the metric is their mean, else by block bootstrap; None where undefined."""
    return resampled_difference(Resampled(metric, y, [before, said], seed), said, before, where)


def resampled_difference(
    resampled: Resampled, said: Predictions, before: Predictions, where: str = ""
) -> PairedGain | None:
    """The same of two of several whose rows are drawn once for all."""
    metric, y = resampled.metric, resampled.y
    now, then = metric.score(y, said), metric.score(y, before)
    if now is None or then is None:
        return None
    error = resampled.error_of_difference(said, before)
    return PairedGain(metric.improvement(then, now), error, where, len(y))


def metric_range(metric: Metric, baseline: float | None) -> float:
    """What a difference of the metric is small beside: 1 for those that are shares, else what the naive baseline
    costs."""
    return 1.0 if metric.greater_is_better or not baseline else abs(baseline)


def covered(challenger: LoadedVersion, champion: LoadedVersion, holdout: pa.Table) -> str:
    """What only the challenger knows, of classes and of categories in the held-out rows, in words; "" for nothing."""
    classes = set(challenger.classes or ()) - set(champion.classes or ())
    words = [f"it knows the class {name!r}, which {champion.name} does not" for name in sorted(classes)[:3]]
    holdout = challenger.preprocessor.prepared(holdout)
    known = {feature.name: set(feature.categories or ()) for feature in champion.preprocessor.features}
    for feature in challenger.preprocessor.features:
        fresh = set(feature.categories or ()) - known.get(feature.name, set())
        if feature.name not in known or not fresh or feature.name not in holdout.column_names:
            continue
        texts = pc.cast(holdout.column(feature.name), pa.string())
        rows = pc.sum(pc.is_in(texts, value_set=pa.array(sorted(fresh)))).as_py() or 0
        if rows >= LEAST_COVERED * holdout.num_rows:
            share = percent(rows / holdout.num_rows)
            new = counted(len(fresh), "new category").replace("categorys", "categories")
            words.append(f"it knows {new} of {feature.name}, in {share} of the held-out rows")
    return " and ".join(words)
