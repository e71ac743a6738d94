"""`make hostile`: every request of the corpus to a real service while a second client predicts, then how its cost grows.

Prints what each promise was measured at; status 1 if one was broken."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from daemon_harness import Daemon

from hostile.client import ONE, send
from hostile.corpus import LARGEST, Kind, Request, kinds
from hostile.files import kinds as file_kinds
from hostile.fuzz import fuzz_all
from hostile.served import Neighbour, Process, serving
from hostile.taking import grow_all, take_all

QUIET_S = 10.0
SLOWEST_MS = 250.0
TIMES_QUIET = 10
MOST_ANSWERS = 1_000
FINE_5XX = (503, 507)
ONE_BYTES, FIFTY_BYTES = 200_000_000, 800_000_000
LOG_BYTES = 8_000
GROWTH = 2.5
NOISE_S = 0.01
"""CPU seconds that a quiet server uses while a request is measured, and the grain of what is told of threads."""
TIMES = 3


class Findings:
    """Promises that were broken, said once each."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def expect(self, kept: bool, promise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(promise)
            print(f"BROKEN {promise}", flush=True)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--parts", nargs="*", default=["requests", "together", "growth", "files", "fuzz"])
    parser.add_argument("--examples", type=int, default=1_000_000, help="of parsers in memory; a fiftieth of files")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9, help="of the fuzzers")
    options = parser.parse_args()
    chosen = [kind for kind in kinds() if options.only in kind.name]
    findings = Findings()
    if "fuzz" in options.parts and not options.only:
        print(f"fuzzing from seed {options.seed}", flush=True)
        for found in fuzz_all(options.examples, options.examples // 50, options.seed):
            findings.expect(False, f"a parser reads or refuses: {found}")
    if "files" in options.parts:
        taken = take_all([kind for kind in file_kinds() if options.only in kind.name], findings.expect)
        print(f"{taken} files", flush=True)
        grow_all([kind for kind in file_kinds() if options.only in kind.name], findings.expect)
    if set(options.parts) - {"fuzz", "files"}:
        _serve(options.parts, chosen, findings)
    print(f"{len(findings.broken)} promises broken")
    return 1 if findings.broken else 0


def _serve(parts: Sequence[str], chosen: list[Kind], findings: Findings) -> None:
    """What needs a service."""
    with tempfile.TemporaryDirectory(prefix="driftd-hostile-") as name, serving(Path(name)) as daemon:
        server = Process(daemon)
        for _ in range(20):
            daemon.predict()
        if "requests" in parts:
            _requests(daemon, server, chosen, findings)
        if "together" in parts:
            _together(daemon, server, chosen, findings)
        if "growth" in parts:
            _growth(daemon, server, chosen, findings)
        longest = max(map(len, daemon.raw))
        print(f"log: {len(daemon.raw)} lines, the longest {longest} bytes")
        findings.expect(longest <= LOG_BYTES, f"log lines of at most {LOG_BYTES} bytes; {longest}")
        findings.expect(
            not list(daemon.seen("server_died")) and not list(daemon.seen("server_hung")), "no process ended"
        )


def _requests(daemon: Daemon, server: Process, chosen: list[Kind], findings: Findings) -> None:
    """One after the other, with a neighbour."""
    with Neighbour(daemon.port) as neighbour:
        time.sleep(QUIET_S)
        quiet = sorted(ms for _, ms, _ in neighbour.stop())
    p99 = quiet[int(len(quiet) * 0.99)]
    allowed = max(SLOWEST_MS, TIMES_QUIET * p99)
    spans: list[tuple[float, float, str]] = []
    sent = 0
    with Neighbour(daemon.port) as neighbour:
        for kind in chosen:
            for size in kind.sizes:
                request = kind.make(size)
                server.forget_peak()
                before, begun = server.memory(), time.time()
                status, _ = send(daemon.port, request)
                spans.append((begun, time.time(), f"{kind.name} {size}"))
                what = f"{kind.name} of {size:,} bytes"
                if not server.lives():
                    findings.expect(False, f"no process ended: by {what}")
                    server.await_next()
                    continue
                grown = server.memory("VmHWM") - before
                findings.expect(status < 500 or status in FINE_5XX, f"no 5xx: {status} for {what}")
                findings.expect(
                    grown <= ONE_BYTES,
                    f"at most {ONE_BYTES / 1e6:.0f} MB for one request: {grown / 1e6:.0f} for {what}",
                )
                sent += 1
        answers = neighbour.stop()
    for at, ms, status in answers:
        if ms > allowed or status != 200:
            during = [what for begun, ended, what in spans if begun <= at and at - ms / 1000 <= ended]
            findings.expect(
                False, f"a neighbour's answer in {allowed:.0f} ms with 200: {ms:.0f} ms, {status}, during {during[:3]}"
            )
    slowest = max(ms for _, ms, _ in answers)
    print(
        f"{sent} requests; neighbour: {len(answers)} answers, median {statistics.median(ms for _, ms, _ in answers):.1f} ms, "
        f"slowest {slowest:.0f} ms (quiet p99 {p99:.1f} ms)", flush=True,
    )  # fmt: skip


def _together(daemon: Daemon, server: Process, chosen: list[Kind], findings: Findings) -> None:
    """The largest of each kind, fifty at once."""
    largest = [kind for kind in chosen if kind.largest == LARGEST]
    for start in range(0, len(largest), 12):
        some = largest[start : start + 12]
        made = [kind.make(LARGEST) for kind in some]
        fifty = [made[n % len(made)] for n in range(50)]
        server.settle()
        server.forget_peak()
        before = server.memory()
        with ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(lambda request: send(daemon.port, request)[0], fifty))
        grown = server.memory("VmHWM") - before
        names = f"{some[0].name} … {some[-1].name}"
        print(f"fifty at once, {names}: {grown / 1e6:.0f} MB more, {sorted(set(statuses))}", flush=True)
        findings.expect(
            grown <= FIFTY_BYTES, f"at most {FIFTY_BYTES / 1e6:.0f} MB for fifty: {grown / 1e6:.0f}, {names}"
        )
        findings.expect(all(s < 500 or s in FINE_5XX for s in statuses), f"no 5xx of {names}")


def _growth(daemon: Daemon, server: Process, chosen: list[Kind], findings: Findings) -> None:
    """CPU at twice the size, twice: counted in the process, the least of some tries."""
    for kind in chosen:
        third = kind.largest // 4 if kind.largest >= 1_000_000 else kind.largest
        sizes = (third // 4, third // 2, third)
        costs = [_cpu_s(daemon, server, kind.make(size)) for size in sizes]
        ratios = [(later - NOISE_S) / max(former, NOISE_S) for former, later in pairwise(costs)]
        shown = ", ".join(f"{cost * 1000:.1f}" for cost in costs)
        print(f"{kind.name:45} {shown} ms at {sizes[0]:,} × 1, 2, 4", flush=True)
        findings.expect(max(ratios) <= GROWTH, f"CPU at twice the size ≤ {GROWTH} ×: {shown} ms, {kind.name}")


def _cpu_s(daemon: Daemon, server: Process, request: Request) -> float:
    costs = []
    for _ in range(TIMES):
        server.settle()
        before = server.cpu_s()
        send(daemon.port, request)
        send(daemon.port, Request(body=ONE))
        costs.append(server.cpu_s() - before)
    return min(costs)


if __name__ == "__main__":
    sys.exit(main())
