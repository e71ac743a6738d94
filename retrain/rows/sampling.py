"""A stratified sample of rows that are seen piece by piece: in each stratum exactly its share of the rows, drawn at
random by a seed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
QUANTILES = 20
"""Strata of a target of numbers."""
TIME_GROUPS = 50
"""Consecutive files, small ones together, are so many groups at most, each a stratum for each class."""
LEAST = 2
"""Rows of a class, where it has so many: nothing can be learned from one."""


def seed_of(digests: Sequence[str], seed: int) -> int:
    """The seed of a window of files with these digests, and of the configured seed.

    >>> seed_of(["a", "b"], 0) == seed_of(["b", "a"], 0) != seed_of(["a"], 0)
    True
    """
    text = "\n".join([str(seed), *sorted(digests)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def quotas(counts: Rows, most: int) -> Rows:
    """How many of each stratum's rows (k,) are drawn, so that they are `most` in all: in proportion, what is left over
    by the largest remainders.

    >>> quotas(np.array([600, 300, 101]), 100), quotas(np.array([3, 4]), 100)
    (array([60, 30, 10]), array([3, 4]))
    """
    total = int(counts.sum())
    if total <= most:
        return counts.copy()
    shares = counts * (most / total)
    found = np.floor(shares).astype(np.int64)
    left = most - int(found.sum())
    order = np.argsort(found - shares, kind="stable")
    found[order[:left]] += 1
    capped: Rows = np.minimum(found, counts)
    return capped


def with_rare(found: Rows, counts: Rows, label: Rows, least: int = LEAST) -> Rows:
    """Quotas (k,) with at least so many rows of each label, as far as there are; `label` says whose stratum each is.

    >>> with_rare(np.array([0, 0, 9]), np.array([1, 5, 99]), np.array([0, 0, 1]))
    array([0, 2, 9])
    """
    found, order = found.copy(), np.lexsort((-counts, label))
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    lacking = least - np.add.reduceat(found[order], starts)
    for at in np.flatnonzero(lacking > 0).tolist():
        missing = int(lacking[at])
        for place in order[starts[at] : starts[at + 1] if at + 1 < len(starts) else None].tolist():
            more = min(missing, int(counts[place] - found[place]))
            found[place] += more
            missing -= more
            if not missing:
                break
    return found


class Sampler:
    """Draws of rows in their order; `strata` (k,) has the rows of each stratum, `wanted` (k,) how many are drawn."""

    def __init__(self, strata: Rows, wanted: Rows, seed: int) -> None:
        self._starts = np.concatenate([[0], np.cumsum(strata)])
        self._next = self._starts[:-1].copy()
        self._drawn = np.zeros(int(strata.sum()), dtype=bool)
        for place, (rows, some) in enumerate(zip(strata.tolist(), wanted.tolist(), strict=True)):
            if some == rows:
                self._drawn[self._starts[place] : self._starts[place + 1]] = True
            elif some:
                rng = np.random.default_rng([seed, place])
                self._drawn[self._starts[place] + rng.choice(rows, some, replace=False, shuffle=False)] = True

    def draw(self, stratum: Rows) -> Mask:
        """Which of the next n rows, by their stratum (n,), are drawn."""
        order = np.argsort(stratum, kind="stable")
        found, counts = np.unique(stratum, return_counts=True)
        within = np.concatenate([np.arange(count) for count in counts.tolist()]) if len(found) else order
        drawn = np.zeros(len(stratum), dtype=bool)
        drawn[order] = self._drawn[np.repeat(self._next[found], counts) + within]
        self._next[found] += counts
        return drawn


def quantile_edges(probe: Floats) -> Floats:
    """Between the strata of a target of numbers, by some of its values (n,)."""
    return np.unique(np.quantile(probe, np.arange(1, QUANTILES) / QUANTILES)) if len(probe) else np.zeros(0)


def drawn_of(counts: Rows, wanted: Rows, label: Rows, names: Sequence[str], by: str, seed: int) -> dict[str, Any]:
    """The record of a draw, as JSON values: `rows` of the `of` rows that there are, in so many `strata` of `by`, with
    the `seed`; `by_label` has both numbers for each of `names`, whose stratum each is (`label`, (k,))."""
    drawn, known = (np.zeros(len(names), dtype=np.int64) for _ in range(2))
    np.add.at(drawn, label, wanted)
    np.add.at(known, label, counts)
    by_label = {name: list(both) for name, *both in zip(names, drawn.tolist(), known.tolist(), strict=True)}
    return {
        "rows": int(wanted.sum()), "of": int(counts.sum()), "by": by, "strata": int(np.count_nonzero(counts)),
        "seed": seed, "by_label": by_label,
    }  # fmt: skip


def in_words(large: Mapping[str, Any]) -> str:
    """What a version of a window larger than memory learned from.

    >>> draw = {"rows": 1000, "of": 5000, "by": "class", "seed": 7}
    >>> in_words({"how": "sample", "train": draw, "holdout": draw | {"of": 1000}})
    'trained on a sample of 1,000 of 5,000 rows (stratified by class and file; seed 7)'
    >>> in_words({"how": "parts", "train": draw, "holdout": draw})
    'trained in parts on all 5,000 rows; evaluated on a sample of 1,000 of 5,000 held-out rows'
    """
    train, holdout = large["train"], large["holdout"]
    if large["how"] == "parts":
        line = f"trained in parts on all {train['of']:,} rows"
    elif train["rows"] < train["of"]:
        strata = f"stratified by {train['by']} and file; seed {train['seed']}"
        line = f"trained on a sample of {train['rows']:,} of {train['of']:,} rows ({strata})"
    else:
        line = f"prepared in pieces, trained on all {train['of']:,} rows"
    if holdout["rows"] < holdout["of"]:
        line += f"; evaluated on a sample of {holdout['rows']:,} of {holdout['of']:,} held-out rows"
    return line
