"""What pairs of predicted and realised differences come to: coverage, bias, width, and who was promoted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BETTER, HARMFUL = 0.02, -0.01
"""Of the realised difference, as a share of the metric's range: truly better, and harmful."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """One cycle whose challenger met a champion: what was measured (D, SE) on `rows` held-out ones, the forecast of the
    next files, which were expected to have `next_rows`, and what was realised on the `realised_rows` that they had; all
    but rows in shares of the metric's `scale`. `promoted` by the gate; `by_planner`: not opened by a clock."""

    stream: str
    run: str
    batch: int
    trigger: str
    difference: float
    se: float
    mean: float
    low: float
    high: float
    realised: float
    promoted: bool
    rows: int
    next_rows: int
    realised_rows: int

    @property
    def by_planner(self) -> bool:
        """Whether the planner opened the cycle, not a clock."""
        return self.trigger != "schedule"


def pairs_of(stream: str, run: str, cycles: Iterable[Mapping[str, Any]], errors: bool = False) -> list[Pair]:
    """The cycles of a replay whose difference is known; of a metric of `errors` in shares of the naive baseline's."""
    found = []
    for cycle in cycles:
        forecast, realised = cycle["forecast"], cycle["realised"]
        if forecast is None or realised is None:
            continue
        scale = cycle["baseline"] if errors and cycle.get("baseline") else 1.0
        values = [forecast[key] / scale for key in ("difference", "se", "mean", "low", "high")]
        found.append(
            Pair(
                stream, run, cycle["batch"], cycle["trigger"], *values, realised["difference"] / scale,
                cycle["promoted"], forecast["rows"], forecast["next_rows"], realised["rows"],
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Figures:
    """Of some pairs: the share whose interval covers; the mean of (R − μ)/SE in all, where D > SE, and where D < −SE;
    the median width over the 5-95 % range of R; the shares promoted of the better and of the harmful ones."""

    pairs: int
    covered: float
    bias: float
    bias_above: float
    bias_below: float
    width: float
    better: int
    better_promoted: float
    harmful: int
    harmful_promoted: float


def figures(pairs: Sequence[Pair]) -> Figures:
    """Of at least one pair."""
    realised, se = _all(pairs, "realised"), _all(pairs, "se")
    difference, mean = _all(pairs, "difference"), _all(pairs, "mean")
    low, high = _all(pairs, "low"), _all(pairs, "high")
    promoted = np.array([one.promoted for one in pairs])
    z, off = difference / se, (realised - mean) / se
    span = float(np.subtract(*np.quantile(realised, [0.95, 0.05])))
    better, harmful = realised >= BETTER, realised <= HARMFUL
    return Figures(
        len(pairs), float(np.mean((low <= realised) & (realised <= high))), float(off.mean()), _mean(off[z > 1]),
        _mean(off[z < -1]), float(np.median(high - low)) / span if span else float("nan"),
        int(better.sum()), _mean(promoted[better]), int(harmful.sum()), _mean(promoted[harmful]),
    )  # fmt: skip


def table(groups: Mapping[str, Sequence[Pair]]) -> str:
    """A line of Markdown a group."""
    rows = [
        "| pairs | n | covers (90 %) | bias in SE (at D > SE; at D < −SE) | width ÷ 5-95 % range of R "
        "| promoted of R ≥ .02 | promoted of R ≤ −.01 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, pairs in groups.items():
        if not pairs:
            continue
        one = figures(pairs)
        rows.append(
            f"| {name} | {one.pairs} | {one.covered:.2f} "
            f"| {one.bias:+.2f} ({one.bias_above:+.2f}; {one.bias_below:+.2f}) | {one.width:.2f} "
            f"| {one.better_promoted:.2f} of {one.better} "
            f"| {one.harmful_promoted:.2f} of {one.harmful} |"
        )
    return "\n".join(rows)


def not_better(pairs: Sequence[Pair]) -> str:
    """What challengers came to that did not look better, by what opened their cycles, as Markdown."""
    rows = ["| opened by, D ≤ 0 | pairs | mean R | R ≥ .02 | R ≤ −.01 |", "|---|---|---|---|---|"]
    for trigger in sorted({one.trigger for one in pairs}):
        realised = _all([one for one in pairs if one.trigger == trigger and one.difference <= 0], "realised")
        if len(realised):
            counts = f"{(realised >= BETTER).sum()} | {(realised <= HARMFUL).sum()}"
            rows.append(f"| {trigger} | {len(realised)} | {realised.mean():+.4f} | {counts} |")
    return "\n".join(rows)


def calibration(pairs: Sequence[Pair], parts: int = 8) -> str:
    """Predicted against realised, in parts of equally many pairs by what was predicted, as Markdown."""
    rows = [
        "| predicted | mean predicted | mean realised | 5-95 % of R − μ | covered | pairs |",
        "|---|---|---|---|---|---|",
    ]
    ordered = sorted(pairs, key=lambda one: one.mean)
    for part in np.array_split(np.arange(len(ordered)), min(parts, len(ordered))):
        some = [ordered[place] for place in part]
        mean, realised = _all(some, "mean"), _all(some, "realised")
        low, high = np.quantile(realised - mean, [0.05, 0.95])
        held = np.mean((_all(some, "low") <= realised) & (realised <= _all(some, "high")))
        rows.append(
            f"| {mean.min():+.4f} to {mean.max():+.4f} | {mean.mean():+.4f} | {realised.mean():+.4f} "
            f"| {low:+.3f} to {high:+.3f} | {held:.2f} | {len(some)} |"
        )
    return "\n".join(rows)


def _all(pairs: Sequence[Pair], name: str) -> Floats:
    return np.array([getattr(one, name) for one in pairs], dtype=np.float64)


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
