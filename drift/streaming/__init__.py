"""Change detectors for a stream of errors or losses: one value after another, the state kept between files."""

from typing import Any

from drift.streaming.adwin import Adwin
from drift.streaming.change import Change
from drift.streaming.detector import Detector, changes, update
from drift.streaming.page_hinkley import PageHinkley

DETECTORS: dict[str, type[Detector]] = {kind.kind: kind for kind in (PageHinkley, Adwin)}

__all__ = ["DETECTORS", "Adwin", "Change", "Detector", "PageHinkley", "changes", "from_json", "update"]


def from_json(value: dict[str, Any]) -> Detector:
    """The state that a detector's `to_json` wrote, of whichever kind.

    >>> from_json(Adwin(delta=0.01).to_json())
    Adwin(delta=0.01, span=1.0, clock=32, seen=0, sums=((),), spreads=((),))
    """
    return DETECTORS[value["kind"]].from_json(value)
