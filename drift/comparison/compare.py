"""`from drift import compare`: two frames, compared as `driftd compare` compares two files."""

from collections.abc import Collection
from typing import Any

from drift.check.check_columns import MIN_EFFECT
from drift.comparison.frames import frame, named
from drift.comparison.kept import compare_with
from drift.comparison.report import Comparison, Library
from drift.comparison.tables import ALPHA, compare_tables
from drift.profiles.reference import Reference


def compare(
    reference: Any,
    current: Any,
    *,
    alpha: float = ALPHA,
    exact: bool = False,
    min_effect: float = MIN_EFFECT,
    calendar: bool = False,
    multivariate: bool = False,
    ignore: str | Collection[str] = (),
    columns: str | Collection[str] = (),
) -> Comparison:
    """Did the data drift from one frame to the other, column by column?

    Frames are of pandas, polars or Arrow, of anything with Arrow's PyCapsule interface, or dicts of arrays; the two
    need not be of one kind. Columns are matched by name. The numbers are those of `driftd compare` on Parquet files of
    the same rows.

    `alpha` is the rate of false alarms of the whole comparison, and effects below `min_effect` are no drift. With
    `exact`, Wasserstein distances are exact and further statistics are given; `calendar` adds the hour and weekday of
    dates, `multivariate` tests of all columns together. Columns that name or date rows are left out, and those to
    `ignore`; where `columns` are named, they alone are compared, whatever their values.

    `reference` may also be a `Reference`, as `reference_of` makes one of a frame: the other frame is then judged as
    `driftd check` judges a file, with a budget that allows for a reference that is kept.

    TypeError where something is no frame, ValueError where a name is no column or the two have none in common.

    >>> compare({"x": [1.0, 2.0, 3.0] * 100}, {"x": [2.0, 3.0, 4.0] * 100})
    Drift in 1 of 1 columns (300 and 300 rows)
      x shifted: KS 0.33, mean 2 → 3
    """
    if isinstance(reference, Reference):
        if calendar or multivariate:
            raise ValueError("a reference has no rows: calendar is an argument of reference_of, multivariate of none")
        table = frame(current)
        ignored, only = named(ignore, table), named(columns, table)
        kept = compare_with(reference, table, ignored, only, alpha=alpha, exact=exact, min_effect=min_effect)
        return Comparison(kept.result, kept.shapes, _library(current))
    before = frame(reference)
    now = frame(current, before.kinds)
    compared = compare_tables(
        before, now, alpha=alpha, exact=exact, min_effect=min_effect, calendar=calendar, multivariate=multivariate,
        ignore=named(ignore, before, now), columns=named(columns, before),
    )  # fmt: skip
    return Comparison(compared.result, compared.shapes, _library(reference))


def _library(data: Any) -> Library:
    package = type(data).__module__.partition(".")[0]
    return "pandas" if package == "pandas" else "polars" if package == "polars" else "arrow"
