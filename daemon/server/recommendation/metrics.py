"""What Prometheus scrapes of the counters of models that recommend."""

from collections.abc import Mapping

from daemon.runtime.numbers import Numbers
from daemon.server.recommendation.live import LiveModel


def gauges(live: Mapping[str, LiveModel]) -> Numbers:
    """Of the counters of this process, as they are."""
    found: Numbers = {}
    for name, model in live.items():
        if model.counted is not None:
            found["driftd_counters_as_of_seconds", (name,)] = model.counted.newest_ms / 1e3
            found["driftd_counted_events", (name,)] = float(len(model.counted))
        found["driftd_uncounted_events", (name,)] = float(sum(map(len, model.own.values())))
    return found
