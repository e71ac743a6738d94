"""A doubt that persists is a new normal: its files are let in by themselves."""

from collections.abc import Collection, Iterable, Sequence


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


def left(leaves: str | None) -> frozenset[str]:
    """The class that the changes of a file of labels leave, as a set: one that changes nothing much, or whose labels
    are exchanged, has none."""
    return frozenset() if leaves is None else frozenset({leaves})


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
