"""Small distributions of two columns side by side, for a picture."""

from typing import Any

import numpy as np

from drift.profiles.categorical import CategoricalProfile, Codes
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import ColumnValues, Profile, profile

BINS = 30
MOST_CATEGORIES = 20
OTHER = "(other)"


def distribution(before: ColumnValues, now: ColumnValues) -> dict[str, Any]:
    """Shares of the rows that are not missing: of numbers in 30 bins of one width between the 1 % and 99 % quantiles
    of both sides, the outer ones with all beyond; of categories the 20 most frequent. Empty where a side is."""
    if isinstance(before, Codes) or isinstance(now, Codes):
        return of_profile(profile(before), now)
    sides = [np.asarray(side, dtype=np.float64) for side in (before, now)]
    sides = [side[np.isfinite(side)] for side in sides]
    if not len(sides[0]) or not len(sides[1]):
        return {}
    ends = np.array([np.quantile(side, [0.01, 0.99]) for side in sides])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not high > low or not np.isfinite(high - low):
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(np.clip(side, low, high), BINS, (low, high))[0] / len(side) for side in sides]
    return {"edges": edges.tolist(), "reference": shares[0].tolist(), "current": shares[1].tolist()}


def of_profile(before: Profile, now: ColumnValues) -> dict[str, Any]:
    """The same where of one side only a profile is kept."""
    if isinstance(before, NumericProfile) and not isinstance(now, Codes):
        return distribution(before.values, now)
    current = profile(now)
    if not isinstance(before, CategoricalProfile) or not isinstance(current, CategoricalProfile):
        return {}
    return _categories(before, current)


def _categories(left: CategoricalProfile, right: CategoricalProfile) -> dict[str, Any]:
    if not left.count or not right.count:
        return {}
    names = sorted(
        left.counts.keys() | right.counts.keys(),
        key=lambda name: (-left.counts.get(name, 0) / left.count - right.counts.get(name, 0) / right.count, name),
    )[:MOST_CATEGORIES]
    found: dict[str, Any] = {"categories": [*names, OTHER]}
    for side, one in (("reference", left), ("current", right)):
        shares = [one.counts.get(name, 0) / one.count for name in names]
        found[side] = [*shares, max(0.0, 1 - sum(shares))]
    return found
