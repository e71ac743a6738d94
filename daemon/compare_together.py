"""All columns of two files together: what no single column shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daemon.tabular import Table
from drift import Codes, ColumnValues
from drift.domain_classifier import domain_classifier, permutations_needed
from drift.mmd import mmd
from drift.pca import pca_reconstruction
from drift.scores import Floats

ROWS = 5_000
BLOCKS = 50
MOST_CATEGORIES = 50
TESTS = 3
SEED = 0


def compare_together(reference: Table, current: Table, names: Sequence[str], alpha: float) -> dict[str, Any]:
    """A domain classifier, MMD and PCA on at most 5,000 rows a side from all over the files. Dates and columns that
    identify rows are left out: they always tell the files apart. Rows are permuted in blocks of neighbours."""
    kinds = {name: reference.kind(name) for name in names}
    used = [name for name in names if kinds[name] != "datetime"]
    columns: list[tuple[str, Floats, Floats, bool]] = []
    left_out = [name for name in names if kinds[name] == "datetime"]
    for name in used:
        before, now = (
            table.thinned(name, kinds[name], max(1, -(-table.rows // ROWS))) for table in (reference, current)
        )
        pair = _matched(before, now)
        if pair is None:
            left_out.append(name)
        else:
            columns.append((name, *pair))
    if not columns:
        return {"reason": "no column is left but dates and identifiers", "left_out": left_out}
    left, right = (np.stack([column[side] for column in columns], axis=1) for side in (1, 2))
    categorical = [position for position, column in enumerate(columns) if column[3]]
    permutations = permutations_needed(alpha, TESTS)
    blocks = BLOCKS if min(len(left), len(right)) >= 10 * BLOCKS else None
    told = domain_classifier(left, right, seed=SEED, permutations=permutations, categorical=categorical, blocks=blocks)
    kernel = mmd(left, right, seed=SEED, permutations=permutations, categorical=categorical, blocks=blocks)
    return {
        "domain_classifier": told.to_json(),
        "mmd": kernel.to_json(),
        "pca": pca_reconstruction(left, right, seed=SEED).to_json(),
        "columns": len(columns),
        "left_out": left_out,
    }


def _matched(before: ColumnValues, now: ColumnValues) -> tuple[Floats, Floats, bool] | None:
    """Numbers, or codes of shared names with NaN for missing; None where most rows have a value of their own."""
    if not isinstance(before, Codes) or not isinstance(now, Codes):
        assert not isinstance(before, Codes) and not isinstance(now, Codes)
        return before, now, False
    distinct = len(np.unique(before.codes))
    if distinct > max(MOST_CATEGORIES, len(before.codes) // 2):
        return None
    words = [[None if code < 0 else str(side.names[code]) for code in side.codes] for side in (before, now)]
    names = sorted({word for word in words[0] if word is not None}, key=words[0].count, reverse=True)[:MOST_CATEGORIES]
    place = {name: float(position) for position, name in enumerate(names)}
    coded = [
        np.array([np.nan if word is None else place.get(word, float(len(names))) for word in side]) for side in words
    ]
    return coded[0], coded[1], True
