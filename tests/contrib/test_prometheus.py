"""A real Prometheus scrapes a real service: every query of the dashboard has an answer, and every rule is evaluated."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import local_http
import pytest
from daemon_harness import Daemon, drop, free_port, rows
from event_logs import log
from helpers import PATIENCE_S, wait_for
from promtool import PROMETHEUS, needs_prometheus

from daemon.config.metrics import METRICS

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("prometheus")]
CONTRIB = Path(__file__).parents[2] / "contrib"
DASHBOARD = json.loads((CONTRIB / "grafana" / "driftd.json").read_text("utf-8"))
SERVICE = 'workers = 2\npage_acts = true\n[[notify]]\nname = "nobody"\nurl = "http://127.0.0.1:9/"\n'
MODELS = """\
mode = "approve"
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 300
[models.shop]
data_dir = "shop"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
[models.shop.intake]
settle = "100ms"
[models.shop.triggers]
first_rows = 100
"""
LONG_S = 300.0
VALUES = re.compile(r"label_values\((.+), (\w+)\)")


class Prometheus:
    """A server of its own that scrapes every second."""

    def __init__(self, folder: Path, target: str) -> None:
        self.url, self.since = f"http://127.0.0.1:{free_port()}", time.time()
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{json.dumps(str(CONTRIB / 'prometheus' / 'driftd.rules.yml'))}]\n"
            f"scrape_configs: [{{job_name: driftd, static_configs: [{{targets: [{json.dumps(target)}]}}]}}]\n"
        )
        assert PROMETHEUS is not None
        flags = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"]
        listen = f"--web.listen-address={self.url.removeprefix('http://')}"
        with (folder / "prometheus.log").open("wb") as told:
            self.process = subprocess.Popen([PROMETHEUS, *flags, listen], stdout=told, stderr=told)

    def get(self, path: str, **asked: Any) -> Any:
        """The data of an answer; None where it does not answer yet, an AssertionError where it refuses."""
        try:
            answer = local_http.get(f"{self.url}/api/v1/{path}", params=asked)
        except httpx.TransportError:
            return None
        found = answer.json() if answer.headers["content-type"].startswith("application/json") else {}
        assert found.get("status") in (None, "success"), (asked, found)
        return found.get("data")

    def answers(self, query: str) -> bool:
        """Whether a query of the dashboard had any answer since the beginning."""
        for name, value in (("$__rate_interval", "15s"), ("$instance", ".*"), ("$model", ".*")):
            query = query.replace(name, value)
        if values := VALUES.fullmatch(query):
            return bool(self.get(f"label/{values[2]}/values", **{"match[]": values[1]}))
        found = self.get("query_range", query=query, start=self.since, end=time.time(), step=1)
        return bool(found and found["result"])


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Prometheus]]:
    """A service in which everything that is measured happened, and who saw it happen."""
    folder = tmp_path_factory.mktemp("scraped")
    (folder / "shop").mkdir()
    (folder / "prometheus").mkdir()
    daemon = Daemon(folder, MODELS, service=SERVICE)
    daemon.start()
    prometheus = Prometheus(folder / "prometheus", f"127.0.0.1:{daemon.port}")
    try:
        wait_for(lambda: prometheus.answers('up{job="driftd"} == 1'), what="the first scrape")
        _live(daemon, folder)
        yield daemon, prometheus
    finally:
        prometheus.process.terminate()
        prometheus.process.wait(PATIENCE_S)
        daemon.close()


def _live(daemon: Daemon, folder: Path) -> None:
    """Versions are trained and served, requests answered; files are refused; a challenger waits."""
    drop(rows(1), daemon.data / "a.csv")
    drop(log(), folder / "shop" / "events.csv")
    first = daemon.wait("approval_needed", model="m", timeout_s=LONG_S)["cycle_id"]
    daemon.cli("approve", str(first))
    for model in ("m", "shop"):
        daemon.wait("model_swapped", model=model, timeout_s=LONG_S)
    drop(rows(2, 2000, flip=True), daemon.data / "b.csv")
    (daemon.data / "c.csv").write_text("no, header\nthat fits\n")
    daemon.wait("file_refused", file="c.csv")
    daemon.wait("file_accepted", file="b.csv")
    daemon.cli("retrain", "m")
    wait_for(lambda: any(one["cycle_id"] != first for one in daemon.seen("approval_needed", model="m")), LONG_S)
    for _ in range(20):
        assert daemon.predict().status_code == 200
    shop = f"{daemon.url}/models/shop"
    assert local_http.post(f"{shop}/recommend", json={"users": ["u001"]}).status_code == 200
    event = {"user": "u001", "item": "i01", "time": time.time()}
    assert local_http.post(f"{shop}/feedback", json={"events": [event]}).status_code == 202
    assert local_http.get(daemon.url).status_code == 200


@needs_prometheus
def test_every_query_of_the_dashboard_has_an_answer(scraped):
    """Of panels, variables and annotations; none is refused, and none is empty once all has happened."""
    _, prometheus = scraped
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    queries += [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    queries += [one["expr"] for one in DASHBOARD["annotations"]["list"]]
    left = list(queries)

    def all_answer() -> bool:
        left[:] = [query for query in left if not prometheus.answers(query)]
        return not left

    try:
        wait_for(all_answer, interval_s=2.0)
    except AssertionError:
        raise AssertionError("no answer to: " + "; ".join(left)) from None
    assert len(queries) > 45


@needs_prometheus
def test_every_rule_is_evaluated_and_what_waits_is_told(scraped):
    """No expression fails on real series; the challenger that waits for a person is an alert, pending or firing."""
    _, prometheus = scraped

    def rules() -> dict[str, Any]:
        groups = (prometheus.get("rules") or {"groups": []})["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    told = wait_for(lambda: found if (found := rules()).get("DriftdApprovalWaits", {}).get("alerts") else None)
    assert {rule["health"] for rule in told.values()} == {"ok"}
    assert told["DriftdFilesRefused"]["state"] == "firing"
    quiet = {"DriftdDown", "DriftdModelUnserved", "DriftdStandsStill", "DriftdRolledBack", "DriftdQueueGrows"}
    assert {told[name]["state"] for name in quiet} == {"inactive"}


@needs_prometheus
def test_no_counter_falls_when_a_server_is_killed(scraped):
    """As Prometheus sees it, which would add the whole count once more."""
    daemon, prometheus = scraped
    served = json.loads((daemon.folder / "state" / "serving.json").read_text())["servers"]
    total = 'sum(driftd_requests_total{model="m",status="200"})'
    wait_for(lambda: prometheus.answers(f"{total} >= 20"), what="a scrape of the requests")
    before = float(prometheus.get("query", query=total)["result"][0]["value"][1])
    os.kill(served[0]["pid"], signal.SIGKILL)
    daemon.wait("server_died")
    for _ in range(20):
        wait_for(lambda: _predicts(daemon))
    wait_for(lambda: float(prometheus.get("query", query=total)["result"][0]["value"][1]) >= before + 20)
    for metric in METRICS:
        if metric.kind == "counter":
            found = prometheus.get("query", query=f"sum(resets({metric.name}[1h]))")["result"]
            assert [one["value"][1] for one in found] == ["0"], metric.name


def _predicts(daemon: Daemon) -> bool:
    try:
        return daemon.predict().status_code == 200
    except httpx.TransportError:
        return False
