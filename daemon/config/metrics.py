"""Every number that driftd has for Prometheus, declared once: its name, kind, help and labels.

The table of `docs/metrics.md` is generated from here (`make docs`); a test compares with what is answered, and with the
dashboard and the alert rules of `contrib/`. Labels are names that the configuration or this program gives: none grows
with the data.
"""

from dataclasses import dataclass, replace
from typing import Literal

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of a request's seconds."""
UNKNOWN = "unknown"
"""The label of requests to a model that there is not."""


@dataclass(frozen=True)
class Metric:
    """`told_by` "servers": counted by the processes of this service since it started, of all of them together, gauges
    by the rule `together`; "state": read by control from the ledger and passed on, also by `driftd serve`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    told_by: Literal["servers", "state"] = "servers"
    together: Literal["sum", "min", "max"] = "sum"


# fmt: off
SERVERS = (
    Metric("driftd_build_info", "gauge", "The version of driftd that answers; always 1", ("version",),
        together="max"),
    Metric("driftd_servers", "gauge", "Server processes that answer"),
    Metric("driftd_serving", "gauge", "1 for the version that answers; two while servers swap", ("model", "version"),
        together="max"),
    Metric("driftd_requests_total", "counter", "Requests to models by status; a model that there is not is `unknown`",
        ("model", "status")),
    Metric("driftd_request_seconds", "histogram", "Seconds from a request's arrival to its answer", ("model",)),
    Metric("driftd_predicted_rows_total", "counter", "Rows predicted", ("model",)),
    Metric("driftd_lists_total", "counter", "Lists recommended, by what they are made of", ("model", "source")),
    Metric("driftd_posted_events_total", "counter", "Events of recommenders that were posted", ("model",)),
    Metric("driftd_counted_events", "gauge", "Events that every server counts", ("model",), together="min"),
    Metric("driftd_uncounted_events", "gauge", "Posted events that only their users' answers reflect yet", ("model",)),
    Metric("driftd_counters_as_of_seconds", "gauge", "Time of the newest event that every server counts", ("model",),
        together="min"),
    Metric("driftd_page_requests_total", "counter", "Requests to the status page by status", ("status",)),
    Metric("driftd_events_total", "counter", "Warnings and errors that control and the servers logged, by event",
        ("event", "level")),
    Metric("driftd_held_files_total", "counter", "Files that were held when they came", ("model",)),
    Metric("driftd_refused_files_total", "counter", "Files that were refused", ("model",)),
)
STATE = tuple(replace(metric, told_by="state") for metric in (
    Metric("driftd_champion_promoted_timestamp_seconds", "gauge", "When what is served was promoted", ("model",)),
    Metric("driftd_champion_trained_timestamp_seconds", "gauge",
        "When the newest version of what is served was trained",
        ("model",)),
    Metric("driftd_promotions_total", "counter",
        "Changes of what is served: by a `cycle`, `by_hand`, a `rollback`, an "
        "`adjustment` of weights, or a `reference` of what another system predicts", ("model", "kind")),
    Metric("driftd_cycles_total", "counter", "Cycles that ended, by outcome: `promoted`, `kept` or `failed`",
        ("model", "outcome")),
    Metric("driftd_cycle_state", "gauge", "1 while a cycle is `open`, `awaiting_approval` or `on_trial`",
        ("model", "state")),
    Metric("driftd_paused", "gauge", "1 while no cycle opens because a person paused the model", ("model",)),
    Metric("driftd_files", "gauge", "Data files by state", ("model", "state")),
    Metric("driftd_queue_files", "gauge", "Data files that are seen and not yet taken in", ("model",)),
    Metric("driftd_last_file_timestamp_seconds", "gauge",
        "When the newest data file was taken in or refused", ("model",)),
    Metric("driftd_last_check_timestamp_seconds", "gauge", "When the newest check ended", ("model",)),
    Metric("driftd_drift", "gauge", "1 while a drift episode is open", ("model",)),
    Metric("driftd_drifted_columns", "gauge", "Columns that drifted in the newest check", ("model",)),
    Metric("driftd_performance_dropped", "gauge",
        "1 where settled labels of the newest check say that what is served does "
        "worse than before, beyond chance", ("model",)),
    Metric("driftd_group_episode", "gauge", "1 while a group of rows does worse than before (`degraded`), or groups "
        "differ by more than is allowed (`exceeded`)", ("model", "kind")),
    Metric("driftd_quality", "gauge", "The metric of what is served on the newest file: measured on `labels`, or an "
        "`estimate` without them", ("model", "metric", "source")),
    Metric("driftd_quality_reference", "gauge",
        "The same metric of the newest version when it was evaluated, before its "
        "promotion", ("model", "metric")),
    Metric("driftd_labelled_rows", "gauge", "Rows of accepted files that have a label", ("model",)),
    Metric("driftd_settled_labels", "gauge",
        "Labels that may be believed: those that train, judge and decide", ("model",)),
    Metric("driftd_regret", "gauge", "What a fresh model would have saved since the last cycle, in the metric's loss",
        ("model",)),
    Metric("driftd_retrain_price", "gauge", "What that must exceed for a retrain to pay, in the same unit", ("model",)),
    Metric("driftd_waiting_notifications", "gauge",
        "Messages to destinations, MLflow and OpenLineage that have not arrived yet"),
    Metric("driftd_state_age_seconds", "gauge", "Seconds since control looked at the ledger for these numbers"),
))
# fmt: on
METRICS = (*SERVERS, *STATE)
BY_NAME = {one.name: one for one in METRICS}
