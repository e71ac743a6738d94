"""A column counted file by file, the newest files of a reference: what is usual lately, and how files vary."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drift.profiles.categorical import CategoricalProfile, Codes
from drift.profiles.parts import CATEGORIES
from drift.profiles.profile import ColumnValues, Profile
from drift.statistics.scores import Counts, Floats

MAX_FILES = 24
"""So many of the newest files are kept: 12 kB a column of numbers."""
MIN_ROWS = 200
"""Neighbouring files of fewer rows count as one; half a standard deviation shows between 200 and 200 rows."""
EDGES = 32
"""Quantiles of all rows, and as many of the newest file's: after a step they lie apart. 64 bins lose nothing against
256: a rank mean of 64 equal bins has the efficiency 1 − 1/64² (Connor 1972)."""


@dataclass(frozen=True, eq=False)
class FileCounts:
    """`counts` by file, oldest first, and bin, shape (k, b), and `missing` rows by file, shape (k,). Numbers lie in the
    bins between ascending `edges`, shape (b − 1,), each with its upper edge; categories have a bin for each of
    `names`, and a last one for all others. `unseen` rows of the newest file are of categories that the reference's
    profile has not."""

    counts: Counts
    missing: Counts
    edges: Floats | None = None
    names: tuple[str, ...] = ()
    unseen: int = 0

    @property
    def kind(self) -> str:
        """As a profile's kind."""
        return "categorical" if self.edges is None else "numeric"

    @cached_property
    def rows(self) -> Counts:
        """Rows by file that have a value, shape (k,)."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.int64)

    def binned(self, values: ColumnValues) -> Counts:
        """The rows of n values by bin, shape (b,); missing and infinite ones are left out.

        >>> FileCounts(np.zeros((1, 2)), np.zeros(1), np.array([3.0])).binned(np.array([3.0, 4.0, 5.0, np.nan]))
        array([1, 2])
        """
        bins = _category_bins(values, self.names) if isinstance(values, Codes) else _bins(values, self.edges)
        return np.bincount(bins, minlength=self.counts.shape[1] + 1)[:-1]


def file_groups(sequence: NDArray[np.int64]) -> NDArray[np.int64]:
    """The file of each of n rows, shape (n,), from 0 for the oldest that is kept; −1 for older ones. `sequence` are the
    files' numbers by order of arrival; neighbours of fewer than 200 rows are joined, from the newest on.

    >>> file_groups(np.repeat([5, 7, 8, 9], [300, 300, 150, 100]))[[0, 300, 600, 750]]
    array([0, 1, 2, 2])
    """
    files, place, rows = np.unique(sequence, return_inverse=True, return_counts=True)
    age = np.zeros(len(files), dtype=np.int64)
    held = group = 0
    for position in range(len(files) - 1, -1, -1):
        age[position] = group
        held += int(rows[position])
        if held >= MIN_ROWS:
            held, group = 0, group + 1
    if held and group:
        age[age == group] = group - 1
    kept = min(int(age.max(initial=0)) + 1, MAX_FILES)
    return np.asarray(np.where(age < kept, kept - 1 - age, -1)[place], dtype=np.int64)


def count_files(values: ColumnValues, groups: NDArray[np.int64], known: Profile | None = None) -> FileCounts:
    """The files of a column of n rows, whose file each row of `groups` says (see `file_groups`), or of every so-many-th
    of these rows; `known` is the profile that checks compare with first.

    >>> count_files(np.arange(600.0), np.repeat([0, 1], 300)).rows
    array([300, 300])
    """
    files, rows = int(groups.max(initial=0)) + 1, len(values.codes if isinstance(values, Codes) else values)
    groups = groups[:: -(-len(groups) // max(rows, 1))]
    kept = groups >= 0
    if isinstance(values, Codes):
        names, edges, absent = _frequent_names(values, kept), None, values.codes < 0
        bins, width = _category_bins(values, names), len(names) + 2
    else:
        names, edges, absent = (), _edges(values[kept], groups[kept]), np.isnan(values)
        bins, width = _bins(values, edges), len(edges) + 2
    table = np.bincount(groups[kept] * width + bins[kept], minlength=files * width).reshape(files, width)
    missing = np.bincount(groups[kept & absent], minlength=files)
    return FileCounts(table[:, :-1], missing, edges, names, _unseen(values, groups == files - 1, known))


def one_file(profile: Profile, known: Profile | None = None) -> FileCounts:
    """The profile as the only file."""
    if isinstance(profile, CategoricalProfile):
        names = sorted(profile.counts, key=lambda name: (-profile.counts[name], name))[:CATEGORIES]
        kept = [profile.counts[name] for name in names]
        counts = np.array([[*kept, profile.count - sum(kept)]], dtype=np.int64)
        before = known.counts if isinstance(known, CategoricalProfile) else profile.counts
        unseen = sum(count for name, count in profile.counts.items() if name not in before)
        return FileCounts(counts, np.array([profile.missing]), names=tuple(names), unseen=unseen)
    values = np.asarray(profile.values)
    edges = _edges(values, np.zeros(len(values), dtype=np.int64))
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return FileCounts(counts[None, :], np.array([profile.missing]), edges)


def _bins(values: Floats, edges: Floats | None) -> NDArray[np.int64]:
    """The bin of each value; one beyond the last for what is missing or infinite."""
    assert edges is not None
    finite = np.isfinite(values)
    bins = np.full(len(values), len(edges) + 1, dtype=np.int64)
    bins[finite] = np.searchsorted(edges, values[finite], side="left")
    return bins


def _category_bins(values: Codes, names: Sequence[str]) -> NDArray[np.int64]:
    places = {name: place for place, name in enumerate(names)}
    table = np.array([*(places.get(name, len(names)) for name in values.names), len(names) + 1], dtype=np.int64)
    return np.asarray(table[values.codes], dtype=np.int64)


def _edges(values: Floats, groups: NDArray[np.int64]) -> Floats:
    finite = np.isfinite(values)
    known, newest = values[finite], values[finite & (groups == groups.max(initial=0))]
    shares = np.arange(1, EDGES) / EDGES
    found = [np.quantile(_thinned(one), shares, method="inverted_cdf") for one in (known, newest) if len(one)]
    return np.unique(np.concatenate(found)) if found else np.zeros(0)


def _thinned(values: Floats) -> Floats:
    return values if len(values) <= 100_000 else values[:: len(values) // 100_000 + 1]


def _frequent_names(values: Codes, kept: NDArray[np.bool_]) -> tuple[str, ...]:
    codes = np.asarray(values.codes)[kept]
    totals = np.bincount(codes[codes >= 0], minlength=len(values.names))
    order = np.argsort(-totals, kind="stable")[:CATEGORIES]
    return tuple(str(values.names[place]) for place in order if totals[place])


def _unseen(values: ColumnValues, newest: NDArray[np.bool_], known: Profile | None) -> int:
    if not isinstance(values, Codes) or not isinstance(known, CategoricalProfile):
        return 0
    fresh: Sequence[bool] = [name not in known.counts for name in values.names]
    codes = np.asarray(values.codes)[newest]
    return int(np.asarray([*fresh, False], dtype=bool)[codes].sum())
