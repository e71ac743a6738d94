"""An hour of everything at once: files, traffic, feedback, swaps, schedules, retention; `make soak` runs it.

The first minutes, until retention is in its steady state, are looked at and not judged. After them memory and disk may
not grow by more than a percent an hour; and threads and descriptors at rest are counted there and at the end."""

import argparse
import json
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.figures import Goal, machine
from benchmarks.soak.load import Load
from benchmarks.soak.looks import LASTING, Look, look
from benchmarks.soak.service import Service
from benchmarks.soak.trend import Trend, by_minute, trend

LOOK_S, REST_S, NO_MORE_S = 10.0, 60.0, 900.0
REFILL_MINUTES = 12.0
"""What is kept for five minutes is gone after a rest: for so long it comes back before anything is judged."""
MOST_ERRORS = 50
MOST_PERCENT = 1.0
LOOKS = "looks.jsonl"


def main() -> None:
    """Start, load, look, judge; prints the goals and all looks as JSON."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="driftd-soak-"))
    service = Service(folder)
    try:
        service.start()
        load = Load(service, args.file_seconds)
        load.first_files()
        begun = time.monotonic()
        before = _looks(service, load, begun, 60 * args.settling, console)
        rested = _rest(service, load, begun)
        refilled_s = time.monotonic() - begun + 60 * REFILL_MINUTES
        before += _looks(service, load, begun, refilled_s, console)
        judged = _looks(service, load, begun, refilled_s + 60 * args.minutes, console)
        last = _rest(service, load, begun)
    finally:
        service.close()
    found = trends(judged)
    goals = [*_growth(found), *_rests(rested, last), *_answered(load), *_lived(judged)]
    for goal in goals:
        console.print(f"| {goal.name} | {' | '.join(goal.words)} |", markup=False, highlight=False, soft_wrap=True)
    for name, one in found.items():
        told = f"{name}: {one.percent_an_hour:+.2f} ± {one.standard_error:.2f} % an hour of {one.mean:.1f} MB"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    counts = {name: sum(1 for _ in service.seen(name)) for name in sorted({e["event"] for e in service.events})}
    errors = [event for event in service.events if event.get("level") == "error"]
    kept = {"looks": [asdict(one) for one in before + judged], "rested": asdict(rested), "last": asdict(last)}
    told_goals = [asdict(goal) | {"met": goal.met} for goal in goals]
    print(json.dumps({
        "machine": machine(), "goals": told_goals, "trends": {name: asdict(one) for name, one in found.items()},
        "events": counts, "answers": dict(load.answers), "errors": errors[:MOST_ERRORS], **kept,
    }))  # fmt: skip
    if not args.keep:
        service.remove()  # where something went wrong, it stays


def trends(looks: list[Look]) -> dict[str, Trend]:
    """Of memory and disk together, and of their parts."""
    at_s = np.array([one.at_s for one in looks])
    series = {"memory": [one.memory_mb for one in looks], "disk": [sum(one.disk_mb.values()) for one in looks]}
    for kind in LASTING:
        series[f"memory of {kind}"] = [one.resident_mb.get(kind, 0.0) for one in looks]
    for part in sorted({part for one in looks for part in one.disk_mb}):
        series[f"disk of {part}"] = [one.disk_mb.get(part, 0.0) for one in looks]
    return {name: trend(*by_minute(at_s, np.array(values))) for name, values in series.items() if any(values)}


def _looks(service: Service, load: Load, begun: float, until_s: float, console: Console) -> list[Look]:
    """Load until so many seconds after the beginning, with a look every ten seconds."""
    looks: list[Look] = []
    for now in load.run(begun + until_s):
        if not looks or now - begun >= looks[-1].at_s + LOOK_S:
            looks.append(one := look(service.pid, service.state, now - begun))
            with (service.folder / LOOKS).open("a") as told_so_far:
                told_so_far.write(json.dumps(asdict(one)) + "\n")
            told = ", ".join(f"{kind} {size:.0f} MB" for kind, size in sorted(one.resident_mb.items()))
            size = sum(one.disk_mb.values())
            console.print(
                f"{one.at_s:5.0f} s: {told}; disk {size:.1f} MB", markup=False, highlight=False, soft_wrap=True
            )
    return looks


def _rest(service: Service, load: Load, begun: float) -> Look:
    """Without load, once no trainer and no second analyst has lived for a minute: what is held then."""
    load.rest()
    deadline, quiet_since = time.monotonic() + NO_MORE_S, time.monotonic()
    while True:
        one = look(service.pid, service.state, time.monotonic() - begun)
        if set(one.threads) - set(LASTING) or len(one.pids.get("analyst", [])) > 1:
            quiet_since = time.monotonic()
        if time.monotonic() - quiet_since > REST_S or time.monotonic() > deadline:
            return one
        time.sleep(1.0)


def _growth(found: dict[str, Trend]) -> list[Goal]:
    return [
        Goal(f"growth of {what}", found[what].percent_an_hour, "% an hour", MOST_PERCENT) for what in ("memory", "disk")
    ]


def _rests(rested: Look, last: Look) -> list[Goal]:
    """What is held at the end beyond what was held at rest in the beginning."""
    return [
        Goal(f"more {what} of {kind} at rest", float(after.get(kind, 0) - before.get(kind, 0)), what, 0)
        for what, before, after in (
            ("threads", rested.threads, last.threads), ("descriptors", rested.descriptors, last.descriptors),
        )
        for kind in LASTING
    ]  # fmt: skip


def _answered(load: Load) -> list[Goal]:
    failed = sum(count for what, count in load.answers.items() if what.rpartition(" ")[2] not in ("200", "202"))
    return [Goal("requests that failed", float(failed), "requests", 0)]


def _lived(looks: list[Look]) -> list[Goal]:
    """Processes of a kind beyond the first that was seen."""
    ended = {
        kind: len({pid for one in looks for pid in one.pids.get(kind, [])}) - 1
        for kind in ("control", "server", "page")
    }
    return [Goal(f"{kind} processes that ended", float(count), "processes", 0) for kind, count in ended.items()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="that are judged")
    parser.add_argument("--settling", type=float, default=20.0, metavar="MINUTES", help="before them")
    parser.add_argument("--file-seconds", type=float, default=8.0, help="from file to file of the first model")
    parser.add_argument("--keep", action="store_true", help="the folder with state and data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
