"""What runners of detectors have in common: a retrain on an alarm, and the report. Standalone: numpy alone."""

import json
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from walk import Alarm, Bank, Floats, walk

LARGEST = 0.95
"""Quantile of the first errors that numbers are divided by: detectors expect errors of about 0 to 1."""


class ErrorStream:
    """A detector of the stream of errors, fed row by row, and made anew after each alarm, so for each model: an alarm
    anywhere in the batch is one. `drifted` gives a detector one more error and says whether it alarms."""

    def __init__(self, make: Callable[[], Any], drifted: Callable[[Any, float], bool]) -> None:
        self.make, self.drifted, self.detector, self.scale = make, drifted, make(), None

    def __call__(self, batch: int, known: int, errors: Floats) -> bool:
        """After a batch; False and True as an `Alarm`."""
        del batch, known
        for value in self._scaled(errors):
            if self.drifted(self.detector, value):
                self.detector = self.make()
                return True
        return False

    def _scaled(self, errors: Floats) -> list[float]:
        """As they are for 0 and 1; numbers as shares of what was large at first."""
        if errors.dtype == np.uint8:
            return errors.astype(int).tolist()
        if self.scale is None and len(errors):
            self.scale = float(np.quantile(errors, LARGEST)) or 1.0
        return np.clip(errors / (self.scale or 1.0), 0.0, 1.0).tolist()


def report(package: str, bank: Bank, delay: int, rules: Mapping[str, Callable[[], Alarm]]) -> None:
    """Walk the bank by each rule and window, and print one line of JSON."""
    found: dict[str, dict[str, Any]] = {}
    for name, make in rules.items():
        for window in bank.windows:
            started = time.process_time()
            walked = walk(bank, window, make(), delay)
            found.setdefault(name, {})[window] = {
                "retrains": walked.retrains,
                "scores": [None if np.isnan(score) else score for score in walked.scores],
                "cpu_seconds": walked.cpu_seconds,
                "detector_seconds": time.process_time() - started,
            }
    print(json.dumps({"package": package, "version": version(package), "rules": found}), flush=True)
