"""Would a fresh model have paid? Regret adds up, file by file, against the price of a retrain. Pure.

Each labelled file says what a fresh model of the best window would have saved over what was served (cost-aware
retraining, Mahadevan and Mathioudakis 2023, in its cumulative form). Small gains that chance explains count for
nothing: each file's gain is lessened by its standard error, and the sum never falls below 0 (Page 1954). The price is
a share of the model's own loss; it doubles with every retrain ahead of the budget's pace, halves while the budget is
unspent, and doubles after a retrain that did not pay."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retrain.planning.twin_windows import WINDOWS
from retrain.records.assessment import Assessment
from retrain.records.observation import CycleResult
from retrain.records.planner_state import FileGain, Regret
from retrain.records.settings import TriggerSettings
from retrain.rows.batches import in_window, newest_of

# Where nothing else is said, the numbers were chosen on the development streams of docs/replay.md (`make streams`).
RECENT_FILES, FEWEST_FILES = 4, 3
"""Labelled files, of which long ones count as several: whose twins are kept to choose the window, and the fewest to
choose by."""
AHEAD_DISCOUNT, WITH_IT_DISCOUNT = 1.0, 1.5
"""Standard errors by which a gain is lessened: of a twin trained before the file; of one trained with it."""
KEPT_GAINS = 50
"""Labelled files whose parts of the sum are kept, the newest; those before them are one number."""
SMALLEST_LOSS = 0.02
"""In the unit of the metric's loss: the level that a price is at least a share of."""
LEVEL_STEP = 0.1
"""The share of a new file in the exponentially smoothed loss."""
LARGEST_PENALTY = 4.0
"""Factor on the price: it doubles at most twice after retrains that did not pay."""
PAID_Z = 1.0
"""Standard errors of the paired difference by which a challenger must beat what was served to have paid."""
CHEAPEST, DEAREST = -2.0, 6.0
"""Exponents of 2 on the price, by retrains ahead of the budget's pace: from a quarter to 64 times."""
MOST_AHEAD = 2.0
"""Retrains ahead of the budget's pace from which on none is opened."""
SHORT_Z, SHORT_LONG_Z, MIDDLE_Z, LONG_Z = 1.0, 2.0, 3.0, 2.0
"""Standard errors of paired evidence for another window than the decaying one: last3 over last12, and over all; last12
over all; all over last12."""
SHORT, MIDDLE, LONG = WINDOWS


def folded(base: Regret, assessments: Iterable[Assessment]) -> Regret:
    """After all assessments that hold now since the regret was `base`, in the order of their files: what a label that
    came late or was corrected changed counts as if it had been so from the start."""
    for assessment in assessments:
        base = assessed(base, assessment)
    return base


def assessed(regret: Regret, assessment: Assessment) -> Regret:
    """After one more labelled file."""
    level = assessment.loss if regret.loss is None else (1 - LEVEL_STEP) * regret.loss + LEVEL_STEP * assessment.loss
    regret = replace(regret, files=regret.files + 1, loss=level, metric=assessment.metric)
    if not assessment.gains:
        return regret
    if all(name in assessment.twins for name in WINDOWS):
        entry = {"pairs": {key: list(value) for key, value in assessment.pairs.items()}, "twins": assessment.twins}
        recent = (*regret.recent, entry)
        regret = replace(regret, recent=recent[-newest_of([*map(_judged, recent)], RECENT_FILES) :])
    window, twin = best_window(regret.recent)
    regret = replace(regret, window=window, twin=twin)
    gain = file_gain(assessment, twin, regret.handicap)
    if gain is None:
        return regret
    total = max(0.0, regret.sum + gain.counted)
    if total == 0:
        return emptied(regret)
    gains = (*regret.gains, gain)[-KEPT_GAINS:]
    since, span = (assessment.seq, 1) if regret.sum == 0 else (regret.since, regret.span + 1)
    return replace(regret, sum=total, since=since, span=span, gains=gains)


def emptied(regret: Regret) -> Regret:
    """With nothing added up."""
    return replace(regret, sum=0.0, since=None, span=0, gains=())


def earned(regret: Regret, batches: float, settings: TriggerSettings) -> Regret:
    """After so much more data was taken in (see `retrain.rows.batches`), for a budget per batches. Without a budget
    nothing is earned or spent, and what was is forgotten."""
    if settings.retrains is None:
        return replace(regret, credit=0.0)
    if settings.retrains.files is None:
        return regret
    return replace(regret, credit=regret.credit + settings.retrains.rate * batches)


def elapsed(regret: Regret, now: float, settings: TriggerSettings) -> Regret:
    """After time has passed, for a budget per time."""
    if settings.retrains is None or settings.retrains.seconds is None:
        return regret
    since = regret.credited_at if regret.credited_at is not None else now
    return replace(regret, credit=regret.credit + settings.retrains.rate * max(0.0, now - since), credited_at=now)


def retrained(regret: Regret, result: CycleResult) -> Regret:
    """After a cycle that trained came to its end."""
    if not result.promoted:
        return emptied(replace(regret, penalty=min(2 * regret.penalty, LARGEST_PENALTY)))
    promotions = regret.promotions + 1
    paid = result.z is None or result.z >= PAID_Z
    penalty = max(1.0, regret.penalty / 2) if paid else min(2 * regret.penalty, LARGEST_PENALTY)
    handicap = regret.handicap
    if result.handicap is not None:
        newest = min(0.0, result.handicap)
        handicap = newest if promotions <= 2 else (regret.handicap + newest) / 2
    return emptied(replace(regret, promotions=promotions, penalty=penalty, handicap=handicap))


def file_gain(assessment: Assessment, twin: str, handicap: float) -> FileGain | None:
    """What a fresh model would have saved on one file, beyond chance: of a twin trained before the file, or, where that
    is more, of one trained with it and judged on its reservoir. None where no twin of this window was judged on it."""
    found = []
    if twin in assessment.gains:
        mean, error, _ = assessment.gains[twin]
        found.append(FileGain(assessment.seq, twin, "before", mean, -handicap, -AHEAD_DISCOUNT * error))
    if twin in assessment.fresh:
        mean, error, _ = assessment.fresh[twin]
        found.append(FileGain(assessment.seq, twin, "with", mean, -handicap, -WITH_IT_DISCOUNT * error))
    return max(found, key=lambda gain: gain.counted, default=None)


@dataclass(frozen=True)
class Price:
    """What the sum must exceed for a retrain to pay, as the product of its factors: the configured `share`
    (`triggers.regret`) of the model's usual `loss`, `unpaid` for retrains that did not pay, `budget` for those ahead of
    the pace (above 1) or still unspent (below it), `drift` while the data drift."""

    share: float
    loss: float
    unpaid: float
    budget: float
    drift: float

    @property
    def total(self) -> float:
        """The product."""
        return self.share * self.loss * self.unpaid * self.budget * self.drift


def price(regret: Regret, settings: TriggerSettings, drifting: bool) -> Price:
    """Today's; drift makes a gain more credible, and the price lower."""
    assert settings.regret is not None
    return Price(
        share=settings.regret,
        loss=max(regret.loss or 0.0, SMALLEST_LOSS),
        unpaid=regret.penalty,
        budget=2.0 ** min(max(-regret.credit, CHEAPEST), DEAREST),
        drift=settings.drift_prior if drifting else 1.0,
    )


def affordable(regret: Regret) -> bool:
    """Whether the budget allows one more retrain: while fewer than two are ahead of its pace."""
    return regret.credit > -MOST_AHEAD


def best_window(recent: tuple[dict[str, Any], ...]) -> tuple[str, str]:
    """The window that the twins of the last files favour, and the twin that stands for it: decaying weights unless
    paired evidence is for another one, the stronger the further it departs."""
    if sum(in_window(_judged(one)) for one in recent) < FEWEST_FILES:
        return "decay", LONG
    costs = {name: sum(one["twins"][name] for one in recent) for name in WINDOWS}
    cheapest = min(costs, key=lambda name: costs[name])

    def worse(name: str, than: str) -> float:
        """By how many standard errors one window's twins cost more than another's."""
        forward, backward = f"{name}|{than}", f"{than}|{name}"
        parts = [
            tuple(one["pairs"][forward]) if forward in one["pairs"]
            else (-one["pairs"][backward][0], *one["pairs"][backward][1:])
            for one in recent
        ]  # fmt: skip
        return pooled_z(parts)

    if cheapest == SHORT and worse(MIDDLE, SHORT) > SHORT_Z and worse(LONG, SHORT) > SHORT_LONG_Z:
        return SHORT, SHORT
    if cheapest in (SHORT, MIDDLE) and worse(LONG, MIDDLE) > MIDDLE_Z:
        return MIDDLE, MIDDLE
    if worse(MIDDLE, LONG) > LONG_Z:
        return "all", LONG
    return "decay", LONG if worse(LONG, MIDDLE) < 0 else MIDDLE


def _judged(entry: Mapping[str, Any]) -> int:
    """The rows on which a file's twins were compared."""
    return max((rows for _, _, rows in entry["pairs"].values()), default=0)


def pooled_z(parts: Sequence[tuple[float, float, int]]) -> float:
    """Mean over its standard error, of rows given as groups of (mean, variance, rows); 0 of nothing.

    >>> round(pooled_z([(2.0, 2 / 3, 3)]), 3)
    4.243
    """
    rows = sum(n for _, _, n in parts)
    if not rows:
        return 0.0
    mean = sum(n * m for m, _, n in parts) / rows
    variance = sum(n * (v + m * m) for m, v, n in parts) / rows - mean * mean
    return 0.0 if mean == 0 else mean / (math.sqrt(max(variance, 0.0) / rows) + 1e-9)


def window_choice(regret: Regret) -> dict[str, Any]:
    """The window as the prepare stage takes it. A short one reaches back over the labelled files since the regret
    began, but at most as far as the middle one: since the change."""
    if regret.window == SHORT:
        return {"kind": "files", "files": min(max(WINDOWS[SHORT] or 3, regret.span), WINDOWS[MIDDLE] or 12)}
    if regret.window == MIDDLE:
        return {"kind": "files", "files": WINDOWS[MIDDLE]}
    return {"kind": regret.window}
