"""What Prometheus scrapes: requests and latency of this server process, and where the models stand."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Ledger, checks, totals
from daemon.server.slot import ModelSlot

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """This process's registry."""

    def __init__(self, slots: dict[str, ModelSlot], ledger: Ledger) -> None:
        self._slots, self._ledger = slots, ledger
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "driftd_requests", "Requests by model and status", ["model", "status"], registry=self.registry
        )
        self.rows = Counter("driftd_predicted_rows", "Rows predicted", ["model"], registry=self.registry)
        self.seconds = Histogram(
            "driftd_request_seconds", "Seconds from request to answer", ["model"], registry=self.registry,
            buckets=BUCKETS,
        )  # fmt: skip
        self.registry.register(self)
        self._children: dict[tuple[str, int], Any] = {}

    def count(self, model: str, status: int, seconds: float) -> None:
        """One request was answered."""
        known = model if model in self._slots else "unknown"
        counters = self._children.get((known, status))
        if counters is None:
            counters = self.requests.labels(known, str(status)), self.seconds.labels(known)
            self._children[known, status] = counters
        counters[0].inc()
        counters[1].observe(seconds)

    def collect(self) -> Iterator[Any]:
        """Where the models stand now, from the slots, and from the ledger unless that is away."""
        serving = GaugeMetricFamily("driftd_serving", "1 for the served version", labels=["model", "version"])
        drift = GaugeMetricFamily("driftd_drift", "1 while a drift episode is open", labels=["model"])
        taken = GaugeMetricFamily("driftd_files", "Data files by state", labels=["model", "state"])
        for name, slot in self._slots.items():
            if slot.served is not None:
                serving.add_metric([name, slot.served.name], 1)
        yield serving
        try:
            with self._ledger.connect() as conn:
                for name in self._slots:
                    drift.add_metric([name], float(checks.open_episode(conn, name) is not None))
                    for state, count in totals.counts(conn, name).items():
                        taken.add_metric([name, state], count)
        except (SQLAlchemyError, sqlite3.Error):
            return
        yield from (drift, taken)

    def render(self) -> bytes:
        """The text exposition format."""
        return bytes(generate_latest(self.registry))
