"""A doubt that persists is a new normal: its files are let in by themselves."""

from collections.abc import Collection, Sequence


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
