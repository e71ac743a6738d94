"""Rows that came before: a day or a file that was delivered again under another name, order or format."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from retrain.suspicion.rows import Columns, Doubt, Rows, lowest

LEAST_SHARE = 0.1
LEAST_ROWS = 20


def duplicated_rows(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """A share of the file's rows occurs in one recent file, or twice in itself, that is far above what recent files
    share with each other: integers and categories repeat by chance."""
    if columns.classes == 0 or len(columns.numbers):
        usual = max(shared(one, other) for one, other in permutations(recent, 2))
        inside = max(repeated(one) for one in recent)
    else:
        return None
    found = max(recent, key=lambda other: shared(file, other))
    share, own = shared(file, found), repeated(file)
    for rate, normal, where in ((share, usual, f"occurred in {found.name} before"), (own, inside, "occur twice in it")):
        if rate * len(file.X) >= LEAST_ROWS and rate >= implausible(normal):
            numbers = {"share": rate, "usual": normal, "like": found.name if rate is share else file.name}
            reason = (
                f"{rate:.0%} of its rows {where}, equal in all features; among recent files at most {normal:.0%} do"
            )
            return Doubt(reason, numbers)
    return None


def implausible(usual: float) -> float:
    """The share from which on rows are doubted, where `usual` is the largest among recent files.

    >>> [round(implausible(usual), 2) for usual in (0.0, 0.5, 0.8)]
    [0.1, 0.7, 0.96]
    """
    return usual + LEAST_SHARE + 0.4 * usual * (1 - usual)


def shared(one: Rows, other: Rows) -> float:
    """The share of one file's rows that occur in the other."""
    kept = min(one.kept, other.kept)
    mine, theirs = _keys(one, one, other), _keys(other, one, other)
    mine = mine[lowest(one.keys, kept)]
    return float(np.isin(mine, theirs).mean()) if len(mine) else 0.0


def repeated(one: Rows) -> float:
    """The share of a file's rows that equal another row of it."""
    return 1 - len(np.unique(_keys(one, one, one))) / len(one.X) if len(one.X) else 0.0


def _keys(of: Rows, one: Rows, other: Rows) -> NDArray[np.uint64]:
    """Labels count where both files have them: they may come later."""
    return of.whole_keys if one.labelled.all() and other.labelled.all() else of.keys
