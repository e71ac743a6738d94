"""Labels that change labels already given, beyond what is usual: of a row that was labelled "yes" nobody says "no"
without a reason. Labels of rows that had none contradict nothing, whatever they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
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
PROVISIONAL = 0.1
"""Where so many labels usually change, they are provisional."""
LEVEL = 1e-4
"""How unlikely so many changes must be, of one pool, if that share were so."""
USUAL_POOLS, USUAL_LABELS = 3, 10
"""So many pools, with so many labels of a class each, say what is usual; with fewer nothing is."""
OTHERWISE = 0.1
"""Numbers are other ones where they differ by such a share of their standard deviation."""
NEWEST = 6
"""So many pools are judged together, too: about what a training cannot do without."""
ALL = ""
"""All classes together."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Told:
    """Labels of n rows that have any: the `first` one that each was given, the one `before` a new file came, and that
    of `now`, with it; class names or numbers (n,). `unsettled` (n,) are rows younger than a configured maturity."""

    first: NDArray[Any]
    before: NDArray[Any]
    now: NDArray[Any]
    unsettled: Mask


@dataclass(frozen=True)
class Change:
    """Of `given` labels of a class so many had changed `before`, and with the new file `now`."""

    given: int
    before: int
    now: int


def together(pools: Sequence[Told]) -> Told:
    """Several pools as one."""
    return Told(*(np.concatenate([getattr(one, field.name) for one in pools]) for field in fields(Told)))


def provisional(pools: Sequence[Told], negative: str | None) -> str | None:
    """The class that rows which are not settled leave, as far as they leave one: that is what a maturity waits for.
    `negative` where it is configured, else the class of most changes; None for numbers."""
    told = together(pools)
    moved = told.first[told.unsettled & (told.first != told.now)]
    if negative is not None or not len(moved) or told.first.dtype.kind == "f":
        return negative
    names, counts = np.unique(moved.astype(str), return_counts=True)
    return str(names[np.argmax(counts)])


def without_provisional(pool: Told, name: str | None) -> Told:
    """With the changes of rows that left their provisional class before they were settled taken back."""
    waited_for = pool.unsettled & (pool.first == name)
    before, now = (np.where(waited_for, pool.first, labels) for labels in (pool.before, pool.now))
    return replace(pool, before=before, now=now)


def changes(pool: Told) -> dict[str, Change]:
    """By the class that was given first, and of ALL; of numbers of ALL alone.

    >>> before, now = np.array(["no", "no", "yes"]), np.array(["no", "yes", "no"])
    >>> found = changes(Told(before, before, now, np.zeros(3, dtype=bool)))
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


def contradiction(
    pools: Sequence[Told], others: Sequence[Told], target: str, negative: str | None = None
) -> Doubt | None:
    """What speaks against a file of labels that changes labels of these pools of rows, given `others` that it does not
    touch, from before them. Judged are the labels that changed *since they were first given*, in each pool, in the
    NEWEST together, and in all: who changes few with each of many files comes no further than who changes them at
    once."""
    if not adds_changes(pools):
        return None
    name = provisional(pools, negative)
    pools = [without_provisional(pool, name) for pool in pools]
    usual = _usual(others)
    every = [*others, *pools]
    judged = [*pools, together(every[-NEWEST:]), together(every)]
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
        if binom.sf(change.now - 1, change.given, _allowed(share)) < LEVEL:
            yield name, change, share


def _allowed(usual: float) -> float:
    """The share that may change where so many usually do. Labels that are known to be provisional follow what they are
    of: how many change is as little given as how frequent a class is.

    >>> _allowed(0.0), _allowed(0.5), _allowed(1.0)
    (0.05, 0.75, 1.0)
    """
    return usual + BESIDES if usual < PROVISIONAL else max(min(1.0, usual + BESIDES), (1 + usual) / 2)


def as_labels(values: Sequence[Any], numbers: bool) -> NDArray[Any] | Floats:
    """Labels (n,) as they are compared: numbers, or text."""
    return np.array(values, dtype=np.float64) if numbers else np.array([str(one) for one in values], dtype=object)
