"""Ways to poison a batch: what goes in is the batch and the one before, what comes out its rows."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from retrain.suspicion import Columns

Floats = NDArray[np.float64]
Poison = Callable[[Floats, Floats, Floats, Floats, Columns, np.random.Generator], tuple[Floats, Floats]]


def _column(change: Callable[[Floats], Floats]) -> Poison:
    """A change of one numeric column."""

    def poison(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
        X = X.copy()
        telling = [k for k in columns.numbers if len(np.unique(X[:, k])) >= 5]
        k = rng.choice(telling)
        X[:, k] = change(X[:, k])
        return X, y

    return poison


def _flipped(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    """30 % of the labels: another class, or a value from another row."""
    chosen = np.flatnonzero(rng.random(len(y)) < 0.3)
    y = y.copy()
    if columns.classes:
        y[chosen] = (y[chosen] + rng.integers(1, columns.classes, len(chosen))) % columns.classes
    else:
        y[chosen] = rng.permutation(y[chosen])
    return X, y


def _shuffled(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    return X, rng.permutation(y)


def _rescaled(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    return X, y * 100


def _repeated(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    return before, before_y


def _half_repeated(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    half = len(y) // 2
    return np.concatenate([X[:half], before[half:]]), np.concatenate([y[:half], before_y[half:]])


def _leaked(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    X = X.copy()
    k = rng.choice(columns.numbers)
    spread = X[:, k].std() or 1.0
    X[:, k] = X[:, k].mean() + spread * (y + rng.normal(0, 0.02, len(y)))
    return X, y


def _swapped(X, y, before, before_y, columns, rng):  # type: ignore[no-untyped-def]
    X = X.copy()
    one, other = rng.choice(columns.numbers, 2, replace=False)
    X[:, [one, other]] = X[:, [other, one]]
    return X, y


KINDS: dict[str, tuple[str, Poison]] = {
    "repeated batch": ("duplicated_rows", _repeated),
    "half repeated": ("duplicated_rows", _half_repeated),
    "× 1000": ("unit_bug", _column(lambda x: x * 1000)),
    "× 2.54": ("unit_bug", _column(lambda x: x * 2.54)),
    "° F": ("unit_bug", _column(lambda x: x * 1.8 + 32)),
    "sign": ("unit_bug", _column(lambda x: -x)),
    "+ 5 sd": ("unit_bug", _column(lambda x: x + 5 * x.std())),
    "stuck": ("unit_bug", _column(lambda x: np.full_like(x, np.median(x)))),
    "swapped": ("unit_bug", _swapped),
    "30 % of labels": ("label_noise", _flipped),
    "shuffled labels": ("label_noise", _shuffled),
    "labels × 100": ("label_noise", _rescaled),
    "leak": ("leaked_target", _leaked),
}
