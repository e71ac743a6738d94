"""How much a version relies on each feature: permutation importance on rows held out from training."""

import numpy as np
import pyarrow as pa

from retrain.predictions import Labels
from retrain.version import LoadedVersion

ROWS = 2_000
MOST_FEATURES = 200


def permutation_importance(version: LoadedVersion, holdout: pa.Table, y: Labels, seed: int) -> dict[str, float]:
    """By how much the metric gets worse, in its unit, when one feature's values are shuffled among at most 2,000
    held-out rows (Breiman 2001); the first 200 features. Empty where the metric is undefined on these rows."""
    step = max(1, -(-holdout.num_rows // ROWS))
    kept = np.arange(0, holdout.num_rows, step)
    rows, labels = holdout.take(pa.array(kept)), y[kept]
    whole = version.metric.score(labels, version.predict_table(rows))
    if whole is None:
        return {}
    found: dict[str, float] = {}
    order = pa.array(np.random.default_rng(seed).permutation(len(kept)))
    for column in version.schema.features[:MOST_FEATURES]:
        if column.name not in rows.column_names:
            continue
        position = rows.column_names.index(column.name)
        shuffled = rows.set_column(position, rows.schema.field(position), rows.column(position).take(order))
        score = version.metric.score(labels, version.predict_table(shuffled))
        if score is not None:
            found[column.name] = version.metric.improvement(score, whole)
    return found
