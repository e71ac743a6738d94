"""What the runs come to: a line a stream, pooled and mean, and what must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.tools.replay.evidence import paired

GAIN, WELL, TOLERATED = 0.02, 0.85, 0.005
Results = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Line:
    """A stream: means as gains (greater is better), `recovered` None where a retrain at every batch gains nothing, or
    loses."""

    stream: str
    metric: str
    never: float
    every: float
    policy: float
    retrains: int
    share: float
    cpu: float
    against_never: float
    error: float

    @property
    def gain(self) -> float:
        """What retraining at every batch gains."""
        return self.every - self.never

    @property
    def recovered(self) -> float | None:
        """The policy's share of that gain."""
        return (self.policy - self.never) / self.gain if self.gain > 0 else None

    @property
    def harmed(self) -> bool:
        """Below never retraining by more than .005 and two standard errors."""
        return self.against_never < -max(TOLERATED, 2 * self.error)


def line(stream: str, results: Results, name: str = "policy") -> Line:
    """One stream's line for one run beside `never` and `every`."""
    never, every, policy = results["never"], results["every"], results[name]
    sign = 1.0 if never["greater_is_better"] else -1.0
    found = paired(policy["scores"], never["scores"], never["greater_is_better"])
    return Line(
        stream, never["metric"], sign * never["mean"], sign * every["mean"], sign * policy["mean"],
        policy["retrains"], policy["retrain_share"],
        policy["cpu_seconds"] / max(every["cpu_seconds_by_window"]["last12"], 1e-9),
        found.mean or 0.0, found.se or 0.0,
    )  # fmt: skip


def pooled(lines: Sequence[Line]) -> float:
    """The gains of all streams together as a share of what was to be gained."""
    return sum(one.policy - one.never for one in lines) / (sum(one.gain for one in lines) or float("nan"))


def clipped_mean(lines: Sequence[Line]) -> float:
    """The mean over streams, each clipped to ±1."""
    return float(np.mean([np.clip(one.recovered, -1, 1) for one in lines if one.recovered is not None]))


def markdown(lines: Sequence[Line]) -> str:
    """The table of one run."""
    rows = [
        "| stream | metric | never | every | policy | recovered | retrains | share | CPU to every last12 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {one.stream} | {one.metric} | {one.never:.4f} | {one.every:.4f} "
        f"| {one.policy:.4f}{' ✗' if one.harmed else ''} "
        f"| {_share(one.recovered)} | {one.retrains} | {one.share:.0%} | {one.cpu:.2f} |"
        for one in lines
    ]
    return "\n".join([*rows, "", summary(lines)])


def summary(lines: Sequence[Line]) -> str:
    """One sentence."""
    telling = [one for one in lines if one.gain >= GAIN]
    well = sum((one.recovered or 0) >= WELL for one in telling)
    harmed = [one.stream for one in lines if one.harmed]
    share, cpu = _mean([one.share for one in lines]), _mean([one.cpu for one in lines])
    return (
        f"pooled {pooled(lines):.3f}, mean {clipped_mean(lines):.3f}, retrained at {share:.1%} of the batches, "
        f"CPU {cpu:.2f} of every last12; {well} of {len(telling)} streams "
        f"with a gain of {GAIN:g} at {WELL:g} or more; below never: {', '.join(harmed) or 'none'}"
    )


def compared(runs: Mapping[str, Sequence[Line]]) -> str:
    """One line a run, such as the ablations."""
    rows = ["| run | pooled | mean | share | CPU |", "|---|---|---|---|---|"]
    rows += [
        f"| {name} | {pooled(lines):.3f} | {clipped_mean(lines):.3f} | {_mean([one.share for one in lines]):.1%} "
        f"| {_mean([one.cpu for one in lines]):.2f} |"
        for name, lines in runs.items()
    ]
    return "\n".join(rows)


def poison_table(results: Mapping[str, Results], kinds: Sequence[str]) -> str:
    """By stream, what each poison costs on clean rows, in the metric's unit, and how many batches were held."""
    rows = [f"| stream | clean | {' | '.join(kinds)} |", f"|---|---|{'---|' * len(kinds)}"]
    for stream, told in results.items():
        clean = told["policy"]
        sign = 1.0 if clean["greater_is_better"] else -1.0
        runs = [told[f"poison {kind}"] for kind in kinds]
        cells = [f"{sign * (run['mean'] - clean['mean']):+.4f} ({len(run['held'])} held)" for run in runs]
        rows.append(f"| {stream} | {clean['mean']:.4f} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
