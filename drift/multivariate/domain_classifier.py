"""The classifier two-sample test: can a classifier tell current rows from rows of the reference?"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special

from drift.notation import counted
from drift.statistics.scores import Floats, Score, nothing

Labels = NDArray[np.float64]

CATEGORIES = 50
"""So many of a column's categories, the most frequent ones, are told apart."""

RIDGE = 1.0
"""The penalty on a weight, in rows."""

CHUNK = 256
"""So many permutations are computed at once."""


def domain_classifier(
    reference: Floats,
    current: Floats,
    *,
    seed: int,
    permutations: int,
    categorical: Sequence[int] = (),
    blocks: int | None = None,
    max_rows: int = 5000,
    folds: int = 5,
) -> Score:
    """ROC AUC of a cross-fitted classifier of rows, shapes (n, d) and (m, d), and its permutation p-value.

    NaN is missing; the columns `categorical` hold codes, negative where missing. A classifier learns on all
    folds but one to tell current rows (1) from reference rows (0) and ranks those of the fold left out; AUC is
    the share of the pairs within a fold that it ranks rightly, ½ by chance (Lopez-Paz and Oquab 2017). It is ridge
    regression on the label, whose direction is that of a regularized linear discriminant: spread and dependence are
    for MMD to see.

    The p-value is (1 + #{permuted AUC ≥ AUC}) / (1 + permutations), cross-fitting anew for every permutation of
    the labels (Phipson and Smyth 2010; Kim et al. 2021), so it is valid at any size. Rows that depend on their
    neighbours need `blocks`: consecutive rows are cut into about so many blocks of one size, and whole blocks
    are permuted and left out. At most `max_rows` rows of both sides together are used, drawn in their order.

    >>> rng = np.random.default_rng(0)
    >>> same, moved = rng.normal(size=(200, 3)), rng.normal(0.5, 1, size=(200, 3))
    >>> domain_classifier(same, moved, seed=1, permutations=99).p_value
    0.01
    """
    rows = drawn(reference, current, blocks, max_rows, seed)
    if isinstance(rows, Score):
        return rows
    pooled, size, known = rows
    units = len(pooled) // size
    if min(known, units - known) < 2:
        return nothing("fewer than two rows or blocks on one side")
    inputs = features(pooled, categorical)
    if not inputs.shape[1]:
        return nothing("constant: every column has one value on both sides")
    parts = _folds(units, min(folds, units // 2), size, seed)
    scores = [_auc(inputs, labels, parts) for labels in relabelled(units, known, size, permutations, seed)]
    aucs = np.concatenate(scores)
    extras = {"permutations": permutations, "rows": len(pooled), "blocks": units}
    return Score(float(aucs[0]), permutation_p_value(aucs), extras)


def permutations_needed(alpha: float, tests: int) -> int:
    """The fewest permutations whose smallest p-value is at most alpha/tests, as a correction for `tests` needs.

    >>> permutations_needed(0.05, 1), permutations_needed(0.01, 20)
    (19, 1999)
    """
    needed = max(math.ceil(tests / alpha) - 1, 1)
    return needed if 1 / (needed + 1) <= alpha / tests else needed + 1


def permutation_p_value(values: Floats) -> float:
    """The share of `values`, shape (P + 1,), that reach the first one, which is of the labels as they are;
    permutations that equal them reach it up to rounding.

    >>> permutation_p_value(np.array([0.7, 0.5, 0.8, 0.6]))
    0.5
    """
    return float(np.mean(values >= values[0] - 1e-12))


def drawn(
    reference: Floats, current: Floats, blocks: int | None, max_rows: int, seed: int
) -> tuple[Floats, int, int] | Score:
    """The rows to use, reference first, the rows a block has, and how many blocks are the reference's.

    Each side may have half of `max_rows`, and what the other leaves; the newest rows fill whole blocks.
    """
    if reference.shape[1] != current.shape[1]:
        return nothing(f"{counted(reference.shape[1], 'column')} in the reference, {current.shape[1]} now")
    half = max_rows // 2
    n, m = len(reference), len(current)
    kept = min(n, max(half, max_rows - m)), min(m, max(half, max_rows - n))
    if not min(kept):
        return nothing("empty")
    size = 1 if blocks is None else max(min(sum(kept) // blocks, *kept), 1)
    rng = np.random.default_rng([seed, 0])
    sides = []
    for rows, count in ((reference, kept[0]), (current, kept[1])):
        chosen = np.sort(rng.choice(len(rows), count, replace=False))[count % size :]
        sides.append(np.asarray(rows[chosen], dtype=np.float64))
    return np.concatenate(sides), size, len(sides[0]) // size


def relabelled(units: int, known: int, size: int, permutations: int, seed: int) -> Iterator[Labels]:
    """Labels in chunks of shape (units · size, ≤ 256), 1 where a row counts as current: first the true ones, the
    `known` first blocks being the reference's, then `permutations` permutations of whole blocks."""
    rng = np.random.default_rng([seed, 1])
    true = (np.arange(units) >= known).astype(np.float64)[:, None]
    yield np.repeat(true, size, axis=0)
    for start in range(0, permutations, CHUNK):
        labels = np.repeat(true, min(CHUNK, permutations - start), axis=1)
        yield np.repeat(rng.permuted(labels, axis=0), size, axis=0)


def features(rows: Floats, categorical: Sequence[int] = ()) -> Floats:
    """Rows of shape (N, d) as columns of mean 0 and variance 1, shape (N, p), without constant ones.

    Numbers become the normal scores of their ranks, so units and tails do not matter, categories indicators,
    and each column with missing values gets an indicator of them. Labels play no part in it.

    >>> features(np.array([[1.0], [9.0], [np.nan]])).round(2)
    array([[-0.71, -1.22], [-0.71,  1.22], [ 1.41,  0.  ]])
    """
    numbers = [j for j in range(rows.shape[1]) if j not in categorical]
    missing = np.isnan(rows)
    missing[:, list(categorical)] |= rows[:, list(categorical)] < 0
    scores = _standardized(_filled(_normal_scores(rows[:, numbers])))
    indicators = [_indicators(rows[:, j], missing[:, j]) for j in categorical]
    return _standardized(np.concatenate([missing.astype(np.float64), scores, *indicators], axis=1))


def _ridge(known: Floats, labels: Labels, asked: Floats) -> Floats:
    """Predictions for `asked`, shape (v, p), by ridge regressions on each column of labels of shape (t, P)."""
    centred = known - known.mean(axis=0)
    gram = centred.T @ centred + RIDGE * np.eye(centred.shape[1])
    return np.asarray(asked @ np.linalg.solve(gram, centred.T @ labels), dtype=np.float64)


def _auc(inputs: Floats, labels: Labels, parts: Sequence[NDArray[np.intp]]) -> Floats:
    """Cross-fitted AUC for each column of labels of shape (N, P)."""
    right, pairs = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
    for part in parts:
        others = np.ones(len(inputs), dtype=bool)
        others[part] = False
        scores = _ridge(inputs[others], labels[others], inputs[part])
        ranks = scipy.stats.rankdata(np.round(scores, 10), axis=0)  # equal rows may differ in the last bit
        positive = labels[part].sum(axis=0)
        right += np.sum(ranks * labels[part], axis=0) - positive * (positive + 1) / 2
        pairs += positive * (len(part) - positive)
    return np.where(pairs > 0, right / np.maximum(pairs, 1), 0.5)


def _folds(units: int, folds: int, size: int, seed: int) -> list[NDArray[np.intp]]:
    """The rows of each fold. Blocks are dealt out without regard to their labels: folds balanced by the true
    labels would not be so for permuted ones, and the p-value not valid."""
    order = np.random.default_rng([seed, 2]).permutation(units)
    return [np.flatnonzero(np.repeat(np.isin(np.arange(units), order[k::folds]), size)) for k in range(folds)]


def _normal_scores(rows: Floats) -> Floats:
    """Φ⁻¹(rank/(k + 1)) of each column's k values, NaN where missing."""
    ranks = scipy.stats.rankdata(rows, axis=0, nan_policy="omit") if rows.size else rows
    return np.asarray(special.ndtri(ranks / (np.sum(~np.isnan(rows), axis=0) + 1)), dtype=np.float64)


def _filled(columns: Floats) -> Floats:
    missing = np.isnan(columns)
    mean = np.sum(np.where(missing, 0.0, columns), axis=0) / np.maximum(np.sum(~missing, axis=0), 1)
    return np.where(missing, mean, columns)


def _standardized(columns: Floats) -> Floats:
    """Mean 0 and variance 1, without constant columns."""
    centred = columns - columns.mean(axis=0)
    sd = np.sqrt(np.mean(centred**2, axis=0))
    return np.asarray(centred[:, sd > 1e-9] / sd[sd > 1e-9], dtype=np.float64)


def _indicators(codes: Floats, missing: NDArray[np.bool_]) -> Floats:
    """One column for each of the most frequent categories."""
    names, counts = np.unique(codes[~missing], return_counts=True)
    kept = names[np.argsort(-counts, kind="stable")[:CATEGORIES]]
    return np.asarray(codes[:, None] == kept, dtype=np.float64)
