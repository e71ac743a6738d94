"""What the tried keep of what the product gains with labels at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.kept import Run
from benchmarks.tried.variants import AS_IT_IS, VARIANTS

TOLERATED = 0.005
Cell = tuple[str, int]


def markdown(never: Sequence[Run], runs: Sequence[Run], delays: Sequence[int], names: Sequence[str]) -> str:
    """A line each: the share of the gain over never retraining that the product has with labels at once, pooled over
    the streams; what it is more than the product with the same labels on its worst and best stream, in the metric's
    unit; retrains; and streams below never retraining."""
    base = {_stream(run): run.result() for run in never if run.path.exists()}
    told = {(run.name, run.delay, _stream(run)): run.result() for run in runs if run.path.exists()}
    usual = {stream: told.get((AS_IT_IS, min(delays), stream)) for stream in base}
    rows = [
        "| labels late | tried | share of the gain | to the product | worst | best | retrained | below never |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for delay in delays:
        for name in names:
            both = [
                (base[stream], whole, told[AS_IT_IS, delay, stream], told[name, delay, stream], stream)
                for stream, whole in usual.items()
                if whole is not None and (name, delay, stream) in told and (AS_IT_IS, delay, stream) in told
            ]
            rows += [_line(delay, name, both)] if both else []
    count = len(usual)
    return "\n".join([*rows, "", f"{count} streams; tried:"] + [f"- {name}: {VARIANTS[name].of}" for name in names])


def _line(delay: int, name: str, both: Sequence[tuple[Any, ...]]) -> str:
    gains = np.array([_gain(one, never) for never, _, _, one, _ in both])
    same = np.array([_gain(here, never) for never, _, here, _, _ in both])
    whole = sum(_gain(usual, never) for never, usual, *_ in both)
    change, names = gains - same, [stream for *_, stream in both]
    worst, best = int(change.argmin()), int(change.argmax())
    retrained = float(np.mean([one["retrain_share"] for *_, one, _ in both]))
    below = [stream for stream, gain in zip(names, gains, strict=True) if gain < -TOLERATED]
    return (
        f"| {delay} | {name} | {gains.sum() / whole:.3f} | {change.sum() / whole:+.3f} "
        f"| {names[worst]} {change[worst]:+.4f} | {names[best]} {change[best]:+.4f} | {retrained:.1%} "
        f"| {', '.join(below) or 'none'} |"
    )


def _gain(one: dict[str, Any], never: dict[str, Any]) -> float:
    """By how much its mean is better than that of never retraining."""
    difference = float(one["mean"] - never["mean"])
    return difference if never["greater_is_better"] else -difference


def _stream(run: Run) -> str:
    """A generated stream has its seed in its name; of another one the seed is the models'."""
    stem = run.stream.stem
    return stem if not run.seed or stem.endswith(f"_{run.seed}") else f"{stem}, seed {run.seed}"
