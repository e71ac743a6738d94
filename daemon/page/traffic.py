"""How many requests each model answers, and how fast: from the totals of all server processes, which control tells."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daemon.config.metrics import BUCKETS
from daemon.runtime.numbers import understood

SECONDS = "driftd_request_seconds"
BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
PLACES = {bound: place for place, bound in enumerate(BOUNDS)}
OVER_S, EVERY_S, FIRST_S = 60.0, 5.0, 3.0
"""Rates are of the last minute, of samples five seconds apart; the first one is taken when all totals were told."""
QUANTILE = 0.99
Counts = tuple[float, ...]
"""By interval of a request's seconds, how many fell into it since the service began."""
NOTHING: Counts = (0.0,) * len(BOUNDS)


class Traffic:
    """Of one service, as its page process knows it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._begun_s = monotonic()
        self._now: dict[str, Counts] = {}
        self._samples: deque[tuple[float, dict[str, Counts]]] = deque()

    def receive(self, message: Mapping[str, Any]) -> None:
        """What control tells: totals that changed."""
        for (name, labels), value in understood(message.get("counts", ())):
            if name == SECONDS and labels[1] in PLACES:
                counts = list(self._now.get(labels[0], NOTHING))
                counts[PLACES[labels[1]]] = value
                self._now[labels[0]] = tuple(counts)

    def look(self) -> None:
        """Take a sample, if it is time."""
        now_s = self._monotonic()
        if now_s - self._begun_s < FIRST_S or (self._samples and now_s - self._samples[-1][0] < EVERY_S):
            return
        self._samples.append((now_s, dict(self._now)))
        while len(self._samples) > 1 and now_s - self._samples[1][0] >= OVER_S:
            self._samples.popleft()

    def by_model(self, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
        """Of each model the requests a second (`per_s`) over the last seconds (`over_s`), and the seconds that 99 of
        100 took at most (`p99_s`; None where there were none). Empty before there are two samples."""
        begun_s, before = self._samples[0] if self._samples else (self._monotonic(), {})
        over_s = self._monotonic() - begun_s
        if over_s < EVERY_S:
            return {}
        return {name: _traffic(before.get(name, NOTHING), self._now.get(name, NOTHING), over_s) for name in names}


def _traffic(before: Counts, now: Counts, over_s: float) -> dict[str, float | None]:
    counts = [max(0.0, new - old) for old, new in zip(before, now, strict=True)]
    return {"per_s": sum(counts) / over_s, "p99_s": quantile(counts, QUANTILE), "over_s": round(over_s, 1)}


def quantile(counts: Sequence[float], share: float) -> float | None:
    """A quantile of a histogram, its intervals taken as evenly filled (as Prometheus's `histogram_quantile`); of the
    last interval, which has no end, its begin. None of nothing.

    >>> quantile([0, 100, *[0] * 13], 0.99), quantile([*[0] * 14, 7], 0.99), quantile([0] * 15, 0.99)
    (0.000995, 10, None)
    """
    total, below = sum(counts), 0.0
    for place, count in enumerate(counts):
        if count and below + count >= share * total:
            if place == len(BUCKETS):
                return BUCKETS[-1]
            low = BUCKETS[place - 1] if place else 0.0
            return low + (BUCKETS[place] - low) * (share * total - below) / count
        below += count
    return None
