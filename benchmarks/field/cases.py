"""One stream cut into batches, and by name what each rule served of it: the daemon, fixed schedules, detectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.field.bank import ensure
from benchmarks.field.own import Own, configured, execute
from benchmarks.field.tools import DETECTORS, Tools
from benchmarks.field.walk import Alarm, Bank, every, load, never, walk

PERIODS = (1, 5, 7, 10)
POLICY, CLOCKED = "driftd", "driftd's layers, every 7"


@dataclass(frozen=True)
class Case:
    """A stream (Parquet, the target last), how it is cut, and how many batches its labels are late."""

    stream: Path
    out: Path
    batches: int
    initial: int
    delay: int
    seed: int

    @property
    def name(self) -> str:
        """As it is told."""
        return f"{self.stream.stem}, {self.batches} batches"

    def kept_at(self, what: str) -> Path:
        """Where a detector's result is."""
        return self.out / self.stream.stem / f"{what}_{self.batches}_{self.initial}_{self.delay}_{self.seed}.json"

    def own(self, name: str, **more: Any) -> dict[str, Any]:
        """What driftd came to."""
        return execute(Own(name, self.stream, self.out, self.batches, self.initial, self.delay, self.seed, **more))

    def bank(self) -> tuple[Path, Bank]:
        """Its models, trained unless they are there; labels may be late in a walk of them, not here."""
        path = self.out / "banks" / f"{self.stream.stem}_{self.batches}_{self.initial}_{self.seed}.npz"
        ensure(path, self.stream, configured(self.stream, self.seed), self.batches, self.initial)
        return path, load(path)


@dataclass(frozen=True)
class Outcome:
    """What a rule served: its metric by batch, as a gain (greater is better), and its retrains of so many batches."""

    rule: str
    window: str
    scores: tuple[float, ...]
    retrains: int
    cpu_seconds: float


def outcomes(case: Case, tools: Tools, clocked: bool) -> list[Outcome]:
    """Of every rule and window: made where they are not kept yet."""
    path, bank = case.bank()
    sign = 1.0 if bank.greater_is_better else -1.0
    found = [_walked(bank, "never", bank.windows[0], never(), case.delay, sign)]
    for period in PERIODS:
        name = "every batch" if period == 1 else f"every {period}"
        # labels that are never late, as in the daemon's own replays: what there is to be gained
        delay = 0 if period == 1 else case.delay
        found += [_walked(bank, name, window, every(period)(), delay, sign) for window in bank.windows]
    for package in DETECTORS:
        found += _detected(tools.run_once(case.kept_at(package), package, path, case.delay, case.stream), sign)
    runs = {POLICY: case.own("policy")}
    if clocked:
        runs[CLOCKED] = case.own("every7", period=7)
    return found + [
        Outcome(name, "own", _gains(told["scores"][case.initial :], sign), told["retrains"], told["cpu_seconds"])
        for name, told in runs.items()
    ]


def _walked(bank: Bank, rule: str, window: str, alarm: Alarm, delay: int, sign: float) -> Outcome:
    told = walk(bank, window, alarm, delay)
    return Outcome(rule, window, _gains(told.scores, sign), len(told.retrains), told.cpu_seconds)


def _detected(told: dict[str, Any], sign: float) -> Iterator[Outcome]:
    for rule, windows in told["rules"].items():
        for window, one in windows.items():
            name = f"{told['package']} {rule}"
            yield Outcome(name, window, _gains(one["scores"], sign), len(one["retrains"]), one["cpu_seconds"])


def _gains(scores: Any, sign: float) -> tuple[float, ...]:
    return tuple(float("nan") if score is None else sign * score for score in scores)
