"""All columns of two files together: what no single column shows."""

from collections.abc import Sequence
from typing import Any

from daemon.reading.tabular import Table
from drift.multivariate.check_rows import ROWS, judge_together


def compare_together(reference: Table, current: Table, names: Sequence[str], alpha: float) -> dict[str, Any]:
    """A domain classifier, MMD and PCA on at most 5,000 rows a side from all over the files, see `judge_together`.
    Dates are left out: they always differ."""
    kinds = reference.kinds
    steps = [max(1, -(-table.rows // ROWS)) for table in (reference, current)]
    pairs = [
        (name, reference.values(name, steps[0]), current.values(name, steps[1]))
        for name in names
        if kinds[name] != "datetime"
    ]
    report = judge_together(pairs, alpha)
    dates = [name for name in names if kinds[name] == "datetime"]
    return report | {"left_out": [*dates, *report["left_out"]]}
