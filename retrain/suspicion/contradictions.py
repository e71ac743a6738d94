"""Labels that change labels already given, beyond what is usual: of a row that was labelled "yes" nobody says "no"
without a reason. Labels of rows that had none contradict nothing, whatever they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from retrain.records.predictions import Floats
from retrain.suspicion.rows import Doubt

LEAST = 10
"""Fewer changes prove nothing."""
BESIDES = 0.05
"""Labels that may change beyond the usual share: what so few do to a model is within the gate's error."""
LEVEL = 1e-4
"""How unlikely so many changes must be, of one pool, if that share were so."""
USUAL_POOLS, USUAL_LABELS = 3, 10
"""So many pools, with so many labels of a class each, say what is usual; with fewer nothing is."""
OTHERWISE = 0.1
"""Numbers are other ones where they differ by such a share of their standard deviation."""
ALL = ""
"""All classes together."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Told:
    """Labels of n rows that have any: the `first` one that each was given, the one `before` a new file came, and that
    of `now`, with it; each (n,) of class names or numbers."""

    first: NDArray[Any]
    before: NDArray[Any]
    now: NDArray[Any]


@dataclass(frozen=True)
class Change:
    """Of `given` labels of a class so many had changed `before`, and with the new file `now`."""

    given: int
    before: int
    now: int


def together(pools: Sequence[Told]) -> Told:
    """Several pools as one."""
    return Told(*(np.concatenate([getattr(one, key) for one in pools]) for key in ("first", "before", "now")))


def changes(pool: Told) -> dict[str, Change]:
    """By the class that was given first, and of ALL; of numbers of ALL alone.

    >>> before, now = np.array(["no", "no", "yes"]), np.array(["no", "yes", "no"])
    >>> found = changes(Told(before, before, now))
    >>> found["yes"], found[ALL].now
    (Change(given=1, before=0, now=1), 2)
    """
    numbers = pool.first.dtype.kind == "f"
    before, now = _other(pool.first, pool.before, numbers), _other(pool.first, pool.now, numbers)
    found = {ALL: Change(len(now), int(before.sum()), int(now.sum()))}
    for name in () if numbers else np.unique(pool.first).tolist():
        of_class = pool.first == name
        found[name] = Change(int(of_class.sum()), int(before[of_class].sum()), int(now[of_class].sum()))
    return found


def _other(first: NDArray[Any], later: NDArray[Any], numbers: bool) -> Mask:
    """Which labels are other ones, (n,)."""
    if not numbers:
        return np.asarray(first != later)
    return np.asarray(np.abs(later - first) > OTHERWISE * np.std(first), dtype=bool)


def adds_changes(pools: Sequence[Told]) -> bool:
    """Whether a new file changes any label that still was the first one."""
    return any(one.now > one.before for pool in pools for one in changes(pool).values())


def contradiction(pools: Sequence[Told], others: Sequence[Told], target: str) -> Doubt | None:
    """What speaks against a file of labels that changes labels of these pools of rows, given `others` that it does not
    touch. Judged are the labels that changed *since they were first given*, in each pool, and in all together: who
    changes few with each of many files comes no further than who changes them at once."""
    if not adds_changes(pools):
        return None
    usual = _usual(others)
    judged = [*pools, together([*pools, *others])]
    beyond = [found for pool in judged for found in _beyond(changes(pool), usual)]
    if not beyond:
        return None
    name, change, share = max(beyond, key=lambda one: one[1].now / one[1].given - one[2])
    of = "" if name == ALL else f" {name!r}"
    reason = (
        f"it contradicts labels already given: with it {change.now:,} of {change.given:,} labels{of} of {target} for "
        f"the same rows are other ones than at first, {change.before:,} without it; usual are {share:.0%}"
    )
    numbers = {"given": change.given, "before": change.before, "now": change.now, "usual": share}
    return Doubt(reason, numbers)


def _usual(others: Sequence[Told]) -> dict[str, float]:
    """By class the share of the labels that changed, the median of pools; what few pools have is not usual."""
    shares: dict[str, list[float]] = {}
    for pool in others:
        for name, change in changes(pool).items():
            if change.given >= USUAL_LABELS:
                shares.setdefault(name, []).append(change.before / change.given)
    return {name: float(np.median(found)) for name, found in shares.items() if len(found) >= USUAL_POOLS}


def _beyond(found: dict[str, Change], usual: dict[str, float]) -> Iterator[tuple[str, Change, float]]:
    """The classes of which more changed than is usual, each with its change and the usual share."""
    for name, change in found.items():
        share = usual.get(name, 0.0)
        if change.now <= change.before or change.now < LEAST:
            continue
        if binom.sf(change.now - 1, change.given, min(1.0, share + BESIDES)) < LEVEL:
            yield name, change, share


def as_labels(values: Sequence[Any], numbers: bool) -> NDArray[Any] | Floats:
    """Labels (n,) as they are compared: numbers, or text."""
    return np.array(values, dtype=np.float64) if numbers else np.array([str(one) for one in values], dtype=object)
