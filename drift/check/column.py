"""One column against its reference: every test that its kind allows."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import special

from drift.check.dispersion import Evidence
from drift.check.on_grid import Within, distances
from drift.check.report import ColumnReport
from drift.check.unseen import unseen_test
from drift.check.words import categorical_change, numeric_change
from drift.notation import counted
from drift.profiles.categorical import CategoricalProfile, Codes
from drift.profiles.grid_counts import GridCounts, in_cells, locate
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import ColumnValues, Profile, profile
from drift.statistics.bins import bin_counts, decile_edges
from drift.statistics.registry import scores, statistics_of
from drift.statistics.scores import Counts, Score
from drift.statistics.shares import ShareTest, share_test
from drift.statistics.statistic import Pair
from drift.statistics.wasserstein import MAX_ERROR

SMALLEST = 1e-300
KEEP_ALL = 2**62


def judge_values(
    name: str, reference: Profile, values: ColumnValues, min_rows: int = 1, exact: bool = False
) -> ColumnReport:
    """All tests of one column of n values. Many numbers are counted on the reference's grid, unless `exact`: then the
    Wasserstein distance is within 0.001 standard deviations, everything else the same. `exact` adds the statistics that
    are not of every check; none of them decides."""
    if not exact and isinstance(reference, NumericProfile) and reference.grid and not isinstance(values, Codes):
        grid = reference.grid.grid
        counts, located = locate(grid, [values])
        if counts.count and untestable(reference, counts, min_rows) is None:
            within = partial(in_cells, grid, [values], located=located)
            found = _on_grid(name, reference, counts, within)
            if found is not None:
                return found
    return judge_column(name, reference, profile(values, KEEP_ALL), min_rows, exact)


def judge_column(
    name: str, reference: Profile, current: Profile, min_rows: int = 1, exact: bool = False
) -> ColumnReport:
    """All tests of one column; none, with a reason, below `min_rows` rows or where the kinds differ."""
    reason = untestable(reference, current, min_rows)
    if reason is not None:
        return _untested(name, reference, current, reason, exact)
    missing = share_test(reference.missing, reference.rows, current.missing, current.rows)
    empty = _empty(reference, current)
    if empty is not None:
        report = replace(_untested(name, reference, current, empty, exact), missing=missing)
        return replace(report, evidence=_evidence(missing=_share_evidence(missing)))
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        return _numeric(name, reference, current, missing, exact)
    assert isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile)
    return _categorical(name, reference, current, missing, exact)


def category_counts(reference: CategoricalProfile, current: CategoricalProfile) -> tuple[Counts, Counts]:
    """Counts by category, aligned, shape (k,) each; the last one is of all categories that were not kept.

    >>> category_counts(CategoricalProfile({"a": 2}, 0), CategoricalProfile({"b": 1}, 0, other=4))
    (array([2, 0, 0]), array([0, 1, 4]))
    """
    names = set(reference.counts) if reference.other else reference.counts.keys() | current.counts.keys()
    ordered = sorted(names)

    def counted(profile: CategoricalProfile) -> Counts:
        kept = [profile.counts.get(name, 0) for name in ordered]
        return np.array([*kept, profile.count - sum(kept)], dtype=np.int64)

    return counted(reference), counted(current)


def _numeric(
    name: str, reference: NumericProfile, current: NumericProfile, missing: ShareTest, exact: bool
) -> ColumnReport:
    before, now = reference.sample, current.sample
    edges = decile_edges(before)
    pair = Pair(
        counts=(bin_counts(before, edges), bin_counts(now, edges)),
        rows=(reference.count, current.count),
        sd=reference.sd,
        samples=(before, now),
        distance_error=reference.rank_error,
    )
    return numeric_report(name, reference, current, missing, pair, exact)


def _on_grid(name: str, reference: NumericProfile, counts: GridCounts, within: Within) -> ColumnReport | None:
    """None where the grid cannot tell the Wasserstein distance well enough."""
    assert reference.grid is not None
    found = distances(reference.sample, reference.grid, counts, within)
    if not found.error <= MAX_ERROR * reference.sd:
        return None
    pair = Pair(
        counts=(found.reference_bins, found.current_bins),
        rows=(reference.count, counts.count),
        sd=reference.sd,
        distance=found.ks,
        distance_error=reference.rank_error,
        area=found.wasserstein,
        area_error=found.error,
    )
    missing = share_test(reference.missing, reference.rows, counts.missing, counts.rows)
    return numeric_report(name, reference, counts, missing, pair)


def numeric_report(
    name: str,
    reference: NumericProfile,
    current: NumericProfile | GridCounts,
    missing: ShareTest,
    pair: Pair,
    exact: bool = False,
) -> ColumnReport:
    """The report of a numeric column of which this much was counted."""
    tests = scores("numeric", pair, exact)
    rows = reference.count * current.count / (reference.count + current.count)
    return ColumnReport(
        name,
        "numeric",
        tests,
        tests["ks"].statistic,
        missing,
        change=numeric_change(reference, current),
        evidence=_evidence(shape=_ks_evidence(tests["ks"], rows), missing=_share_evidence(missing)),
        means=(reference.mean, current.mean) if reference.count and current.count else None,
    )


def _categorical(
    name: str, reference: CategoricalProfile, current: CategoricalProfile, missing: ShareTest, exact: bool
) -> ColumnReport:
    tests = scores("categorical", Pair(category_counts(reference, current)), exact)
    test = tests["chi_squared"]
    unseen = unseen_test(reference, current)
    return ColumnReport(
        name,
        "categorical",
        tests,
        tests["total_variation"].statistic,
        missing,
        unseen,
        change=categorical_change(reference, current),
        evidence=_evidence(
            shape=_chi_squared_evidence(test.p_value, test.statistic, float(test.extras.get("dof", 1))),
            missing=_share_evidence(missing),
            unseen=_share_evidence(unseen),
        ),
    )


def _evidence(**found: Evidence | None) -> dict[str, Evidence]:
    return {test: evidence for test, evidence in found.items() if evidence is not None}


def _ks_evidence(score: Score, rows: float) -> Evidence | None:
    """−2 log p is chi-squared with 2 degrees of freedom (Fisher 1925); where p underflows, by its leading term."""
    if score.p_value is None or score.statistic is None:
        return None
    if score.p_value > SMALLEST:
        return Evidence(-2 * math.log(score.p_value), 2.0)
    return Evidence(4 * rows * score.statistic**2 - 2 * math.log(2), 2.0)


def _chi_squared_evidence(p_value: float | None, statistic: float | None, df: float) -> Evidence | None:
    """The chi-squared value of this p-value, so that corrections made to it count."""
    if p_value is None:
        return None
    if p_value > SMALLEST or statistic is None:
        return Evidence(float(special.chdtri(df, max(p_value, SMALLEST))), df)
    return Evidence(statistic, df)


def _share_evidence(test: ShareTest) -> Evidence | None:
    return _chi_squared_evidence(test.p_value, test.statistic, 1.0)


def untestable(reference: Profile, current: Profile | GridCounts, min_rows: int) -> str | None:
    """Why nothing of the column can be tested, if so."""
    reason = _too_few(reference, current, min_rows)
    if reason is None and reference.kind != current.kind:
        return f"{reference.kind} in the reference, {current.kind} now"
    return reason


def _too_few(reference: Profile, current: Profile | GridCounts, min_rows: int) -> str | None:
    for where, rows in (("the reference", reference.rows), ("the current data", current.rows)):
        if rows == 0:
            return f"{where} is empty"
        if rows < min_rows:
            return f"{where} has only {counted(rows, 'row')}; {min_rows} are needed"
    return None


def _empty(reference: Profile, current: Profile) -> str | None:
    for where, side in (("the reference", reference), ("the current data", current)):
        if side.count == 0:
            return f"all values are missing in {where}"
    return None


def _untested(name: str, reference: Profile, current: Profile, reason: str, exact: bool) -> ColumnReport:
    """The report without a single test: all null, the shares of missing rows still told."""
    shares = [_share(profile.missing, profile.rows) for profile in (reference, current)]
    missing = ShareTest(shares[0], shares[1], None, reason)
    unseen = ShareTest(None, None, None, reason) if reference.kind == "categorical" else None
    tests = {one.name: one.nothing(reason) for one in statistics_of(reference.kind, exact)}
    return ColumnReport(name, reference.kind, tests, None, missing, unseen, reason)


def _share(part: int, rows: int) -> float | None:
    return part / rows if rows else None
