"""A column's values to its profile, whatever its kind."""

from drift.profiles.categorical import CategoricalProfile, Codes, categorical_profile
from drift.profiles.numeric import MAX_VALUES, NumericProfile, numeric_profile
from drift.statistics.scores import Floats

Profile = NumericProfile | CategoricalProfile
ColumnValues = Floats | Codes


def profile(values: ColumnValues, max_values: int = MAX_VALUES, grid: bool = False) -> Profile:
    """Codes are categorical, an array of floats (NaN missing) is numeric; shape (n,). `grid`: see `numeric_profile`.

    >>> profile(__import__("numpy").array([1.0, 2.0])).mean
    1.5
    """
    if isinstance(values, Codes):
        return categorical_profile(values)
    return numeric_profile(values, max_values, grid)


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of both sets of rows; TypeError where one is numeric and the other categorical."""
    if isinstance(first, NumericProfile) and isinstance(second, NumericProfile):
        return first.merge(second)
    if isinstance(first, CategoricalProfile) and isinstance(second, CategoricalProfile):
        return first.merge(second)
    raise TypeError(f"a {first.kind} profile cannot be merged with a {second.kind} one")
