"""How long the streaming detectors run until a false alarm, and how late they tell a change: by Monte Carlo.

`python -m benchmarks.run_length` prints the table of docs/streaming-detectors.md.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drift.statistics.scores import Floats
from drift.streaming import Adwin, Detector, PageHinkley, changes

LIMIT = 100_000
BATCH = 2_000
BEFORE = 2_000
RUNS = 200
SLOW_RUNS = 40
SEED = 20_240_601

Draw = Callable[[np.random.Generator, int], Floats]


@dataclass(frozen=True)
class Stream:
    """Independent values, as they are and after the change."""

    name: str
    change: str
    before: Draw
    after: Draw
    is_error: bool = True


@dataclass(frozen=True)
class Length:
    """Mean number of values until the alarm, its standard error, and the median, over `runs` runs.

    The runs `cut` had no alarm in time and count as `LIMIT` values: the mean is a lower bound then."""

    mean: float
    error: float
    median: float
    runs: int
    cut: int

    def __str__(self) -> str:
        if self.cut == self.runs:
            return f"> {LIMIT:,}"
        bound = f"≥ {self.mean:,.0f} ± {self.error:,.0f} ({self.cut} of {self.runs} cut)"
        return bound if self.cut else f"{self.mean:,.0f} ± {self.error:,.0f}"


@dataclass(frozen=True)
class Measured:
    """A detector on a stream: values to a false alarm, share of runs with one within `BEFORE`, delay of a change."""

    detector: str
    stream: Stream
    false_alarm: Length
    early: float
    delay: Length


def _errors(rate: float) -> Draw:
    return lambda rng, rows: (rng.random(rows) < rate).astype(np.float64)


def _losses(mean: float) -> Draw:
    return lambda rng, rows: rng.exponential(mean, rows)


STREAMS = (
    Stream("errors .1", ".1 → .2", _errors(0.1), _errors(0.2)),
    Stream("errors .3", ".3 → .4", _errors(0.3), _errors(0.4)),
    Stream("exponential, mean 1", "+20 %", _losses(1.0), _losses(1.2), is_error=False),
)
DETECTORS: dict[str, Detector] = {
    "Page–Hinkley": PageHinkley(),
    "Page–Hinkley, threshold 30": PageHinkley(threshold=30.0),
    "Page–Hinkley, threshold 60": PageHinkley(threshold=60.0),
    "ADWIN": Adwin(),
    "ADWIN, delta .05": Adwin(delta=0.05),
    "ADWIN, delta .3": Adwin(delta=0.3),
}
LOSS_DETECTORS: dict[str, Detector] = {
    "ADWIN, span 5": Adwin(span=5.0),
}


def measure() -> list[Measured]:
    """Every detector on every stream that it is made for, each pair with a seed of its own."""
    measured = [_measure(name, detector, stream) for stream in STREAMS for name, detector in _made_for(stream)]
    order = [*DETECTORS, *LOSS_DETECTORS]
    return sorted(measured, key=lambda one: order.index(one.detector))


def table(measured: list[Measured]) -> str:
    """As Markdown."""
    head = ("detector", "values", "to a false alarm", "early", "change", "delay", "median")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in measured:
        alarm = (one.detector, one.stream.name, one.false_alarm, f"{one.early:.0%}")
        cells = (*alarm, one.stream.change, one.delay, f"{one.delay.median:,.0f}")
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def first_alarm(detector: Detector, draw: Draw, rng: np.random.Generator) -> int | None:
    """How many more values until the alarm; None where `LIMIT` bring none."""
    start = detector.to_json()["seen"]
    for _ in range(LIMIT // BATCH):
        detector, found = changes(detector, draw(rng, BATCH))
        if found:
            return int(found[0].position - start)
    return None


def _made_for(stream: Stream) -> list[tuple[str, Detector]]:
    if stream.is_error:
        return list(DETECTORS.items())
    return list((DETECTORS | LOSS_DETECTORS).items())


def _measure(name: str, detector: Detector, stream: Stream) -> Measured:
    runs = SLOW_RUNS if isinstance(detector, Adwin) else RUNS
    rng = np.random.default_rng([SEED, *name.encode(), *stream.name.encode()])
    alarms = [first_alarm(detector, stream.before, rng) for _ in range(runs)]
    warm = [changes(detector, stream.before(rng, BEFORE)) for _ in range(RUNS)]
    delays = [first_alarm(state, stream.after, rng) for state, found in warm if not found]
    early = sum(alarm is not None and alarm <= BEFORE for alarm in alarms) + sum(bool(found) for _, found in warm)
    return Measured(name, stream, _length(alarms), early / (len(alarms) + len(warm)), _length(delays))


def _length(alarms: list[int | None]) -> Length:
    values = np.array([LIMIT if alarm is None else alarm for alarm in alarms], dtype=np.float64)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    cut = sum(alarm is None for alarm in alarms)
    return Length(float(values.mean()), error, float(np.median(values)), len(values), cut)


if __name__ == "__main__":
    began = time.perf_counter()
    print(table(measure()))
    print(f"\n{time.perf_counter() - began:.0f} s")
