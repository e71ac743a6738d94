"""The measurements, each of a whole process or service, in a folder of its own."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
from daemon_harness import Daemon, drop, in_own_process, rows

from benchmarks import idle, latency, many, swaps
from benchmarks.many import cpu_s_of_children
from benchmarks.peers.data import ensure
from benchmarks.peers.tools import TOOLS
from benchmarks.peers.tools import run as check_of
from benchmarks.serving import comparison, endpoints, formats, swap, training
from benchmarks.serving.__main__ import ROWS, SECOND_SEED, TRAINING_SEED, rows_file
from benchmarks.serving.wrk import Wrk

Measured = dict[str, float]
Part = Callable[[Path], Measured]
DROPS, BACKLOG, MODELS = 60, 1_000, 200
REFERENCE_ROWS = 1_000_000
CONNECTIONS, ROUNDS, SECONDS = 16, 3, 3.0
REPLAYED, BATCHES = 45_000, 45
LEARNED = 500_000
PATIENCE_S = 600.0


def protocols(folder: Path) -> Measured:
    """The other protocols beside the model's own rows, by turns."""
    wrk = Wrk(folder)
    data = rows_file(folder, ROWS, TRAINING_SEED)
    with endpoints.all_running((), data, folder, folder, sys.executable, _tell) as started:
        asked = [
            one for one in started if one.format in (formats.DRIFTD, formats.DRIFTD_V2, formats.DRIFTD_INVOCATIONS)
        ]
        options = comparison.Options(SECONDS, ROUNDS, 1.0)
        found = {row.name: row for row in comparison.measure(asked[:3], wrk, folder, options, _tell)}
    own, measured = found["driftd"], Measured()
    for key, name in (("infer", "driftd, v2 infer"), ("invocations", "driftd, invocations")):
        for size in (1, 100):
            cell = (size, CONNECTIONS)
            measured[f"{key}_{size}"] = found[name].median(cell, "per_s") / own.median(cell, "per_s")
    return measured


def tails(folder: Path) -> Measured:
    """The slowest answers within swaps, and beside a training."""
    wrk = Wrk(folder)
    both = (rows_file(folder, ROWS, TRAINING_SEED), rows_file(folder, ROWS, SECOND_SEED))
    for part in ("swap", "training"):
        (folder / part).mkdir()
    swapped, _ = swap.measure(both, wrk, folder / "swap", 12 * SECONDS, _tell)
    more = [rows_file(folder, LEARNED, SECOND_SEED + turn, ".parquet") for turn in range(len(training.RATES))]
    trained, _ = training.measure(both[0], more, folder / "training", 4 * SECONDS, _tell)
    within = next(goal for goal in swapped if "within swaps" in goal.name)
    beside = next(goal for goal in trained if "p99 / idle" in goal.name)
    return {"swap_tail": within.value, "training_tail": beside.value}


def decisions(folder: Path) -> Measured:
    """Small files that come one by one."""
    spans_s = latency.beyond_s(folder, DROPS)
    return {"decision": 1e3 * spans_s[len(spans_s) // 2], "decision_slowest": 1e3 * spans_s[-1]}


def backlog(folder: Path) -> Measured:
    """Small files that lie there when the service starts, until the last is taken in."""
    daemon = Daemon(folder, latency.QUIET)
    try:
        daemon.start()
        drop(rows(0, 2_000), daemon.data / "first.parquet")
        daemon.wait("model_swapped", timeout_s=PATIENCE_S)
        daemon.stop()
        for number in range(BACKLOG):
            drop(rows(1 + number, 2), daemon.data / f"small-{number:05d}.csv")
        daemon.start()
        began_s = time.monotonic()
        daemon.wait("file_accepted", timeout_s=PATIENCE_S, file=f"small-{BACKLOG - 1:05d}.csv")
        took_s = time.monotonic() - began_s
        (taken,) = daemon.query("SELECT count(*) FROM files WHERE state = 'accepted'")[0]
    finally:
        daemon.close()
    assert taken == BACKLOG + 1, f"{taken} of {BACKLOG + 1} files"
    return {"backlog": BACKLOG / took_s}


def rest(folder: Path) -> Measured:
    """A service with one small model and nothing to do."""
    at_rest = idle.at_rest(folder)
    return {"rest_cpu": at_rest.share, "rest_memory": at_rest.proportional_mb}


def many_models(folder: Path) -> Measured:
    """A service with 200 models and nothing to do."""
    at_rest = many.at_rest(folder, MODELS)
    return {"many_cpu": at_rest.share, "many_memory": at_rest.resident_mb}


def start(folder: Path) -> Measured:
    """From the command to the first answer."""
    found = {figure.name: figure.value for figure in swaps.measure(folder)}
    return {"start": found["start to ready"]}


def check(folder: Path) -> Measured:
    """driftd's own check of the comparison with other tools."""
    reference, measured = ensure(folder, "reference", REFERENCE_ROWS), Measured()
    for key, size in (("check", 100_000), ("check_long", 1_000_000)):
        measured[key] = check_of(TOOLS["driftd"], sys.executable, reference, ensure(folder, "current", size))[
            "check_cpu"
        ]
    return measured


def replay(folder: Path) -> Measured:
    """`driftd replay` as a whole process; what the label depends on changes in the middle."""
    path = folder / "history.parquet"
    halves = [rows(number, REPLAYED // 2 + number * (REPLAYED % 2), flip=bool(number)) for number in range(2)]
    with pq.ParquetWriter(path, halves[0].schema) as writer:
        for half in halves:
            writer.write_table(half)
    before = cpu_s_of_children()
    done = in_own_process(["replay", str(path), "--target", "label", "--batches", str(BATCHES)])
    assert done.returncode == 0, done.stderr
    return {"replay": cpu_s_of_children() - before}


PARTS: Mapping[str, Part] = {
    part.__name__: part for part in (protocols, tails, backlog, decisions, rest, many_models, start, check, replay)
}


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)
