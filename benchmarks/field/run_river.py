"""river's detectors on the stream of errors, with a retrain on alarm. Arguments: a bank, batches that labels are
late, and the stream, which is not read."""

import sys
from collections.abc import Callable
from typing import Any

from alarms import ErrorStream, report
from river import drift
from river.drift import binary
from walk import load

ANY: dict[str, Callable[[], Any]] = {
    "ADWIN": drift.ADWIN,
    "PageHinkley": drift.PageHinkley,
    "KSWIN": lambda: drift.KSWIN(seed=0),
}
BINARY: dict[str, Callable[[], Any]] = {
    "DDM": binary.DDM, "EDDM": binary.EDDM, "HDDM_A": binary.HDDMA, "HDDM_W": binary.HDDMW,
}  # fmt: skip


def drifted(detector: Any, value: float) -> bool:
    """Whether it alarms after one more error."""
    detector.update(value)
    return bool(detector.drift_detected)


def main(bank_path: str, delay: str, _: str) -> None:
    """Each detector with its defaults."""
    bank = load(bank_path)
    makers = ANY | (BINARY if bank.binary_errors else {})
    rules = {name: lambda make=make: ErrorStream(make, drifted) for name, make in makers.items()}
    report("river", bank, int(delay), rules)


if __name__ == "__main__":
    main(*sys.argv[1:])
