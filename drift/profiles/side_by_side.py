"""Two profiles of a column as shares of bins or of categories, for a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drift.profiles.categorical import CategoricalProfile
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import Profile
from drift.statistics.scores import Floats

BINS, MOST_CATEGORIES = 20, 6
TAIL = 0.01
"""The axis goes from the 1 % to the 99 % quantile of both sides; the outer bins hold what lies beyond."""
OTHER = "(other)"


def side_by_side(before: Profile, now: Profile) -> Mapping[str, Any]:
    """`edges` (20 bins of one width, whole numbers where all values are) or `categories` (the 6 most frequent and the
    others), with the shares of each side among its values that are not missing, `reference` and `current`. Empty where
    a side has no values, or the kinds differ.

    >>> from drift.profiles.numeric import numeric_profile
    >>> found = side_by_side(numeric_profile(np.arange(40.0)), numeric_profile(np.arange(20.0)))
    >>> found["edges"][:2], found["reference"][0], found["current"][0]
    ([0.0, 2.0], 0.05, 0.1)
    """
    if not before.count or not now.count:
        return {}
    if isinstance(before, NumericProfile) and isinstance(now, NumericProfile):
        return _bins(before.values, now.values)
    if isinstance(before, CategoricalProfile) and isinstance(now, CategoricalProfile):
        return _categories(before, now)
    return {}


def _bins(before: Floats, now: Floats) -> dict[str, Any]:
    """Of sorted values, shapes (n,) and (m,)."""
    edges = _edges([_end(side, share) for side in (before, now) for share in (TAIL, 1 - TAIL)])
    found: dict[str, Any] = {"edges": edges.tolist()}
    for name, side in (("reference", before), ("current", now)):
        below = np.searchsorted(side, edges[1:-1], side="left")
        found[name] = (np.diff([0, *below, len(side)]) / len(side)).tolist()
    return found


def _end(ordered: Floats, share: float) -> float:
    return float(ordered[round(share * (len(ordered) - 1))])


def _edges(ends: list[float]) -> Floats:
    """Bins of one width over these places; of whole numbers each bin holds equally many."""
    low, high = min(ends), max(ends)
    if all(end == round(end) for end in ends) and high - low < 1e9:
        width = max(1.0, float(np.ceil((high - low + 1) / BINS)))
        return np.asarray(low + width * np.arange(int(np.ceil((high - low + 1) / width)) + 1), dtype=np.float64)
    if not high > low or not np.isfinite(high - low):
        low, high = low - 0.5, low + 0.5
    return np.asarray(np.linspace(low, high, BINS + 1), dtype=np.float64)


def _categories(before: CategoricalProfile, now: CategoricalProfile) -> dict[str, Any]:
    names = sorted(
        before.counts.keys() | now.counts.keys(),
        key=lambda name: (-before.counts.get(name, 0) / before.count - now.counts.get(name, 0) / now.count, name),
    )[:MOST_CATEGORIES]
    found: dict[str, Any] = {"categories": [*names, OTHER]}
    for side, one in (("reference", before), ("current", now)):
        shares = [one.counts.get(name, 0) / one.count for name in names]
        found[side] = [*shares, max(0.0, 1 - sum(shares))]
    return found
