"""All columns together: what no single column shows, in three tests and in sentences."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from drift.multivariate.domain_classifier import domain_classifier, permutations_needed
from drift.multivariate.mmd import mmd
from drift.multivariate.pca import pca_reconstruction
from drift.notation import counted
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from drift.statistics.scores import Floats

ROWS = 5_000
BLOCKS = 50
MOST_CATEGORIES = 50
MOST_PERMUTATIONS = 9_999
TESTS = ("domain_classifier", "mmd", "pca")
SEED = 0

Pair = tuple[str, ColumnValues, ColumnValues]
"""A column's name, its reference and its current values."""


def judge_together(columns: Sequence[Pair], alpha: float) -> dict[str, Any]:
    """A domain classifier, MMD and PCA on columns of n reference and m current rows, as plain JSON values.

    Columns that identify rows, most values distinct, are `left_out`: they always tell the sides apart; so do dates,
    which are the caller's to leave out. Neighbours are permuted in blocks. There are as many permutations as the three
    tests need to share `alpha`, at most 9,999; `sentences` say what is beyond alpha / 3. At most 5,000 rows a side are
    needed, see `thinned`.

    >>> rng = np.random.default_rng(0)
    >>> found = judge_together([("x", rng.normal(size=400), rng.normal(1, 1, 400))], 0.05)
    >>> found["sentences"][0]
    'a classifier tells rows of now from rows of the reference: AUC 0.766 (p 0.0167)'
    """
    matched = [(name, _matched(before, now)) for name, before, now in columns]
    used = [pair for _, pair in matched if pair is not None]
    left_out = [name for name, pair in matched if pair is None]
    if not used:
        reason = "no column is left but dates and identifiers"
        return {"reason": reason, "left_out": left_out, "sentences": [reason]}
    left, right = (np.stack([pair[side] for pair in used], axis=1) for side in (0, 1))
    categorical = [position for position, pair in enumerate(used) if pair[2]]
    permutations = min(permutations_needed(alpha, len(TESTS)), MOST_PERMUTATIONS)
    blocks = BLOCKS if min(len(left), len(right)) >= 10 * BLOCKS else None
    classifier = domain_classifier(
        left, right, seed=SEED, permutations=permutations, categorical=categorical, blocks=blocks
    )
    kernel = mmd(left, right, seed=SEED, permutations=permutations, categorical=categorical, blocks=blocks)
    found = {
        "domain_classifier": classifier.to_json(),
        "mmd": kernel.to_json(),
        "pca": pca_reconstruction(left, right, seed=SEED).to_json(),
        "columns": len(used),
        "left_out": left_out,
    }
    return found | {"sentences": list(_sentences(found, alpha / len(TESTS)))}


def thinned(values: ColumnValues, rows: int = ROWS) -> ColumnValues:
    """At most `rows` values, evenly spread, in their order."""
    count = len(values.codes) if isinstance(values, Codes) else len(values)
    step = max(1, -(-count // rows))
    return Codes(values.codes[::step], values.names) if isinstance(values, Codes) else values[::step]


def _sentences(found: dict[str, Any], level: float) -> Iterator[str]:
    """One for each test whose p-value is at most `level`; where none is, one for them all."""
    words = {
        "domain_classifier": "a classifier tells rows of now from rows of the reference: AUC {statistic:.3g}",
        "mmd": "the columns are distributed differently together: MMD² {statistic:.3g}",
        "pca": "columns hang together differently: of rows of now {statistic:.0%} fit the reference's components worse",
    }
    beyond = [name for name in TESTS if found[name]["p_value"] is not None and found[name]["p_value"] <= level]
    for name in beyond:
        yield f"{words[name].format(**found[name])} (p {found[name]['p_value']:.3g})"
    if not beyond:
        yield f"{counted(found['columns'], 'column')} together: nothing beyond chance"


def _matched(before: ColumnValues, now: ColumnValues) -> tuple[Floats, Floats, bool] | None:
    """Numbers, or codes of shared names with NaN for missing; None where most rows have a value of their own."""
    if not isinstance(before, Codes) or not isinstance(now, Codes):
        assert not isinstance(before, Codes) and not isinstance(now, Codes)
        return before, now, False
    distinct = len(np.unique(before.codes))
    if distinct > max(MOST_CATEGORIES, len(before.codes) // 2):
        return None
    words = [[None if code < 0 else str(side.names[code]) for code in side.codes] for side in (before, now)]
    counts = Counter(word for word in words[0] if word is not None)
    names = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    place = {name: float(position) for position, name in enumerate(names)}
    coded = [
        np.array([np.nan if word is None else place.get(word, float(len(names))) for word in side]) for side in words
    ]
    return coded[0], coded[1], True
