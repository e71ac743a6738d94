"""What other rules would have foretold and promoted, from what was recorded of each challenger: D, SE, rows, and R."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.gate.figures import Pair
from retrain.planning.forecast import EVIDENCE, MOST_SURPRISE, NEXT_FILES, NORMAL_Z, Forecast, forecast, surprise
from retrain.planning.gate import SLICE_Z, Judged, Opening, PairedGain, decide
from retrain.records.settings.decisions import GateSettings

Rule = Callable[[Pair, Sequence[float]], tuple[Pair, Forecast]]
"""Of a pair and the surprises of earlier cycles of its run: the pair as this rule foretells and promotes it."""


def now(pair: Pair, past: Sequence[float]) -> tuple[Pair, Forecast]:
    """The forecast and the gate as they are."""
    return _judged(pair, pair.trigger, past)


def always_evidence(pair: Pair, past: Sequence[float]) -> tuple[Pair, Forecast]:
    """As if evidence spoke for a challenger also where it does not look better: T = 1, and a reason to promote it."""
    return _judged(pair, "growth" if pair.trigger in EVIDENCE else pair.trigger, past)


def no_past(pair: Pair, past: Sequence[float]) -> tuple[Pair, Forecast]:
    """Without the model's own past."""
    del past
    return _judged(pair, pair.trigger, ())


def held_out_alone(pair: Pair, past: Sequence[float]) -> tuple[Pair, Forecast]:
    """D ± 1.645 SE, and promoted where not worse by 2.5 SE: what held-out rows say of themselves."""
    found = now(pair, past)[1]
    half, promoted = NORMAL_Z * pair.se, pair.difference > -SLICE_Z * pair.se
    low, high = pair.difference - half, pair.difference + half
    return replace(pair, mean=pair.difference, low=low, high=high, promoted=promoted), found


AS_IT_IS = "as it is"
RULES: dict[str, Rule] = {
    "D ± 1.645 SE, not worse by 2.5 SE": held_out_alone,
    "T = 1 for every cycle that evidence opened, whatever D": always_evidence,
    "without the model's own past": no_past,
    AS_IT_IS: now,
}


def applied(rule: Rule, pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs by another rule, each with the past that its run had then: what came of a cycle is known once
    NEXT_FILES more batches are there."""
    found, runs = list[Pair](), defaultdict[tuple[str, str], list[Pair]](list)
    for pair in pairs:
        runs[pair.stream, pair.run].append(pair)
    for run in runs.values():
        known: list[tuple[int, float]] = []
        for pair in sorted(run, key=lambda one: one.batch):
            past = [one for batch, one in known if batch + NEXT_FILES <= pair.batch]
            changed, told = rule(pair, past)
            found.append(changed)
            known.append((pair.batch, surprise(told.to_json(), pair.realised)))
    return found


def surprises(pairs: Sequence[Pair]) -> str:
    """How far R lay from what was expected without the own past, in spreads; in a sentence."""
    told = [_judged(one, one.trigger, ())[1] for one in pairs]
    found = [abs(surprise(one.to_json(), pair.realised)) for one, pair in zip(told, pairs, strict=True)]
    parts = ", ".join(f"{share:.0%} below {np.quantile(found, share):.2f}" for share in (0.5, 0.9, 0.99))
    return f"surprises, in spreads: {parts}, the largest {max(found):.2f}; they count up to {MOST_SURPRISE:g}"


def _judged(pair: Pair, trigger: str, past: Sequence[float]) -> tuple[Pair, Forecast]:
    told = forecast(pair.difference, pair.se, pair.rows, pair.next_rows, trigger, past)
    judged = Judged("", pair.rows, 0.0, None, None, ("", 0.0), PairedGain(pair.difference, pair.se), told)
    promoted = decide(judged, Opening(trigger, tuple(past)), GateSettings()).promote
    return replace(pair, mean=told.mean, low=told.low, high=told.high, promoted=promoted), told
