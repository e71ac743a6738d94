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


def agreeing(batches: Iterable[tuple[int, Collection[str]]], release_after: int) -> tuple[frozenset[str], int]:
    """The kinds of doubt that persist over files of labels, each given by how many files of rows came before it and the
    kinds that it raised, in order of arrival; and the smallest such number of those that agree. What comes between two
    files of rows is one batch, however many requests it was: who repeats himself in a minute persuades nobody.

    >>> doubt = ["contradicting_labels"]
    >>> agreeing([(4, doubt), (4, doubt), (4, doubt)], 3)
    (frozenset(), 4)
    >>> agreeing([(1, doubt), (4, doubt), (5, doubt), (6, []), (6, doubt)], 3)
    (frozenset({'contradicting_labels'}), 4)
    """
    kinds: dict[int, set[str]] = {}
    for rows_before, raised in batches:
        kinds.setdefault(rows_before, set()).update(raised)
    newest = sorted(kinds)[-release_after:]
    return persistent([kinds[key] for key in newest], release_after), newest[0]
