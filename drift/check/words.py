"""Drift in words: what moved, from where to where."""

from dataclasses import replace

import numpy as np

from drift.check.report import ColumnReport
from drift.notation import date, number, percent
from drift.profiles.categorical import CategoricalProfile
from drift.profiles.grid_counts import GridCounts
from drift.profiles.numeric import NumericProfile
from drift.statistics.shares import ShareTest


def numeric_change(reference: NumericProfile, current: NumericProfile | GridCounts) -> str:
    """How the mean moved, or where it did not, the spread.

    >>> import numpy as np; from drift.profiles.numeric import numeric_profile
    >>> numeric_change(numeric_profile(np.arange(10.0)), numeric_profile(np.arange(10.0) + 8))
    'mean 4.5 → 12.5'
    """
    if not reference.count or not current.count:
        return ""
    if abs(current.mean - reference.mean) < 0.1 * reference.sd:
        return f"standard deviation {number(reference.sd)} → {number(current.sd)}"
    return f"mean {number(reference.mean)} → {number(current.mean)}"


def with_dates(report: ColumnReport) -> ColumnReport:
    """The report of a column of dates, seconds since 1970, whose change is told in dates."""
    if not report.change or report.means is None:
        return report
    return replace(report, change=f"mean {date(report.means[0])} → {date(report.means[1])}")


def categorical_change(reference: CategoricalProfile, current: CategoricalProfile) -> str:
    """The category whose share moved most.

    >>> categorical_change(CategoricalProfile({"a": 9, "b": 1}, 0), CategoricalProfile({"a": 5, "b": 5}, 0))
    '"a" 90% → 50%'
    """
    names = sorted(reference.counts.keys() | current.counts.keys())
    if not reference.count or not current.count or not names:
        return ""
    before, now = (np.array([side.counts.get(name, 0) for name in names]) / side.count for side in (reference, current))
    most = int(np.argmax(np.abs(now - before)))
    return f'"{names[most]}" {percent(before[most])} → {percent(now[most])}'


def sentence(column: ColumnReport, shifted: bool, missing: bool, unseen: bool) -> str:
    """What a person is told about a drifted column; empty where nothing drifted."""
    said = []
    if shifted and column.effect is not None:
        measure = "KS" if column.kind == "numeric" else "total variation"
        change = f", {column.change}" if column.change else ""
        said.append(f"{column.name} shifted: {measure} {column.effect:.2g}{change}")
    if missing:
        said.append(f"{column.name} missing: {_from_to(column.missing)} of rows")
    if unseen and column.unseen is not None:
        examples = ", ".join(f'"{value}"' for value in column.unseen.values[:3])
        share = percent(column.unseen.current or 0.0)
        said.append(f"{column.name} has categories never seen before: {examples} in {share} of rows")
    return "; ".join(said)


def _from_to(share: ShareTest) -> str:
    return f"{percent(share.reference or 0.0)} → {percent(share.current or 0.0)}"
