"""All columns of two files together: what no single column shows."""

from collections.abc import Collection, Sequence
from typing import Any

from drift.comparison.table import Table
from drift.multivariate.check_rows import ROWS, judge_together


def compare_together(
    reference: Table, current: Table, names: Sequence[str], apart: Collection[str], alpha: float
) -> dict[str, Any]:
    """A domain classifier, MMD and PCA on at most 5,000 rows a side from all over the files, see `judge_together`.
    Dates are left out, since they always differ, and what is to be kept `apart`."""
    left_out = [name for name in names if reference.kinds[name] == "datetime" or name in apart]
    steps = [max(1, -(-table.rows // ROWS)) for table in (reference, current)]
    pairs = [
        (name, reference.values(name, steps[0]), current.values(name, steps[1]))
        for name in names
        if name not in left_out
    ]
    report = judge_together(pairs, alpha)
    return report | {"left_out": [*left_out, *report["left_out"]]}
