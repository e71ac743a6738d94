"""What Prometheus scrapes: what all server processes counted, where they stand, and what control read of the ledger.

A scrape costs no look at ledger or disk: each process counts in memory and hands over to its parent, which adds up and
tells all; what control wrote down is read by a thread, now and then."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from daemon.config.metrics import BUCKETS, BY_NAME, METRICS, UNKNOWN, Metric
from daemon.config.paths import StatePaths
from daemon.runtime.numbers import (
    EVENTS_METRIC,
    HELD,
    LEVELS,
    REFUSED,
    Key,
    LoggedCounts,
    Numbers,
    NumbersFile,
    in_lines,
    together,
    understood,
)
from daemon.server.slot import ModelSlot

BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
SECONDS, REQUESTS, ROWS = "driftd_request_seconds", "driftd_requests_total", "driftd_predicted_rows_total"
AGE = "driftd_state_age_seconds"
FAMILIES: dict[str, Any] = {
    "counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily,
}  # fmt: skip
Message = dict[str, Any]


class Metrics:
    """Of this process. `gauges` are asked how it stands now; `totals` is what all processes of the service counted, and
    `others` how the others stand, as the parent said last; `state` what control wrote down."""

    def __init__(self, slots: Mapping[str, ModelSlot], version: str, paths: StatePaths) -> None:
        self._slots, self._version = slots, version
        self.state = NumbersFile(paths)
        self.logged = LoggedCounts()
        self.gauges: list[Callable[[], Numbers]] = [self._own_gauges]
        self.totals: Numbers = {}
        self.others: Numbers = {}
        self._counted: Numbers = {}
        self._told: Numbers = {}
        self._keys: dict[tuple[str, int], tuple[Key, Key]] = {}

    # --- counting, on the event loop ------------------------------------------------------------------------------

    def count(self, model: str, status: int, seconds: float) -> None:
        """One request was answered."""
        known = model if model in self._slots else UNKNOWN
        keys = self._keys.get((known, status))
        if keys is None:
            keys = self._keys[known, status] = (REQUESTS, (known, str(status))), (f"{SECONDS}_sum", (known,))
        self._add(keys[0], 1)
        self._add(keys[1], seconds)
        self._add((SECONDS, (known, BOUNDS[bisect_left(BUCKETS, seconds)])), 1)

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Something else was done."""
        self._add((name, labels), by)

    def _add(self, key: Key, by: float) -> None:
        self._counted[key] = self._counted.get(key, 0.0) + by

    # --- handing over, on the event loop ----------------------------------------------------------------------------

    def hand_over(self) -> Iterator[Message]:
        """What was counted since the last time, and what of the gauges changed, as messages to the parent."""
        counted, self._counted = self._counted, {}
        for key, by in self.logged.take().items():
            counted[key] = counted.get(key, 0.0) + by
        now = self._now()
        changed = {key: value for key, value in now.items() if self._told.get(key) != value}
        gone = dict.fromkeys(self._told.keys() - now.keys(), 0.0)
        self._told = now
        for kind, numbers in (("counts", counted), ("gone", gone), ("gauges", changed)):
            yield from ({"event": "counted", kind: part} for part in in_lines(numbers))

    def receive(self, message: Message) -> None:
        """What the parent tells: the totals that changed, and how other processes stand."""
        self.totals.update(understood(message.get("counts", ())))
        for key, _ in understood(message.get("gone", ())):
            self.others.pop(key, None)
        self.others.update(understood(message.get("gauges", ())))

    def _now(self) -> Numbers:
        return {key: value for gauge in self.gauges for key, value in gauge().items()}

    def _own_gauges(self) -> Numbers:
        served = {name: found for name, slot in self._slots.items() if (found := slot.answering) is not None}
        serving: Numbers = {("driftd_serving", (name, version)): 1.0 for name, version in served.items()}
        return {("driftd_servers", ()): 1.0, ("driftd_build_info", (self._version,)): 1.0, **serving}

    # --- answering, in a thread -------------------------------------------------------------------------------------

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition in a format that the header allows, and its content type."""
        encode, content_type = choose_encoder(accept)
        return bytes(encode(self)), content_type

    def collect(self) -> Iterator[Any]:
        """All families that have a number, as the library wants them."""
        found: dict[str, Numbers] = {}
        for key, value in self.numbers().items():
            found.setdefault(key[0].removesuffix("_sum"), {})[key] = value
        for metric in METRICS:
            if numbers := found.get(metric.name):
                yield _family(metric, numbers)

    def numbers(self) -> Numbers:
        """All that is known now of models that are configured."""
        aged = {} if self.state.at is None else {(AGE, ()): max(0.0, time.time() - self.state.at)}
        gauges = together(self._now(), self.others.copy())
        found = self._zeros() | self.totals.copy() | gauges | self.state.numbers | aged
        return {key: value for key, value in found.items() if self._is_ours(key)}

    def _zeros(self) -> Numbers:
        """What nobody counted yet: a rate can be told of the first one only where there was a 0 before it."""
        keys: list[Key] = [(name, (model,)) for name in (ROWS, HELD, REFUSED) for model in self._slots]
        keys += [(REQUESTS, (model, status)) for model in self._slots for status in ("200", "500", "503")]
        return dict.fromkeys([*keys, *((EVENTS_METRIC, one) for one in LEVELS.items())], 0.0)

    def _is_ours(self, key: Key) -> bool:
        """Not of a model that was removed from the configuration."""
        name, labels = key
        metric = BY_NAME[name.removesuffix("_sum")]
        return metric.labels[:1] != ("model",) or labels[0] in self._slots or labels[0] == UNKNOWN


def _family(metric: Metric, numbers: Numbers) -> Any:
    """As the library has it."""
    if metric.kind == "histogram":
        return _histogram(metric, numbers)
    family = FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
    for (_, labels), value in sorted(numbers.items()):
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, numbers: Numbers) -> Any:
    """Of counts by interval the cumulative ones."""
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for of in sorted({labels for name, labels in numbers if name != metric.name}):
        counts = accumulate(numbers.get((metric.name, (*of, bound)), 0.0) for bound in BOUNDS)
        family.add_metric(of, list(zip(BOUNDS, counts, strict=True)), numbers.get((f"{metric.name}_sum", of), 0.0))
    return family
