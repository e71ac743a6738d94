"""One run of wrk: bodies from a folder, one after the other on all connections; what it measured."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MISSING = "wrk is not installed. On Debian and Ubuntu: apt install wrk"
TIMEOUT_S = 30
SCRIPT = """\
-- Argument 1: a file with one request body a line.
local requests, position = {}, 0

function init(args)
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, "status": %d, "lost": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""


class WrkFailed(Exception):
    """wrk is missing, or ended badly."""


@dataclass(frozen=True)
class Load:
    """Latencies in ms; `failed` are answers of status 400 and above, refused or broken connections, and answers that
    took longer than wrk waits."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int


class Wrk:
    """wrk with its script in `folder`."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("wrk")
        if program is None:
            raise WrkFailed(MISSING)
        self._program, self._script = program, folder / "post.lua"
        self._script.write_text(SCRIPT, "utf-8")

    def command(self, url: str, bodies: Path, connections: int, seconds: float) -> list[str]:
        """How it is called: one thread."""
        load = ["-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", f"--timeout={TIMEOUT_S}s"]
        return [self._program, *load, "-s", str(self._script), url, "--", str(bodies)]

    def run(self, url: str, bodies: Path, connections: int, seconds: float) -> Load:
        """Load the server for whole seconds."""
        done = subprocess.run(
            self.command(url, bodies, connections, seconds), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise WrkFailed(done.stderr.strip() or f"wrk ended with {done.returncode}")
        return read(done.stdout)


def read(printed: str) -> Load:
    """What the script printed at the end."""
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if not lines:
        raise WrkFailed(f"wrk printed no result: {printed.strip()[-200:]}")
    told = json.loads(lines[-1])
    per_s = told["requests"] / (told["duration_us"] / 1e6)
    latencies = (told[key] / 1000 for key in ("p50_us", "p99_us", "max_us"))
    return Load(told["requests"], per_s, *latencies, failed=told["status"] + told["lost"])


def write_bodies(path: Path, bodies: Sequence[object]) -> Path:
    """One JSON document a line."""
    path.write_text("".join(json.dumps(body, separators=(",", ":")) + "\n" for body in bodies), "utf-8")
    return path
