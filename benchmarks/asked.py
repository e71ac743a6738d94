"""Two hundred models of which five are asked for: what a server holds, and how soon it is ready, where it loads all of
them at its start and where it loads what is asked for."""

import time
from pathlib import Path

import local_http
import psutil
from daemon_harness import Daemon

from benchmarks.figures import Figure
from benchmarks.many import PATIENCE_S, prepared

MODELS, ASKED = 200, 5
ROWS, ESTIMATOR = 5_000, "[models.m.estimator]\nparams = { max_iter = 100 }\n"
"""Of boosted trees as they are by default."""
SETTLING_S = 5.0
TARGETS = {"at_start": (600.0, 60.0), "when_asked": (200.0, 20.0)}
"""Megabytes, and seconds of the server's processor until it was ready."""


def measure(folder: Path) -> list[Figure]:
    """The same state both ways."""
    daemon = prepared(folder, MODELS, ROWS, ESTIMATOR)
    text = daemon.config.read_text("utf-8")
    found = list[Figure]()
    try:
        for load, targets in TARGETS.items():
            daemon.config.write_text(text.replace("[service]\n", f'[service]\nload = "{load}"\n'), "utf-8")
            found += _measured(daemon, load, *targets)
    finally:
        daemon.close()
    return found


def _measured(daemon: Daemon, load: str, most_mb: float, most_s: float) -> list[Figure]:
    since, began_s = len(daemon.events), time.monotonic()
    daemon.start(wait_ready=False)
    daemon.wait("service_ready", since=since, timeout_s=PATIENCE_S)
    ready_s, spent_s = time.monotonic() - began_s, sum(_server(daemon).cpu_times()[:2])
    firsts_s = [_ask(daemon, f"m{number:03d}") for number in range(1, ASKED + 1)]
    time.sleep(SETTLING_S)
    held_mb = _server(daemon).memory_full_info().pss / 1e6
    daemon.stop()
    note = f"{MODELS} models of 100 trees, {ASKED} asked for; ready {ready_s:.1f} s after the start"
    return [
        Figure(f"memory of a server, {load}", held_mb, "MB", most_mb, note),
        Figure(f"CPU until ready, {load}", spent_s, "s", most_s, "of the server's process"),
        Figure(f"first request, {load}", 1e3 * max(firsts_s), "ms", 1000.0, f"slowest of {ASKED}"),
    ]


def _ask(daemon: Daemon, model: str) -> float:
    """Seconds of a first prediction."""
    began_s = time.perf_counter()
    rows = [{"x": 0.3, "z": -1.0, "colour": "red"}]
    answer = local_http.post(f"{daemon.url}/models/{model}/predict", json={"rows": rows}, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - began_s


def _server(daemon: Daemon) -> psutil.Process:
    assert daemon.process is not None
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    return next(child for child in children if "daemon.server" in child.cmdline())
