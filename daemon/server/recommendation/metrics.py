"""What Prometheus scrapes of models that recommend."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from daemon.server.recommendation.live import LiveModel


class RecommendationMetrics:
    """Lists by source, events that were posted here, and where the counters stand."""

    def __init__(self, registry: CollectorRegistry, live: Mapping[str, LiveModel]) -> None:
        self._live = live
        self.lists = Counter(
            "driftd_lists", "Lists recommended, by what they are made of", ["model", "source"], registry=registry
        )
        self.events = Counter("driftd_posted_events", "Events accepted by this process", ["model"], registry=registry)
        registry.register(self)

    def collect(self) -> Iterator[Any]:
        """Of the counters as they are."""
        newest = GaugeMetricFamily(
            "driftd_counters_as_of_seconds", "Time of the newest event that is counted", labels=["model"]
        )
        counted = GaugeMetricFamily("driftd_counted_events", "Events that are counted", labels=["model"])
        waiting = GaugeMetricFamily(
            "driftd_uncounted_events", "Posted events that only their users' answers reflect yet", labels=["model"]
        )
        for name, live in self._live.items():
            if live.counted is not None:
                newest.add_metric([name], live.counted.newest_ms / 1e3)
                counted.add_metric([name], len(live.counted))
            waiting.add_metric([name], sum(map(len, live.own.values())))
        yield from (newest, counted, waiting)
