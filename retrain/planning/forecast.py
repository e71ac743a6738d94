"""What a difference on held-out rows says of the files that come: its 90 % interval, shrunk and widened by what such
differences came to, and by the model's own past. Pure.

A difference on held-out rows is drawn by chance and by the choice of looking at all, so it returns towards nothing: of
291 challengers those that looked better by more than a standard error came to .2 of one less, those that looked worse
to 1.4 more. What opened the cycle tells too. The form is an empirical Bayes estimate whose shrinkage falls with
z = D / SE (Efron 2011, Tweedie's formula); its constants were fitted on other challengers. `make gate` measures them,
and all numbers here, anew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

COVERED = 0.9
NORMAL_Z = 1.645
"""Standard deviations to each side that hold 90 %."""
KEPT, NULL_Z2, FULL_Z2 = 0.7, 2.0, 8.0
"""The share of a difference that stays where it is sure, and the z² between which it grows to that."""
EVIDENCE_SE = 0.7
"""Standard errors that a challenger gains on held-out rows, whose cycle was opened by evidence. Where labels asked for
it and it does not look better all the same, nothing: 28 such challengers came to nothing in the mean."""
BETWEEN_FILES = 0.005
"""Of the variance on held-out rows, for each of these, that files differ by: it does not fall with more rows."""
OWN_SHARE = 0.3
"""Of the difference itself, as a standard deviation."""
PRIOR_CYCLES = 10.0
"""Past cycles that count as much as what was found over other models."""
NEXT_FILES = 2
"""Settled files over which the difference is foretold."""
MEASURED = frozenset({"regret", "performance", "drift"})
"""Kinds of triggers that say that a fresh model is better: measured on labels, or seen in the data."""
EVIDENCE = MEASURED | {"growth"}
"""And of those that know it: by many more rows, of which held-out rows say too little."""
MOST_SURPRISE = 4.0
"""Spreads that a surprise counts at most (winsorised): 9 of 10 of 291 were below 1.7, the largest was 38."""
MOST_PAST = 50
"""The newest cycles that a model's own past is made of."""
MOST_WAITING = 6
"""The newest cycles whose challengers are kept until their difference is known."""
LEAST_SE = 0.001
"""A smaller standard error, as a share of the metric's range, is none that a file keeps."""


@dataclass(frozen=True)
class Forecast:
    """The difference (metric of challenger less champion, so that more is better) over the next two settled files.

    `difference` and `se` were measured on `rows` held-out rows; the newest two files have `next_rows` labelled
    ones, and so will the next two. `evidence` says
    whether what opened the cycle, `trigger`, counts for the challenger. `expected` and `spread` are what this alone
    says; `mean` and `sd` with the `past` cycles of the model whose difference is known; `low` and `high` hold 90 %."""

    difference: float
    se: float
    rows: int
    next_rows: int
    trigger: str
    evidence: bool
    expected: float
    spread: float
    past: int
    mean: float
    sd: float

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - NORMAL_Z * self.sd

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + NORMAL_Z * self.sd

    def to_json(self) -> dict[str, Any]:
        """As it is recorded with an evaluation, the interval beside it."""
        return asdict(self) | {"low": self.low, "high": self.high}


def forecast(
    difference: float,
    se: float,
    rows: int,
    next_rows: int,
    trigger: str,
    past: Sequence[float] = (),
    scale: float = 1.0,
) -> Forecast:
    """Of a paired `difference` with its standard error on `rows` held-out rows. `past` are the standardised surprises
    (see `surprise`) of earlier cycles of the model, `scale` is the metric's range.

    >>> found = forecast(0.0365, 0.005, 400, 1600, "regret")
    >>> round(found.expected, 4), round(found.low, 4), round(found.high, 4)
    (0.0265, 0.0021, 0.051)
    """
    se = max(se, LEAST_SE * scale)
    z2, evidence = (difference / se) ** 2, trigger in EVIDENCE and (difference > 0 or trigger not in MEASURED)
    expected = KEPT * difference * (z2 + NULL_Z2) / (z2 + FULL_Z2) + (EVIDENCE_SE * se if evidence else 0.0)
    variance = se**2 * (1 + rows / max(1, next_rows) + BETWEEN_FILES * rows) + (OWN_SHARE * difference) ** 2
    spread = math.sqrt(variance)
    shift, widening = own_past(past)
    return Forecast(
        difference, se, rows, next_rows, trigger, evidence, expected, spread, len(past),
        expected + shift * spread, spread * widening,
    )  # fmt: skip


def own_past(past: Sequence[float]) -> tuple[float, float]:
    """By how many spreads the model's own past moves what is expected, and by what factor it widens the spread; no
    single surprise counts more than MOST_SURPRISE spreads.

    >>> own_past([])
    (0.0, 1.0488088481701516)
    >>> [round(one, 2) for one in own_past([-2.0] * 10)]
    [-1.0, 1.02]
    >>> own_past([30.0]) == own_past([4.0])
    True
    """
    weight = len(past) + PRIOR_CYCLES
    counted = [max(-MOST_SURPRISE, min(MOST_SURPRISE, one)) for one in past]
    shift = sum(counted) / weight
    scale = math.sqrt((PRIOR_CYCLES + sum((one - shift) ** 2 for one in counted)) / weight)
    return shift, scale * math.sqrt(1 + 1 / weight)


def surprise(found: Mapping[str, Any], realised: float) -> float:
    """How far what was realised lies from what a recorded forecast expected, in its spreads.

    >>> surprise({"expected": 0.01, "spread": 0.02}, -0.03)
    -2.0
    """
    return (realised - float(found["expected"])) / float(found["spread"])
