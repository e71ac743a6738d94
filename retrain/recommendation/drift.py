"""Drift of event logs: accounts of new files against those of the files that a version was made of.

Every test permutes accounts, never rows (Good 2005): rows of one account depend on each other, and a test that takes
them for independent alarms in most files where nothing changed. Ids are no categories: which items are chosen always
differs from file to file, and what counts is how many of them the version does not know."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drift.check.budget import holm
from drift.check.report import Calibration, ColumnReport, DriftReport
from drift.notation import agreed, counted, number, percent
from drift.statistics.scores import Score
from drift.statistics.shares import ShareTest
from retrain.recommendation.activity import Activity
from retrain.records.predictions import Floats
from retrain.records.settings.decisions import DriftSettings

EVENTS, UNKNOWN, NEW_USERS = "events per user", "unknown items", "new users"
"""What is compared besides columns, as reports call it."""
BINS = 50
"""Of values and of numbers of events."""
DRAWS, MOST_DRAWS = 2000, 20_000
AT_ONCE = 200
"""Permutations that are in memory together."""
CADENCE = 2.0
"""Files that are so many times longer or shorter than those before have another number of events a user."""
ALIKE_FILES = 3
"""From so many files of the reference on, what they differ by among themselves is no drift."""


@dataclass(frozen=True)
class Named:
    """The columns of types and values, as far as there are any."""

    event: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Aspect:
    """One thing that is compared: of each unit of both sides how its rows spread over bins, (units, bins). `ordered`
    bins are compared by KS distance, others by total variation. `change` tells in words what moved from the reference's
    shares to the current ones."""

    name: str
    ordered: bool
    reference: Floats
    current: Floats
    change: Callable[[Floats, Floats], str]
    relative: bool = False
    """Whether it is compared with the version, not with the reference's newest file."""

    @property
    def kind(self) -> str:
        """As reports call it."""
        return "numeric" if self.ordered else "categorical"


@dataclass(frozen=True)
class _Judged:
    aspect: Aspect
    effect: float
    p_value: float


def drift_of(
    reference: Activity, current: Activity, settings: DriftSettings, names: Named, seed: int = 0
) -> DriftReport:
    """Judge the current accounts beside those of the reference; `settings.false_alarms` is for all tests together. An
    account that stands out is told, and compared with nobody: one alone says nothing of the others."""
    people, odd = current.of_units(~current.outlandish), current.outlandish
    before, now = reference.of_units(~reference.outlandish).sampled(seed), people.sampled(seed + 1)
    aspects, untested, notes = _aspects(before, now, settings, names)
    notes += [_standing_out(odd, 1 - len(people) / len(current))] if odd.any() else []
    draws = _draws(len(aspects), settings.false_alarms)
    judged = [_Judged(one, *permutation_test(one, seed, draws)) for one in aspects]
    adjusted = holm([one.p_value for one in judged], [1 / max(1, len(judged))] * len(judged))
    reports = []
    for one, p_adjusted in zip(judged, adjusted.tolist(), strict=True):
        rejected = p_adjusted <= settings.false_alarms and one.effect >= settings.min_effect
        familiar = _familiar(one, before, settings, seed, draws) if rejected else ""
        notes += [f"{one.aspect.name}: {familiar}"] if familiar else []
        reports.append(_report(one, p_adjusted, rejected and not familiar))
    return DriftReport(
        columns=(*reports, *untested, _new_users(now)),
        outputs=(),
        drift=any(report.drift for report in reports),
        alpha=settings.false_alarms,
        min_effect=settings.min_effect,
        reference_rows=len(reference),
        current_rows=len(current),
        calibration=Calibration(settings.false_alarms, 1 / settings.false_alarms, settings.false_alarms),
        notes=tuple(notes),
    )


def _draws(tests: int, alpha: float) -> int:
    """So many permutations that the smallest p-value is well below the share of each test."""
    return min(MOST_DRAWS, max(DRAWS, round(4 * max(1, tests) / alpha)))


def _standing_out(odd: NDArray[np.bool_], share: float) -> str:
    count = int(odd.sum())
    left_out = f"{agreed(count, 'stand')} out and {agreed(count, 'are')} not compared"
    return f"{counted(count, 'account')} with {percent(share)} of the events {left_out}"


# --- aspects ----------------------------------------------------------------------------------------------------


def _aspects(
    before: Activity, now: Activity, settings: DriftSettings, names: Named
) -> tuple[list[Aspect], list[ColumnReport], list[str]]:
    """What can be compared, reports of what cannot, and notes."""
    few = min(len(before), len(now))
    if few < settings.min_rows:
        reason = f"{counted(few, 'event')} on one side; drift.min_rows is {settings.min_rows}"
        return [], [_untested(name, reason) for name in (EVENTS, UNKNOWN)], []
    found, untested = [unknown_items(before, now)], list[ColumnReport]()
    if names.event is not None:
        found.append(event_types(before, now, names.event))
    if names.value is not None:
        found += values(before, now, names.value)
    usual, length = float(np.median(before.hours or (0.0,))), float(np.median(now.hours or (0.0,)))
    if usual > 0 and length > 0 and not 1 / CADENCE <= length / usual <= CADENCE:
        reason = f"the file covers {number(length)} hours, those of the reference {number(usual)}"
        untested.append(_untested(EVENTS, reason))
    else:
        found.insert(0, events_per_user(before, now))
    kept = [one for one in found if one.name not in settings.ignore]
    return [one for one in kept if one.reference.any() and one.current.any()], untested, []


def events_per_user(before: Activity, now: Activity) -> Aspect:
    """How many events an account has in a file."""
    counts = [np.bincount(side.unit, minlength=side.units).astype(np.float64) for side in (before, now)]
    binned, centres = _binned(counts)
    means = [float(one.mean()) for one in counts]
    change = f"mean {number(means[0])} → {number(means[1])}"
    return Aspect(EVENTS, True, binned[0], binned[1], lambda _a, _b: change if len(centres) else "")


def unknown_items(before: Activity, now: Activity) -> Aspect:
    """What share of the events is on items that the version does not know."""
    sides = []
    for side in (before, now):
        unknown = np.bincount(side.unit, side.unknown, side.units)
        sides.append(np.stack([unknown, np.bincount(side.unit, minlength=side.units) - unknown], axis=1))
    return Aspect(UNKNOWN, False, sides[0], sides[1], _share_of_events, relative=True)


def event_types(before: Activity, now: Activity, name: str) -> Aspect:
    """The types of events; a missing one is a type."""
    types = sorted({*before.types, *now.types})
    sides = []
    for side in (before, now):
        place = np.array([*(types.index(one) for one in side.types), len(types)], np.int64)[side.type]
        sides.append(_spread(side, place, len(types) + 1))
    words = [*(f'"{one}"' for one in types), "missing"]

    def change(a: Floats, b: Floats) -> str:
        most = int(np.argmax(np.abs(b - a)))
        return f"{words[most]} {percent(a[most])} → {percent(b[most])}"

    return Aspect(name, False, sides[0], sides[1], change)


def values(before: Activity, now: Activity, name: str) -> Iterator[Aspect]:
    """The values of events, and the share of those without one."""
    sides, missing = [side.value for side in (before, now)], []
    for side in (before, now):
        missing.append(_spread(side, np.isfinite(side.value).astype(np.int64), 2))
    if any(one[:, 0].any() for one in missing):
        yield Aspect(
            f"{name} missing",
            False,
            missing[0],
            missing[1],
            lambda a, b: f"{percent(a[0])} → {percent(b[0])} of the events",
        )
    present = [one[np.isfinite(one)] for one in sides]
    if not all(len(one) for one in present):
        return
    _, edges = _binned(present)
    spreads = []
    for side in (before, now):
        place = np.where(np.isfinite(side.value), np.searchsorted(edges, side.value), len(edges) + 1)
        spreads.append(_spread(side, place.astype(np.int64), len(edges) + 2)[:, :-1])
    change = f"mean {number(float(present[0].mean()))} → {number(float(present[1].mean()))}"
    yield Aspect(name, True, spreads[0], spreads[1], lambda _a, _b: change)


def _share_of_events(before: Floats, now: Floats) -> str:
    return f"{percent(before[0])} → {percent(now[0])} of the events"


def _spread(side: Activity, place: NDArray[np.int64], bins: int) -> Floats:
    """How many rows of each unit lie in each bin: (units, bins)."""
    flat = np.bincount(side.unit * bins + place, minlength=side.units * bins)
    return flat.reshape(side.units, bins).astype(np.float64)


def _binned(sides: Sequence[Floats]) -> tuple[list[Floats], Floats]:
    """Numbers of both sides as one-hot rows over at most BINS bins, and the upper edges of all but the last; between
    them lie equal shares of both sides together."""
    both = np.concatenate(sides)
    edges = np.unique(np.quantile(both, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    return [np.eye(len(edges) + 1)[np.searchsorted(edges, one)] for one in sides], edges


# --- tests ------------------------------------------------------------------------------------------------------


def permutation_test(aspect: Aspect, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """The distance between the two sides' shares, and how often accounts that are dealt at random to the sides are as
    far apart: (1 + as far) / (1 + draws), which is exact where accounts are exchangeable (Phipson & Smyth 2010)."""
    both = np.concatenate([aspect.reference, aspect.current])
    total, size = both.sum(axis=0), len(aspect.current)
    effect = _distance(aspect.current.sum(axis=0)[None], total, aspect.ordered)[0]
    rng, as_far = np.random.default_rng(seed), 0
    for start in range(0, draws, AT_ONCE):
        keys = rng.random((min(AT_ONCE, draws - start), len(both)))
        chosen = np.zeros(keys.shape)
        np.put_along_axis(chosen, np.argpartition(keys, size - 1, axis=1)[:, :size], 1.0, axis=1)
        as_far += int(np.count_nonzero(_distance(chosen @ both, total, aspect.ordered) >= effect - 1e-12))
    return float(effect), (1 + as_far) / (1 + draws)


def _distance(current: Floats, total: Floats, ordered: bool) -> Floats:
    """KS distance or total variation between the shares of sums (k, bins) and those of the rest of the total."""
    sides = []
    for one in (current, total - current):
        mass = one.sum(axis=1, keepdims=True)
        sides.append(one / np.where(mass > 0, mass, 1.0))
    gap = sides[0] - sides[1]
    return np.asarray(np.abs(np.cumsum(gap, axis=1)).max(axis=1) if ordered else np.abs(gap).sum(axis=1) / 2)


def _familiar(judged: _Judged, before: Activity, settings: DriftSettings, seed: int, draws: int) -> str:
    """Why a difference from the reference is no drift: the newest of its files is alike, or its files differ as much
    among themselves; "" where it is. Items that the version does not know are counted from the version."""
    aspect, files = judged.aspect, before.file_of_unit
    places = np.unique(files)
    if aspect.relative or len(places) < 2:
        return ""
    newest = replace(aspect, reference=aspect.reference[files == places[-1]])
    if newest.reference.any():
        effect, p_value = permutation_test(newest, seed, draws)
        if p_value > settings.false_alarms or effect < settings.min_effect:
            return "unlike the reference, but not beyond doubt unlike its newest file"
    if len(places) < ALIKE_FILES:
        return ""
    total = aspect.reference.sum(axis=0)
    parts = np.stack([aspect.reference[files == place].sum(axis=0) for place in places])
    if _distance(parts, total, aspect.ordered).max() >= judged.effect:
        return "unlike the reference, but files of the reference differ as much among themselves"
    return ""


# --- reports ----------------------------------------------------------------------------------------------------


def _report(judged: _Judged, p_adjusted: float, drifted: bool) -> ColumnReport:
    aspect = judged.aspect
    shares = [one.sum(axis=0) / one.sum() for one in (aspect.reference, aspect.current)]
    change = aspect.change(*shares)
    test, words = ("ks", "KS") if aspect.ordered else ("total_variation", "total variation")
    return ColumnReport(
        name=aspect.name,
        kind=aspect.kind,
        tests={test: Score(judged.effect, judged.p_value, {"reference": aspect.reference.shape[0]})},
        effect=judged.effect,
        missing=ShareTest(None, None),
        change=change,
        p_adjusted=p_adjusted,
        drift=drifted,
        sentence=f"{aspect.name} shifted: {words} {judged.effect:.2g}, {change}" if drifted else change,
    )


def _new_users(now: Activity) -> ColumnReport:
    """The share of events by accounts that the version did not know: told, since who is new is new in every file."""
    share = float(now.fresh[now.unit].mean()) if len(now) else 0.0
    told = _untested(NEW_USERS, "new accounts come with every file; what they choose is tested")
    return replace(told, sentence=f"{percent(share)} of the events are by accounts that are new")


def _untested(name: str, reason: str) -> ColumnReport:
    return ColumnReport(name, "share", {}, None, ShareTest(None, None), reason=reason)
