"""A challenger on trial as a server holds it: which requests it answers, and what is counted of it. Beside, never
before, the champion: its work waits in a bounded queue for a thread of its own, and its failures cost nobody an
answer."""

import math
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from daemon.server.sticky import position
from drift.notation import counted
from retrain.records.predictions import Predictions
from retrain.records.trial import Trial, TrialCounts

MOST_WAITING_ROWS, MOST_WAITING_BYTES = 10_000, 64 * 10**6
LONGEST_ERROR = 300
Served = Any
"""A deployment of the model, by its task."""
Predict = Callable[[Served], Any]
PredictSoon = Callable[[Served], Awaitable[Any]]
"""Answers have a length, and tell how much they differ from others."""


class RunningTrial:
    """One trial in one server process. `predict` of its methods answers the request's rows by the deployment that it
    is given, so that nothing here knows how rows look."""

    def __init__(self, trial: Trial, challenger: Served) -> None:
        self.trial, self.challenger = trial, challenger
        self._salt = f"trial-{trial.id}"
        self._nameless = 0
        self._lock = threading.Lock()
        self._counts = TrialCounts()
        self._waiting = self._waiting_bytes = 0
        self._over = False
        self._thread = ThreadPoolExecutor(1, "trial")

    # --- which requests -------------------------------------------------------------------------------------

    def wants(self, key: object | None) -> bool:
        """Whether the request whose first row has this id is the challenger's; the same id always is or never is, in
        every process. Requests without an id are counted, so that the share holds of them too."""
        if key is not None:
            return position(self._salt, key) < self.trial.share
        with self._lock:
            self._nameless += 1
            return int(self._nameless * self.trial.share) > int((self._nameless - 1) * self.trial.share)

    async def answer(
        self, champion: Served, ids: Sequence[Any] | None, predict: PredictSoon, again: Predict, size: int = 0
    ) -> tuple[Served, Any]:
        """Whose answer a request gets, and what it is: of all its rows, since an answer names one version. Where the
        challenger fails, the champion answers; where both do, the request is at fault. `predict` answers it now,
        `again` in the thread of comparisons, until when it keeps the `size` bytes of the request."""
        started, key = time.perf_counter(), ids[0] if ids else None
        chosen = self.challenger if self.trial.strategy == "canary" and self.wants(key) else champion
        try:
            predictions = await predict(chosen)
        except Exception as error:
            if chosen is champion:
                raise
            predictions = await predict(champion)
            self._count_failure(error)
            return champion, predictions
        self._answered(chosen, champion, key, predictions, time.perf_counter() - started, again, size)
        return chosen, predictions

    # --- what is counted ------------------------------------------------------------------------------------

    def _answered(
        self, by: Served, champion: Served, key: Any, predictions: Any, seconds: float,
        predict: Predict, size: int,
    ) -> None:  # fmt: skip
        """A request was answered by one of the two in so many seconds: have the other one answer it unseen, later. In
        shadow the challenger's share of all; else what the challenger answered."""
        challenged = by is self.challenger
        if challenged:
            self._count(rows=len(predictions))
        elif self.trial.strategy != "shadow" or not self.wants(key):
            return
        other = champion if challenged else self.challenger
        with self._lock:
            free = self._waiting + len(predictions) <= MOST_WAITING_ROWS
            free &= not self._waiting_bytes or self._waiting_bytes + size <= MOST_WAITING_BYTES
            if free and not self._over:
                self._waiting += len(predictions)
                self._waiting_bytes += size
                self._thread.submit(self._compare, challenged, other, predictions, seconds, predict, size)
            else:
                self._counts = replace(self._counts, skipped=self._counts.skipped + len(predictions))

    def _count_failure(self, error: Exception) -> None:
        """The challenger failed on a request that the champion answered."""
        self._count(failures=1, error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR])

    def take(self) -> TrialCounts:
        """What was counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, TrialCounts()
        return counts

    def close(self) -> None:
        """No more comparisons, also for requests that are still under way; those that wait are given up."""
        with self._lock:
            self._over = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _compare(
        self, challenged: bool, other: Served, predictions: Any, seconds: float, predict: Predict,
        size: int,
    ) -> None:  # fmt: skip
        started = time.perf_counter()
        try:
            differed = _difference(predictions, predict(other))
        except Exception as error:
            if not challenged:
                self._count_failure(error)
            return
        finally:
            with self._lock:
                self._waiting -= len(predictions)
                self._waiting_bytes -= size
        took = time.perf_counter() - started
        champion_s, challenger_s = (took, seconds) if challenged else (seconds, took)
        self._count(
            rows=0 if challenged else len(predictions), compared=len(predictions), differed=differed,
            champion_s=champion_s, challenger_s=challenger_s,
        )  # fmt: skip

    def _count(self, error: str = "", **more: float) -> None:
        with self._lock:
            values: dict[str, Any] = {name: getattr(self._counts, name) + number for name, number in more.items()}
            self._counts = replace(self._counts, **values, error=error or self._counts.error)


def _difference(a: Any, b: Any) -> float:
    """Rows of another class, or the sum of the absolute differences of numbers; of lists what is only in one of two."""
    if len(a) != len(b):
        raise ValueError(f"it gave {counted(len(b), 'answer')} for {counted(len(a), 'row')}")
    if not isinstance(a, Predictions):
        return float(a.difference(b))
    if a.classes is not None:
        return float((a.values != b.values).sum())
    differed = float(abs(a.values - b.values).sum())
    if not math.isfinite(differed):
        raise ValueError("it answered with a number that is not finite")
    return differed
