"""What Prometheus scrapes: valid, of all server processes together, and bounded whatever state and clients do."""

import itertools
import os
import re
import threading
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from promtool import needs_promtool, promtool

from daemon.config.events import EVENTS
from daemon.config.metrics import BY_NAME, METRICS, STATE
from daemon.config.paths import StatePaths
from daemon.runtime.numbers import MOST_BYTES, Numbers, renew_numbers, write_numbers
from daemon.server.metrics import Metrics
from daemon.server.slot import ModelSlot
from daemon.service.totals import Totals

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
OF_RECOMMENDERS = {"driftd_counted_events", "driftd_uncounted_events", "driftd_counters_as_of_seconds"}
LONGEST_NAME = "m" * 64


def process(folder: Path, *models: str) -> Metrics:
    """The counts of one server process."""
    return Metrics({name: ModelSlot(name) for name in models}, "1.2", StatePaths(folder))


def scraped(metrics: Metrics) -> dict[tuple[str, str], float]:
    """What a scrape says, by name and labels."""
    families = plain(metrics.render("")[0].decode())
    return {
        (sample.name, ",".join(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


class Service:
    """A parent and its servers, whose channels are plain calls."""

    def __init__(self, folder: Path, servers: int) -> None:
        self.clock = itertools.count()
        self.totals = Totals(lambda: float(next(self.clock)))
        self.servers = {pid: process(folder, "m", "shop") for pid in range(servers)}
        for pid, server in self.servers.items():
            self.totals.join(pid, server.receive)

    def beat(self) -> None:
        """A second passes: every server hands over and sends its heartbeat."""
        for pid, server in self.servers.items():
            for message in server.hand_over():
                self.totals.receive(pid, msgspec.json.decode(msgspec.json.encode(message)))
        for pid in self.servers:
            self.totals.receive(pid, {"event": "heartbeat"})

    def kill(self, pid: int) -> None:
        """A server dies and another takes its place."""
        self.totals.leave(pid)
        del self.servers[pid]


def test_a_scrape_of_any_server_sees_all(tmp_path):
    """Counts of all are added up, and each gauge is put together by its rule."""
    service = Service(tmp_path, 3)
    for pid, server in service.servers.items():
        for _ in range(pid + 1):
            server.count("m", 200, 0.003)
        server.gauges.append(lambda pid=pid: {("driftd_counted_events", ("shop",)): 10.0 + pid,
                                              ("driftd_uncounted_events", ("shop",)): 1.0 + pid})  # fmt: skip
    service.beat()
    seen = [scraped(server) for server in service.servers.values()]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["driftd_requests_total", "m,200"] == seen[0]["driftd_request_seconds_count", "m"] == 6
    assert seen[0]["driftd_servers", ""] == 3
    assert (seen[0]["driftd_counted_events", "shop"], seen[0]["driftd_uncounted_events", "shop"]) == (10, 6)


def test_counters_never_fall_when_a_server_dies(tmp_path):
    """What a process counted outlives it; how it stood does not; the one that takes its place is told all."""
    service = Service(tmp_path, 2)
    service.servers[0].count("m", 200, 0.1)
    service.servers[1].count("m", 503, 0.1)
    service.beat()
    service.kill(0)
    service.servers[7] = process(tmp_path, "m")
    service.totals.join(7, service.servers[7].receive)
    assert scraped(service.servers[7])["driftd_requests_total", "m,200"] == 1
    service.beat()
    seen = scraped(service.servers[1])
    assert (seen["driftd_requests_total", "m,200"], seen["driftd_requests_total", "m,503"]) == (1, 1)
    assert seen["driftd_servers", ""] == 2


def test_a_scrape_says_only_what_all_were_told(tmp_path):
    """A server that counted more than the others know says it when they do: a counter would fall from one to the next."""
    service = Service(tmp_path, 2)
    service.servers[0].count("m", 200, 0.1)
    assert scraped(service.servers[0])["driftd_requests_total", "m,200"] == 0
    service.beat()
    assert [scraped(server)["driftd_requests_total", "m,200"] for server in service.servers.values()] == [1, 1]


def test_warnings_and_errors_are_counted_wherever_they_are_logged(tmp_path):
    """By control and by any server; of files that are held or refused by model too."""
    service = Service(tmp_path, 2)
    service.totals.logged.add({"event": "file_held", "level": "warning", "model": "m", "file": "secret.csv"})
    service.totals.logged.add({"event": "file_seen", "level": "info", "model": "m"})
    service.servers[1].logged.add({"event": "input_rejected", "level": "warning", "model": "m"})
    service.beat()
    service.beat()
    seen = scraped(service.servers[0])
    assert (
        seen["driftd_events_total", "file_held,warning"] == seen["driftd_events_total", "input_rejected,warning"] == 1
    )
    assert (seen["driftd_held_files_total", "m"], seen["driftd_held_files_total", "shop"]) == (1, 0)
    names = {key[1].partition(",")[0] for key in seen if key[0] == "driftd_events_total"}
    assert names == {event.name for event in EVENTS if event.level in ("warning", "error")}


def full(folder: Path, models: list[str]) -> Metrics:
    """A server of which everything is known of these models."""
    numbers: Numbers = {}
    for metric in STATE:
        for name in models if "model" in metric.labels else [""]:
            rest = [f"{label}-{i}" for i in range(7) for label in metric.labels[1:2]] or [""]
            more = ("labels",) * (len(metric.labels) - 2)
            for one in rest:
                numbers[metric.name, tuple(filter(None, (name, one, *more)))] = 0.1 + len(numbers)
    write_numbers(StatePaths(folder), numbers, 1000.0)
    metrics = process(folder, *models)
    metrics.gauges.append(lambda: {("driftd_serving", (name, "v0001-0123abcd")): 1.0 for name in models})
    metrics.gauges.append(lambda: {(name, (model,)): 17.0 for name in OF_RECOMMENDERS for model in models})
    for name in models:
        for status in (200, 202, 400, 404, 413, 500, 503):
            metrics.count(name, status, 0.01 * len(name))
        metrics.add("driftd_lists_total", name, "personal")
        metrics.add("driftd_posted_events_total", name, by=3)
    metrics.add("driftd_page_requests_total", "200")
    totals = Totals()
    totals.join(1, metrics.receive)
    for message in metrics.hand_over():
        totals.receive(1, message)
    totals.join(2, metrics.receive)
    metrics.state.look()
    return metrics


def test_the_answer_of_three_hundred_models_is_bounded(tmp_path):
    """Every metric of each, with the longest names: a few megabytes, and each line of a channel is below its limit."""
    models = [f"{LONGEST_NAME[:-3]}{number:03d}" for number in range(300)]
    metrics = full(tmp_path, models)
    text = metrics.render("")[0]
    assert len(text) < 6_000_000
    samples = [sample for family in plain(text.decode()) for sample in family.samples]
    assert len({sample.labels.get("model") for sample in samples}) == 301 and len(samples) < 30_000
    for name in models:
        metrics.count(name, 200, 0.1)
    assert max(len(msgspec.json.encode(message)) for message in metrics.hand_over()) < 60_000


@pytest.mark.parametrize(("accept", "parse"), [("", plain), (OPENMETRICS, openmetrics)], ids=["text", "openmetrics"])
def test_the_answer_is_valid(tmp_path, accept, parse):
    """By the client library's parsers of both formats; each family says what it is, as it is declared."""
    text, content_type = full(tmp_path, ["m", "shop"]).render(accept)
    assert content_type.startswith("application/openmetrics-text" if accept else "text/plain")
    families = {family.name: family for family in parse(text.decode())}
    shown = {f"{name}_total" if family.type == "counter" else name: family for name, family in families.items()}
    assert set(shown) == set(BY_NAME)
    for name, family in shown.items():
        assert (family.type, family.documentation) == (BY_NAME[name].kind, BY_NAME[name].help)


@needs_promtool
def test_promtool_finds_nothing_to_mend(tmp_path):
    """The linter of Prometheus, over every metric."""
    done = promtool("check", "metrics", text=full(tmp_path, ["m", "shop"]).render("")[0].decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names_follow_the_conventions():
    """Counters and they alone end with _total, units are seconds and bytes, labels are few and none is a file's."""
    known = {"model", "status", "version", "source", "event", "level", "kind", "outcome", "state", "metric"}
    for metric in METRICS:
        assert re.fullmatch(r"driftd(_[a-z]+)+", metric.name), metric
        assert not metric.help[0].islower() and metric.help[-1] != ".", metric
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days|mb|kb|percent)(_|$)", metric.name), metric
        assert set(metric.labels) <= known and "model" not in metric.labels[1:], metric


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"1\n" + b"[" * 100_000,
        b'1\n{"driftd_paused": 1}',
        b"1\n" + b" " * (MOST_BYTES + 1) + b"[]",
        b'1\n[["driftd_paused", ["m"], NaN]]',
        b'1\n[["driftd_paused", ["m"], 1e999], ["driftd_paused", "m", 1], ["driftd_paused", ["m", "n"], 1], [1], null]',
        b'1\n[["driftd_requests_total", ["m", "200"], 7], ["driftd_paused", ["x\\u202e\\n\\"}"], 1], ["other", [], 1]]',
    ],
    ids=["empty", "no numbers", "deep", "an object", "huge", "not a number", "wrong", "of others"],
)
def test_a_damaged_file_of_numbers_says_nothing(tmp_path, content):
    """What the rest of the answer says stays; nothing of another service, model or metric comes in by it."""
    (tmp_path / "numbers.jsonl").write_bytes(content)
    metrics = process(tmp_path, "m")
    metrics.state.look()
    seen = scraped(metrics)
    assert seen["driftd_requests_total", "m,200"] == 0
    assert not [key for key in seen if key[0] in {one.name for one in STATE} - {"driftd_state_age_seconds"}]


def test_requests_to_unknown_models_are_one_series(tmp_path):
    """Whatever names clients think of."""
    metrics = process(tmp_path, "m")
    for number in range(1000):
        metrics.count(f"m{number}", 404, 0.1)
    (message,) = (one for one in metrics.hand_over() if "counts" in one)
    assert {labels[0] for _, labels, _ in message["counts"]} == {"unknown"}


def test_the_age_of_the_numbers_grows_while_control_is_silent(tmp_path):
    """They go on being answered, with their age; what control says anew is read once."""
    paths, metrics = StatePaths(tmp_path), process(tmp_path, "m")
    metrics.state.look()
    assert ("driftd_state_age_seconds", "") not in scraped(metrics)
    write_numbers(paths, {("driftd_paused", ("m",)): 1.0}, 1000.0)
    metrics.state.look()
    seen = scraped(metrics)
    assert seen["driftd_paused", "m"] == 1 and seen["driftd_state_age_seconds", ""] > 1e9
    renew_numbers(paths, 2000.0)
    metrics.state.look()
    assert metrics.state.at == 2000.0
    paths.numbers.unlink()
    metrics.state.look()
    assert metrics.state.at == 2000.0 and scraped(metrics)["driftd_paused", "m"] == 1


def test_a_state_folder_that_hangs_keeps_no_scrape_waiting(tmp_path):
    """A look at the file of numbers does not end, as on a dead mount: what it said last is answered meanwhile."""
    paths, metrics = StatePaths(tmp_path), process(tmp_path, "m")
    write_numbers(paths, {("driftd_paused", ("m",)): 1.0}, 1000.0)
    metrics.state.look()
    paths.numbers.unlink()
    os.mkfifo(paths.numbers)  # opening it waits for somebody who writes
    hanging = threading.Thread(target=metrics.state.look)
    hanging.start()
    assert scraped(metrics)["driftd_paused", "m"] == 1 and hanging.is_alive()
    paths.numbers.write_bytes(b"2\n[]")
    hanging.join()
    assert ("driftd_paused", "m") not in scraped(metrics)


def test_a_removed_model_is_told_no_more(tmp_path):
    """Also where others still count it, as until all servers were replaced."""
    service = Service(tmp_path, 1)
    service.servers[0].count("shop", 200, 0.1)
    service.beat()
    left = process(tmp_path, "m")
    service.totals.join(9, left.receive)
    assert "shop" not in left.render("")[0].decode()
