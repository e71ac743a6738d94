"""Labels that change labels already given, beyond what is usual: of a row that was labelled "yes" nobody says "no"
without a reason. Labels of rows that had none contradict nothing, whatever they say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, spearmanr

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
TURNED = 1 / 3
"""Where more of the labels of each of two classes changed, nobody corrected: they were exchanged."""
ORDERED = 0.5
"""Numbers that were corrected still have such a rank correlation with what they were."""
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

    def __add__(self, other: "Change") -> "Change":
        return Change(self.given + other.given, self.before + other.before, self.now + other.now)


Changes = Mapping[str, Change]
"""By the class that was given first, and of ALL; of numbers of ALL alone."""


@dataclass(frozen=True)
class Contradiction:
    """A doubt about a file of labels. `leaves` is the class that most of its changes leave, by which files agree with
    each other; None where labels were exchanged: such agree with nobody."""

    doubt: Doubt
    leaves: str | None


def changes(told: Told) -> dict[str, Change]:
    """
    >>> before, now = np.array(["no", "no", "yes"]), np.array(["no", "yes", "no"])
    >>> found = changes(Told(before, before, now, np.zeros(3, dtype=bool)))
    >>> found["yes"], found[ALL].now
    (Change(given=1, before=0, now=1), 2)
    """
    before, now = _other(told.first, told.before), _other(told.first, told.now)
    found = {ALL: Change(len(now), int(before.sum()), int(now.sum()))}
    for name in () if _are_numbers(told) else np.unique(told.first).tolist():
        of_class = told.first == name
        found[name] = Change(int(of_class.sum()), int(before[of_class].sum()), int(now[of_class].sum()))
    return found


def together(pools: Iterable[Changes]) -> Changes:
    """Those of several pools as of one."""
    found: dict[str, Change] = {}
    for pool in pools:
        for name, change in pool.items():
            found[name] = found[name] + change if name in found else change
    return found


def without_provisional(pools: Sequence[Told], negative: str | None) -> list[Told]:
    """With the changes of rows taken back that left one class before they were settled: that is what a maturity waits
    for. The class is `negative` where that is configured, else the one that most of them leave."""
    name = _provisional(pools) if negative is None else negative
    return [pool if name is None else _taken_back(pool, pool.unsettled & (pool.first == name)) for pool in pools]


def _provisional(pools: Sequence[Told]) -> str | None:
    """None for numbers, and where nothing changed."""
    moved = [pool.first[pool.unsettled & (pool.first != pool.now)] for pool in pools if not _are_numbers(pool)]
    names, counts = np.unique([str(name) for one in moved for name in one], return_counts=True)
    return str(names[np.argmax(counts)]) if len(names) else None


def _taken_back(pool: Told, which: Mask) -> Told:
    before, now = (np.where(which, pool.first, labels) for labels in (pool.before, pool.now))
    return replace(pool, before=before, now=now)


def _are_numbers(pool: Told) -> bool:
    return bool(pool.first.dtype.kind == "f")


def _other(first: NDArray[Any], later: NDArray[Any]) -> Mask:
    """Which labels are other ones, (n,)."""
    if first.dtype.kind != "f":
        return np.asarray(first != later)
    return np.asarray(np.abs(later - first) > OTHERWISE * np.std(first), dtype=bool)


def adds_changes(pools: Iterable[Changes]) -> bool:
    """Whether a new file changes any label that still was the first one."""
    return any(one.now > one.before for pool in pools for one in pool.values())


def contradiction(
    pools: Sequence[Changes], others: Sequence[Changes], target: str, exchanged: bool = False
) -> Contradiction | None:
    """What speaks against a file of labels that changes labels of these pools of rows, given `others` that it does not
    touch, from before them. Judged are the labels that changed *since they were first given*, in each pool, in the
    NEWEST together, and in all: who changes few with each of many files comes no further than who changes them at
    once; nor who names files beside them of which it changes nothing. `exchanged` says of numbers what `are_exchanged`
    finds."""
    pools = [pool for pool in pools if adds_changes([pool])]
    usual, every = _usual(others), [*others, *pools]
    judged = [*pools, together(every[-NEWEST:]), together(every)]
    beyond = [found for pool in judged for found in _beyond(pool, usual)]
    if not beyond:
        return None
    name, change, share = max(beyond, key=lambda one: one[1].now / one[1].given - one[2])
    of, touched = "" if name == ALL else f" {name!r}", together(pools)
    reason = (
        f"it contradicts labels already given: with it {change.now:,} of {change.given:,} labels{of} of {target} for "
        f"the same rows are other ones than at first, {change.before:,} without it; usual are {share:.0%}"
    )
    exchanged = exchanged or any(map(_turned, (*pools, touched)))
    if exchanged:
        reason += "; labels are exchanged for each other, which no later file makes usual"
    numbers = {"given": change.given, "before": change.before, "now": change.now, "usual": share}
    return Contradiction(Doubt(reason, numbers), None if exchanged else _left(touched))


def are_exchanged(pools: Sequence[Told]) -> bool:
    """Whether numbers are given that have little to do with those that they replace, in one of these pools or in all
    together."""
    pairs = [(pool.first[which], pool.now[which]) for pool in pools if (which := _other(pool.first, pool.now)).any()]
    joined = tuple(np.concatenate([pair[place] for pair in pairs] or [np.zeros(0)]) for place in (0, 1))
    return any(_unlike(first, now) for first, now in (*pairs, joined))


def _unlike(first: NDArray[Any], now: NDArray[Any]) -> bool:
    return bool(first.dtype.kind == "f" and len(first) >= LEAST and spearmanr(first, now).statistic < ORDERED)


def _turned(found: Changes) -> bool:
    """Whether the labels of several classes changed to a degree that is no correction."""
    classes = [change for name, change in found.items() if name != ALL and change.given >= LEAST]
    return sum(change.now > TURNED * change.given for change in classes) >= 2


def _left(found: Changes) -> str:
    """The class that most changes leave; ALL for numbers."""
    return max((name for name in found if name != ALL), key=lambda name: found[name].now, default=ALL)


def _usual(others: Sequence[Changes]) -> dict[str, float]:
    """By class the share of the labels that changed, the median of pools; what few pools have is not usual."""
    shares: dict[str, list[float]] = {}
    for pool in others:
        for name, change in pool.items():
            if change.given >= USUAL_LABELS:
                shares.setdefault(name, []).append(change.before / change.given)
    return {name: float(np.median(found)) for name, found in shares.items() if len(found) >= USUAL_POOLS}


def _beyond(found: Changes, usual: Mapping[str, float]) -> Iterator[tuple[str, Change, float]]:
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
