"""What another system predicted, as the rows of a batch have it: what of it is impossible, and which version it was."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.records.schema import Recorded

SUM_TOLERANCE = 0.02
"""By which probabilities that were rounded may not add up to 1."""


def outside(probabilities: Any) -> NDArray[np.bool_]:
    """Which probabilities (n,) are not between 0 and 1.

    >>> outside(pa.array([0.2, 1.5, None])).tolist()
    [False, True, False]
    """
    found = pc.or_(pc.less(probabilities, 0.0), pc.greater(probabilities, 1.0)).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False))


def sums(recorded: Recorded, arrays: dict[str, Any]) -> NDArray[np.float64] | None:
    """What the probabilities of each row add up to, (n,), NaN where one is missing; None where a class has none of its
    own, which then has the rest."""
    if len(recorded.probabilities) < 2:
        return None
    columns = (arrays[column] for _, column in recorded.probabilities)
    total: NDArray[np.float64] = np.sum([one.to_numpy(zero_copy_only=False) for one in columns], axis=0)
    return total


def version_rows(recorded: Recorded | None, table: pa.Table) -> dict[str, int]:
    """By version in the order of their first rows, how many rows it predicted; nothing where files do not say."""
    if recorded is None or recorded.version is None:
        return {}
    counts = pc.value_counts(table.column(recorded.version).drop_null()).to_pylist()
    return {str(one["values"]): one["counts"] for one in counts}
