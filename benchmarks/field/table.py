"""What the rules come to: over streams the share that each recovers of what retraining gains, and what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.field.cases import CLOCKED, POLICY, Outcome

HINDSIGHT = "best in hindsight"
NEVER, MOST = "never", "every batch"
TOLERATED = 0.005
Found = Mapping[str, Sequence[Outcome]]
"""By case its outcomes."""


@dataclass(frozen=True)
class Line:
    """A rule with one window over cases: pooled share of the gain, retrains a served batch, cases below never."""

    rule: str
    window: str
    recovered: float
    share: float
    below: tuple[str, ...]
    cases: int


def value(outcome: Outcome) -> float:
    """Its mean metric."""
    return float(np.nanmean(outcome.scores))


def best(outcomes: Sequence[Outcome], rule: str) -> Outcome | None:
    """Of a rule, the best window in hindsight; None where the rule was not walked."""
    return max((one for one in outcomes if one.rule == rule), key=value, default=None)


def lines(found: Found) -> list[Line]:
    """Each rule with each window, and with the best one of each case in hindsight."""
    rules = dict.fromkeys(one.rule for some in found.values() for one in some)
    told = []
    for rule in rules:
        windows = dict.fromkeys(one.window for some in found.values() for one in some if one.rule == rule)
        for window in windows:
            chosen = {
                case: next((one for one in some if (one.rule, one.window) == (rule, window)), None)
                for case, some in found.items()
            }
            told.append(_line(rule, window, chosen, found))
        if len(windows) > 1:
            told.append(_line(rule, HINDSIGHT, {case: best(some, rule) for case, some in found.items()}, found))
    return told


def _line(rule: str, window: str, chosen: Mapping[str, Outcome | None], found: Found) -> Line:
    known = {case: one for case, one in chosen.items() if one is not None}
    gained, there, below, shares = 0.0, 0.0, [], []
    for case, one in known.items():
        never, most = _bounds(found[case])
        gained, there = gained + value(one) - never, there + most - never
        shares.append(one.retrains / len(one.scores))
        if value(one) < never - TOLERATED:
            below.append(case)
    return Line(rule, window, gained / there if there else np.nan, float(np.mean(shares)), tuple(below), len(known))


def _bounds(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """What never retraining has, and a retrain at every batch with the best window in hindsight."""
    never, most = best(outcomes, NEVER), best(outcomes, MOST)
    assert never is not None and most is not None
    return value(never), value(most)


def markdown(found: Found, groups: Mapping[str, str]) -> Iterator[str]:
    """A line a rule: its best and worst window over all cases, and the best of each case in hindsight; `groups` says of
    which group, such as a seed, a case is: the spread is over groups."""
    yield "| rule | window | recovered | spread | worst window | best of each stream | retrained | below never |"
    yield "|---|---|---|---|---|---|---|---|"
    whole = lines(found)
    parts = {
        group: {(one.rule, one.window): one for one in lines({c: o for c, o in found.items() if groups[c] == group})}
        for group in dict.fromkeys(groups.values())
    }
    for rule in sorted({one.rule for one in whole}, key=lambda rule: _order(rule, whole)):
        some = [one for one in whole if one.rule == rule]
        windows = sorted((one for one in some if one.window != HINDSIGHT), key=lambda one: one.recovered)
        chosen, worst = windows[-1], f"{windows[0].recovered:.2f}" if len(windows) > 1 else "–"
        ideal = next((f"{one.recovered:.2f}" for one in some if one.window == HINDSIGHT), "–")
        spread = [part[rule, chosen.window].recovered for part in parts.values() if (rule, chosen.window) in part]
        told = f"± {np.std(spread, ddof=1):.2f}" if len(spread) > 1 else "–"
        mark = "" if chosen.cases == len(found) else f" ({chosen.cases} of {len(found)} streams)"
        yield (
            f"| {rule}{mark} | {chosen.window} | {chosen.recovered:.2f} | {told} | {worst} | {ideal} "
            f"| {chosen.share:.0%} | {len(chosen.below)} |"
        )


def _order(rule: str, whole: Sequence[Line]) -> tuple[int, float]:
    ranks = {NEVER: 0, MOST: 1, POLICY: 2, CLOCKED: 3}
    at_best = max(one.recovered for one in whole if one.rule == rule)
    return ranks.get(rule, 4 if rule.startswith("every") else 5), -at_best


def by_stream(found: Found) -> Iterator[str]:
    """A line a case: never, every, the daemon, and of schedules and of detectors the best in hindsight."""
    yield "| stream | never | every batch | driftd | recovered | retrains | best schedule | best detector |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, outcomes in found.items():
        (never, most), own = _bounds(outcomes), best(outcomes, POLICY)
        assert own is not None
        rules = dict.fromkeys(one.rule for one in outcomes)
        schedules = [rule for rule in rules if rule.startswith("every ") and rule != MOST]
        detectors = [rule for rule in rules if rule not in (NEVER, MOST, POLICY, CLOCKED, *schedules)]
        share = (value(own) - never) / (most - never) if most != never else np.nan
        yield (
            f"| {case} | {never:.4f} | {most:.4f} | {value(own):.4f} | {share:.2f} | {own.retrains} "
            f"| {_named(outcomes, schedules)} | {_named(outcomes, detectors)} |"
        )


def _named(outcomes: Sequence[Outcome], rules: Sequence[str]) -> str:
    found = [one for rule in rules if (one := best(outcomes, rule)) is not None]
    if not found:
        return "–"
    chosen = max(found, key=value)
    return f"{value(chosen):.4f} {chosen.rule} ({chosen.window}, {chosen.retrains})"
