"""A column whose relations with the others and the target are turned round or exchanged, though its own numbers look
as usual: a sign flip of centred values, two columns swapped."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from retrain.records.predictions import Floats
from retrain.suspicion.rows import Columns, Doubt, Rows

LEAST_ROWS = 100
MOST_COLUMNS = 6
MOST_LEFT = 0.4
TIMES_USUAL = 2.0
LEAST_CHANGE = 0.25


def broken_relation(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """The rank correlations changed far beyond how recent files differ, and turning one column round, or exchanging
    two, takes nearly all of that back."""
    if min(len(one.X) for one in (*recent, file)) < LEAST_ROWS or len(columns.numbers) < 2:
        return None
    labelled = columns.classes in (0, 2) and all(one.labelled.all() for one in (*recent, file))
    now, before = _relations(file, columns, labelled), [_relations(one, columns, labelled) for one in recent]
    usual = np.mean(before, axis=0)
    apart = max(_apart(one, usual) for one in before) * len(before) / (len(before) - 1)
    change = _apart(now, usual)
    if change < LEAST_CHANGE + TIMES_USUAL * apart:
        return None
    rows = np.abs(now - usual).sum(axis=0)[: len(columns.numbers)]
    moved = np.argsort(-rows, kind="stable")[:MOST_COLUMNS].tolist()
    undone: list[tuple[float, tuple[int, ...]]] = [(_apart(_turned(now, k), usual), (k,)) for k in moved]
    undone += [(_apart(_swapped(now, j, k), usual), (j, k)) for j, k in combinations(moved, 2)]
    left, at = min(undone)
    if left > MOST_LEFT * change or left > LEAST_CHANGE / 2 + 1.5 * apart:
        return None
    names = [columns.names[columns.numbers[k]] for k in at]
    what = f"{names[0]} and {names[1]} look swapped" if len(at) == 2 else f"{names[0]} looks as if its sign changed"
    reason = (
        f"{what}: undoing that takes {1 - left / change:.0%} of a sudden change of the relations between columns back"
    )
    return Doubt(reason, {"column": names[0], "columns": names, "change": change, "left": left, "usual": apart})


def _relations(rows: Rows, columns: Columns, labelled: bool) -> Floats:
    """Spearman's correlations (m, m) of the columns of numbers, and of the target as the last where all have one."""
    X = rows.X[:, columns.numbers]
    if labelled:
        X = np.column_stack([X, rows.y])
    ranks = rankdata(np.nan_to_num(X, nan=-np.inf), axis=0)
    ranks = ranks - ranks.mean(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0))
    return np.asarray((ranks.T @ ranks) / np.maximum(np.outer(size, size), 1e-12))


def _apart(one: Floats, other: Floats) -> float:
    return float(np.linalg.norm(np.triu(one - other, 1)))


def _turned(relations: Floats, k: int) -> Floats:
    sign = np.ones(len(relations))
    sign[k] = -1
    return np.asarray(relations * np.outer(sign, sign))


def _swapped(relations: Floats, j: int, k: int) -> Floats:
    order = np.arange(len(relations))
    order[[j, k]] = order[[k, j]]
    return np.asarray(relations[np.ix_(order, order)])
