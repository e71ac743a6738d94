"""The second test of a column: does it differ from the newest file of the reference, too?

After an adaptation the reference mixes old rows with new ones, and data like the newest is no drift. Only columns that
differ from all rows are tested again, so that little power is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from drift.check.dispersion import Evidence, Spread
from drift.check.file_dispersion import MIN_FILES, FileSpread, pair_rows, rank_mean
from drift.check.report import ColumnReport
from drift.profiles.categorical import Codes
from drift.profiles.files import FileCounts
from drift.profiles.profile import ColumnValues
from drift.statistics.chi_squared import chi_squared
from drift.statistics.scores import Counts
from drift.statistics.shares import ShareTest, share_test

SMALLEST = 1e-300
RANK_SHARE = 0.75
"""Of a test of numbers: the rank mean sees best what moves, and KS, which sees the rest, rejected already once."""


@dataclass(frozen=True)
class Against:
    """A column's test against the newest file: statistics that are chi-squared where nothing changed and rows are
    independent, of which the least likely for its share counts; the rows of both (see `pair_rows`); the `effect`, as in
    the first test; and how much files differ, None where these are too few to show it."""

    found: tuple[Evidence, ...]
    rows: float
    effect: float
    spread: FileSpread | None = None

    def p_value(self, parts: Spread) -> float:
        """Allowing for how files differ without drift, or where they are too few to show it, as the first test does for
        how `parts` of them differ."""
        if self.spread is None:
            each = [parts.p_value(one) for one in self.found]
        else:
            each = [self.spread.p_value(one.value, one.df, self.rows) for one in self.found]
        shares = (RANK_SHARE, 1 - RANK_SHARE) if len(each) == 2 else (1.0,)
        return min(1.0, *(p_value / share for p_value, share in zip(each, shares, strict=True)))


def against_newest(
    files: FileCounts, spreads: Mapping[str, FileSpread], report: ColumnReport, values: ColumnValues
) -> dict[tuple[str, str], Against]:
    """The tests of n values, whose first `report` is given, by the column's name and "shape", "missing" and "unseen";
    without those that the newest file cannot tell. `spreads` are the column's, by test: see `file_spreads`."""
    known, gone = int(files.rows[-1]), int(files.missing[-1])
    now, rows = files.binned(values), len(values.codes if isinstance(values, Codes) else values)
    missing = round((report.missing.current or 0.0) * rows)
    found = {
        "shape": (_numbers if files.kind == "numeric" else _categories)(files.counts[-1], now),
        "missing": _share(share_test(gone, known + gone, missing, rows), known + gone, rows),
    }
    if report.unseen is not None and report.unseen.current is not None:
        unseen = round(report.unseen.current * (rows - missing))
        test = share_test(files.unseen, known, unseen, rows - missing)
        found["unseen"] = _share(test, known, rows - missing)
    few = len(files.rows) < MIN_FILES
    return {
        (report.name, test): one
        if few
        else replace(one, spread=spreads.get("shape" if test == "unseen" else test, FileSpread()))
        for test, one in found.items()
        if one is not None
    }


def _numbers(newest: Counts, now: Counts) -> Against | None:
    n, m = float(newest.sum()), float(now.sum())
    if not n or not m:
        return None
    rows = pair_rows(n, m)
    distance = float(np.max(np.abs(np.cumsum(newest) / n - np.cumsum(now) / m)))
    argument = (np.sqrt(rows) + 0.12 + 0.11 / np.sqrt(rows)) * distance
    log_p = float(np.log(max(special.kolmogorov(argument), SMALLEST)))
    value = max(-2 * log_p, 4 * argument**2 - 2 * np.log(2))
    return Against((Evidence(rank_mean(newest, now), 1.0), Evidence(float(value), 2.0)), rows, distance)


def _categories(newest: Counts, now: Counts) -> Against | None:
    test = chi_squared(newest, now)
    if test.p_value is None or test.statistic is None:
        return None
    df = float(test.extras.get("dof", 1))
    value = test.statistic if test.p_value < SMALLEST else float(special.chdtri(df, test.p_value))
    n, m = float(newest.sum()), float(now.sum())
    effect = float(np.abs(newest / n - now / m).sum()) / 2
    return Against((Evidence(value, df),), pair_rows(n, m), effect)


def _share(test: ShareTest, n: int, m: int) -> Against | None:
    if test.p_value is None or test.statistic is None:
        return None
    value = test.statistic if test.p_value < SMALLEST else float(special.chdtri(1.0, test.p_value))
    return Against((Evidence(value, 1.0),), pair_rows(n, m), abs(test.difference))
