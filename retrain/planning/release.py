"""A doubt that persists is a new normal: its files are let in by themselves."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Retelling:
    """A file of labels for ids that have some: how many files of rows came before it, and the class that its changes
    leave. None where it changes nothing much, or exchanges labels: then it agrees with nobody."""

    rows_before: int
    leaves: str | None


def let_in(before: Sequence[Collection[str]], kinds: Collection[str], release_after: int) -> list[int] | None:
    """Which of the files before, by place, are let in together with a new one that raised these kinds of doubt; None
    where it is held. `before` has the kinds of each, in order of arrival.

    >>> let_in([[], ["unit_bug"], ["unit_bug"]], ["unit_bug"], 3), let_in([[], ["unit_bug"]], ["unit_bug"], 3)
    ([1, 2], None)
    """
    first = max(0, len(before) - (release_after - 1))
    normal = persistent([*before[first:], kinds], release_after)
    if not set(kinds) <= normal:
        return None
    return [place for place, one in enumerate(before) if place >= first and set(one) <= normal]


def labels_let_in(before: Sequence[Retelling], new: Retelling, release_after: int) -> list[int] | None:
    """The same of a new file of labels that contradict: with it come in those that agree, as far back as they do.

    >>> told = [Retelling(4, "no"), Retelling(4, None), Retelling(5, "no"), Retelling(6, "yes")]
    >>> labels_let_in(told, Retelling(6, "no"), 3), labels_let_in(told[:2], Retelling(5, "no"), 3)
    ([0, 2], None)
    """
    batches = [(one.rows_before, () if one.leaves is None else (one.leaves,)) for one in (*before, new)]
    normal, since = agreeing(batches, release_after)
    if new.leaves not in normal:
        return None
    return [place for place, one in enumerate(before) if one.rows_before >= since and one.leaves in normal]


def persistent(newest: Sequence[Collection[str]], release_after: int) -> frozenset[str]:
    """The kinds of doubt that each of the newest `release_after` files raised; `newest` has the kinds of each file,
    in order of arrival, the new one last.

    >>> sorted(persistent([["unit_bug"], ["unit_bug", "label_noise"], ["unit_bug"]], 3))
    ['unit_bug']
    >>> sorted(persistent([[], ["unit_bug"], ["unit_bug"]], 3))
    []
    """
    last = [frozenset(kinds) for kinds in newest[-release_after:]]
    return frozenset.intersection(*last) if len(last) == release_after else frozenset()


def agreeing(batches: Iterable[tuple[int, Collection[str]]], release_after: int) -> tuple[frozenset[str], int]:
    """The classes that labels persistently leave, over files of labels that retell some, each given by how many files
    of rows came before it and what its labels leave, in order of arrival; and the smallest such number of those that
    agree. What comes between two files of rows is one batch, however many requests it was: who repeats himself in a
    minute persuades nobody.

    >>> agreeing([(4, {"no"}), (4, {"no"}), (4, {"no"})], 3)
    (frozenset(), 4)
    >>> agreeing([(1, {"no"}), (4, {"no"}), (5, {"no"}), (6, []), (6, {"no"})], 3)
    (frozenset({'no'}), 4)
    """
    leaves: dict[int, set[str]] = {}
    for rows_before, left_by_it in batches:
        leaves.setdefault(rows_before, set()).update(left_by_it)
    newest = sorted(leaves)[-release_after:]
    return persistent([leaves[key] for key in newest], release_after), newest[0]
