"""How often the daemon's detector alarms where nothing changed, a file of labelled rows at a time.

`python -m benchmarks.stream_budget` prints the table of docs/streaming-detectors.md; three minutes on one core.
"""

import numpy as np

from drift.statistics.scores import Floats
from retrain.monitoring.error_stream import watch_errors
from retrain.monitoring.performance import stream_level
from retrain.records.settings import ModelSettings

VALUES = 1_000_000
CHAMPIONS = 20
BUDGETS = ("1 per 100 checks", "1 per 20 checks")


def main() -> None:
    """Print one row a setting."""
    print("| detector | errors | rows a file | budget of the detector | alarmed files | delay, .1 more |")
    print("|---|---|---|---|---|---|")
    for detector in ("adwin", "page_hinkley"):
        for name in ("errors .1", "errors .3", "exponential"):
            for rows in (100, 1_000, 10_000):
                for budget in BUDGETS if detector == "adwin" else BUDGETS[:1]:
                    _row(detector, name, rows, budget)


def _row(detector: str, name: str, rows: int, budget: str) -> None:
    settings = _settings(detector, budget)
    files = VALUES // CHAMPIONS // rows
    alarmed = [_alarms(settings, name, rows, files, seed) for seed in range(CHAMPIONS)]
    share, error = np.mean(alarmed) / files, np.std(alarmed) / files / np.sqrt(CHAMPIONS)
    delays = [_delay(settings, name, rows, seed) for seed in range(CHAMPIONS)]
    told = f"{np.median(delays):,.0f}" if np.isfinite(np.median(delays)) else "over 50,000"
    level = stream_level(settings)
    print(
        f"| {detector} | {name} | {rows:,} | {level:.3%} | {share:.3%} ± {error:.3%} | {told} |",
        flush=True,
    )


def _settings(detector: str, budget: str) -> ModelSettings:
    drift = {"detector": detector, "false_alarms": budget}
    triggers = {"min_drop": 0.0}
    return ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "drift": drift, "triggers": triggers}
    )


def _errors(name: str, rows: int, rng: np.random.Generator, worse: float = 0.0) -> Floats:
    if name == "exponential":
        return rng.exponential(1.0 + worse, rows)
    return (rng.random(rows) < float(name.split()[1]) + worse).astype(np.float64)


def _span(name: str) -> float:
    """What the held-out rows told: the 99 % quantile of exponential errors."""
    return float(np.log(100)) if name == "exponential" else 1.0


def _alarms(settings: ModelSettings, name: str, rows: int, files: int, seed: int) -> int:
    """Files of one champion's life in which the detector alarmed."""
    rng, kept, found = np.random.default_rng([seed, rows]), None, 0
    for _ in range(files):
        watch = watch_errors(_errors(name, rows, rng), np.arange(rows), kept, _span(name), settings)
        assert watch is not None
        kept, found = watch.state, found + watch.told["dropped"]
    return found


def _delay(settings: ModelSettings, name: str, rows: int, seed: int) -> float:
    """Rows from a rise by .1 (exponential: a fifth), after 10,000 without one, to the alarm."""
    rng, kept = np.random.default_rng([seed, rows, 1]), None
    worse = 0.2 if name == "exponential" else 0.1
    for start in range(0, 60_000, rows):
        errors = _errors(name, rows, rng, worse if start >= 10_000 else 0.0)
        watch = watch_errors(errors, np.arange(rows), kept, _span(name), settings)
        assert watch is not None
        kept = watch.state
        if start >= 10_000 and watch.told["dropped"]:
            return float(start - 10_000 + watch.told["row"])
    return float("inf")


if __name__ == "__main__":
    main()
