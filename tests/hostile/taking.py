"""Takes hostile files in, each as the analyst does, and measures what that process takes."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from hostile.files import FileKind
from retrain.records.settings import ModelSettings

ANALYST_BYTES = 1_000_000_000
GROWTH = 2.5
NOISE_S = 0.02
"""CPU seconds that a process uses whatever it takes."""
TRIES = 2
CHILD = """
import json, sys, time
from pathlib import Path
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
settings = ModelSettings.model_validate(json.loads(sys.argv[1]))
for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    Path("/proc/self/clear_refs").write_text("5")
    begun = time.process_time()
    try:
        rows = take(TakeRequest(path=path, schema=None, settings=settings, work=path.parent / "work")).rows
        said = ["", rows]
    except Refused as error:
        said = [str(error), 0]
    except Exception as error:
        said = [f"UNEXPECTED {error!r}", 0]
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([*said, int(peak.split()[1]) * 1024, time.process_time() - begun]), flush=True)
"""
SETTINGS = {"data_dir": "d", "task": "classification", "target": "y"}


def take_all(chosen: Iterable[FileKind], expect: Callable[[bool, str], None]) -> int:
    """Take all files of these kinds in by one process; how many these were."""
    taken = 0
    ModelSettings.model_validate(SETTINGS)
    with tempfile.TemporaryDirectory(prefix="driftd-files-") as name:
        child = _start()
        for kind in chosen:
            for size in kind.sizes:
                path = Path(name) / f"f.{kind.ending}"
                path.write_bytes(kind.make(size))
                answer = _ask(child, path)
                what = f"{kind.name} of {size:,} bytes"
                if answer is None:
                    expect(False, f"no process ended: by {what}")
                    child = _start()
                else:
                    reason, _, peak, _ = answer
                    right = not reason if not kind.reason else bool(reason and re.search(kind.reason, reason))
                    expect(right and "UNEXPECTED" not in reason, f"the right reason for {what}: {reason[:200]!r}")
                    expect(peak <= ANALYST_BYTES, f"an analyst of at most 1 GB: {peak / 1e6:.0f} MB for {what}")
                taken += 1
                path.unlink()
        child.kill()
    return taken


def grow_all(chosen: Iterable[FileKind], expect: Callable[[bool, str], None]) -> None:
    """CPU at twice the size, twice, of each kind: counted in the process that takes the files, the least of some tries."""
    with tempfile.TemporaryDirectory(prefix="driftd-files-") as name:
        child = _start()
        for kind in chosen:
            top = min(kind.largest, kind.growing)
            costs = [_cpu_s(child, kind, size, Path(name) / f"f.{kind.ending}") for size in (top // 4, top // 2, top)]
            ratios = [(later - NOISE_S) / max(former, NOISE_S) for former, later in pairwise(costs)]
            shown = ", ".join(f"{cost * 1000:.0f}" for cost in costs)
            print(f"{kind.name:45} {shown} ms at {top // 4:,} × 1, 2, 4", flush=True)
            expect(max(ratios) <= GROWTH, f"CPU at twice the size ≤ {GROWTH} ×: {shown} ms, {kind.name}")
        child.kill()


def _cpu_s(child: "subprocess.Popen[str]", kind: FileKind, size: int, path: Path) -> float:
    path.write_bytes(kind.make(size))
    costs = [float(_ask(child, path)[3]) for _ in range(TRIES)]
    path.unlink()
    return min(costs)


def _start() -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, json.dumps(SETTINGS)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(child: "subprocess.Popen[str]", path: Path) -> Any:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(f"{path}\n")
    child.stdin.flush()
    line = child.stdout.readline()
    return json.loads(line) if line else None
