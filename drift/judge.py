"""One column against its reference: every test that its kind allows."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from drift.bins import bin_counts, decile_edges
from drift.categorical import CategoricalProfile
from drift.chi_squared import chi_squared
from drift.jensen_shannon import jensen_shannon
from drift.ks import ks
from drift.numeric import NumericProfile
from drift.profiles import Profile
from drift.psi import psi
from drift.report import ColumnReport
from drift.scores import Counts, Score, nothing
from drift.shares import ShareTest, share_test
from drift.total_variation import total_variation
from drift.wasserstein import wasserstein
from drift.words import categorical_change, numeric_change

NUMERIC_TESTS = {"ks": True, "wasserstein": False, "psi": False, "jensen_shannon": False}
CATEGORICAL_TESTS = {"chi_squared": True, "total_variation": False, "psi": False, "jensen_shannon": False}
MAX_UNSEEN = 20


def judge_column(name: str, reference: Profile, current: Profile, min_rows: int = 1) -> ColumnReport:
    """All tests of one column; none, with a reason, below `min_rows` rows or where the kinds differ."""
    reason = _too_few(reference, current, min_rows)
    if reason is None and reference.kind != current.kind:
        reason = f"{reference.kind} in the reference, {current.kind} now"
    if reason is not None:
        return _untested(name, reference, current, reason)
    missing = share_test(reference.missing, reference.rows, current.missing, current.rows)
    empty = _empty(reference, current)
    if empty is not None:
        return replace(_untested(name, reference, current, empty), missing=missing)
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        return _numeric(name, reference, current, missing)
    assert isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile)
    return _categorical(name, reference, current, missing)


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


def unseen_test(reference: CategoricalProfile, current: CategoricalProfile) -> ShareTest:
    """Are there more rows of categories that the reference has not than chance explains?

    Even without drift a category can be new. How often is told by the reference's own rows whose category
    occurs once: each would have been unseen without itself (Good 1953). Their share is `reference`."""
    if not reference.count or not current.count:
        return ShareTest(None, None, None, "empty")
    if reference.other:
        kept = len(reference.counts)
        return ShareTest(None, None, None, f"the reference keeps only its {kept} most frequent categories")
    fresh = {name: count for name, count in current.counts.items() if name not in reference.counts}
    singles = sum(1 for count in reference.counts.values() if count == 1)
    test = share_test(singles, reference.count, sum(fresh.values()) + current.other, current.count)
    ranked = sorted(fresh, key=lambda name: (-fresh[name], name))
    p_value = test.p_value
    if p_value is not None and test.difference <= 0:
        p_value = 1.0
    return replace(test, p_value=p_value, values=tuple(ranked[:MAX_UNSEEN]))


def _numeric(name: str, reference: NumericProfile, current: NumericProfile, missing: ShareTest) -> ColumnReport:
    before, now = reference.sample, current.sample
    edges = decile_edges(before)
    binned = bin_counts(before, edges), bin_counts(now, edges)
    distance = ks(before, now)
    tests = {
        "ks": distance,
        "wasserstein": wasserstein(before, now, reference.sd),
        "psi": psi(*binned),
        "jensen_shannon": jensen_shannon(*binned),
    }
    change = numeric_change(reference, current)
    return ColumnReport(name, "numeric", tests, distance.statistic, missing, change=change)


def _categorical(
    name: str, reference: CategoricalProfile, current: CategoricalProfile, missing: ShareTest
) -> ColumnReport:
    counts = category_counts(reference, current)
    distance = total_variation(*counts)
    tests = {
        "chi_squared": chi_squared(*counts),
        "total_variation": distance,
        "psi": psi(*counts),
        "jensen_shannon": jensen_shannon(*counts),
    }
    change = categorical_change(reference, current)
    unseen = unseen_test(reference, current)
    return ColumnReport(name, "categorical", tests, distance.statistic, missing, unseen, change=change)


def _too_few(reference: Profile, current: Profile, min_rows: int) -> str | None:
    for where, rows in (("the reference", reference.rows), ("the current data", current.rows)):
        if rows == 0:
            return f"{where} is empty"
        if rows < min_rows:
            return f"{where} has only {rows} rows; {min_rows} are needed"
    return None


def _empty(reference: Profile, current: Profile) -> str | None:
    for where, profile in (("the reference", reference), ("the current data", current)):
        if profile.count == 0:
            return f"all values are missing in {where}"
    return None


def _untested(name: str, reference: Profile, current: Profile, reason: str) -> ColumnReport:
    """The report without a single test: all null, the shares of missing rows still told."""
    shares = [_share(profile.missing, profile.rows) for profile in (reference, current)]
    missing = ShareTest(shares[0], shares[1], None, reason)
    unseen = ShareTest(None, None, None, reason) if reference.kind == "categorical" else None
    return ColumnReport(name, reference.kind, _nulls(reference, reason), None, missing, unseen, reason)


def _nulls(reference: Profile, reason: str) -> dict[str, Score]:
    kinds: Iterable[tuple[str, bool]] = (
        NUMERIC_TESTS.items() if reference.kind == "numeric" else CATEGORICAL_TESTS.items()
    )
    return {name: nothing(reason, is_test) for name, is_test in kinds}


def _share(part: int, rows: int) -> float | None:
    return part / rows if rows else None
