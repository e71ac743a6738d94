"""How much a version relies on each feature: permutation importance on rows held out from training."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from retrain.model.version import LoadedVersion
from retrain.records.predictions import Labels

ROWS = 2_000
"""Held-out rows that are predicted for each feature at most."""
MOST_FEATURES = 200
"""The first so many have an importance."""
EQUAL_SHARE = 0.5
"""Of the columns' budget, where it goes by importance: a column of no importance has still half of its equal share."""


def permutation_importance(version: LoadedVersion, holdout: pa.Table, y: Labels, seed: int) -> dict[str, float]:
    """By how much the metric gets worse, in its unit, when one feature's values are shuffled among at most 2,000
    held-out rows (Breiman 2001); the first 200 features. Empty where the metric is undefined on these rows."""
    step = max(1, -(-holdout.num_rows // ROWS))
    kept = np.arange(0, holdout.num_rows, step)
    rows, labels = version.preprocessor.prepared(holdout.take(pa.array(kept))), y[kept]
    whole = version.metric.score(labels, version.predict_prepared(rows))
    if whole is None:
        return {}
    found: dict[str, float] = {}
    order = pa.array(np.random.default_rng(seed).permutation(len(kept)))
    for column in version.model_schema.features[:MOST_FEATURES]:
        if column.name not in rows.column_names:
            continue
        position = rows.column_names.index(column.name)
        shuffled = rows.set_column(position, rows.schema.field(position), rows.column(position).take(order))
        score = version.metric.score(labels, version.predict_prepared(shuffled))
        if score is not None:
            found[column.name] = version.metric.improvement(score, whole)
    return found


def importance_weights(importance: Mapping[str, float], names: Collection[str]) -> dict[str, float] | None:
    """What share of a check's budget each column has: half of it in proportion to its importance, half equally, so that
    no column is blind. They sum to 1; None where no column has a positive importance.

    >>> importance_weights({"x": 0.75, "y": 0.25, "z": -0.01}, ["x", "y", "z", "new"])
    {'x': 0.5, 'y': 0.25, 'z': 0.125, 'new': 0.125}
    """
    positive = {name: max(importance.get(name, 0.0), 0.0) for name in names}
    total = sum(positive.values())
    if total <= 0:
        return None
    return {name: EQUAL_SHARE / len(positive) + (1 - EQUAL_SHARE) * (value / total) for name, value in positive.items()}
