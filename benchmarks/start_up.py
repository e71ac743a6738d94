"""What the command line costs before and beside the work: CPU seconds (user and system) of whole processes.

`driftd --help`; `from drift import compare`; `driftd compare` of two small files, and of two files of 300,000 and
100,000 rows of 20 numeric and 5 categorical columns, beside a process that reads the same files with pandas and loops
over SciPy's tests. driftd runs in an environment of its own with the locked dependencies, as it is installed."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import environments
from benchmarks.figures import Goal, machine
from benchmarks.peers.data import CATEGORICAL, NUMERIC, ensure

ROOT = Path(__file__).parents[1]
PEER = ROOT / "benchmarks" / "peers"
COLUMNS = (*NUMERIC[::2], *CATEGORICAL[::2])
ROWS = {"reference": 300_000, "current": 100_000}
SMALL = {"reference": 2_000, "current": 1_500}
COMPARED = (0, 1)
"""Exit statuses of a comparison: no drift, drift."""
LOOP = """
import sys; from pathlib import Path; import run_scipy as loop
loop.NUMERIC, loop.CATEGORICAL = {}, {}
loop._check(*map(loop.frame, map(Path, sys.argv[1:])))
"""
"""The loop of `make peers` over these columns; each file is read whole."""


def cpu_s(words: list[str], folder: Path, times: int) -> float:
    """Of a command, the median of some runs after one that is not counted."""
    found = []
    for _ in range(times + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(words, cwd=folder, env=environments.quiet(), capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in COMPARED or b"Traceback" in done.stderr:
            raise environments.Failed(done.stderr.decode()[-2000:])
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found[1:])


def installed(folder: Path) -> Path:
    """The folder of commands of an environment with driftd's wheel and its locked dependencies."""
    wanted = (ROOT / "requirements.lock").read_text("utf-8")
    commands, stamp = folder / "bin", folder / ".requirements.txt"
    pip = [str(commands / "python"), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", "install"]
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        environments.run([sys.executable, "-m", "venv", "--clear", str(folder)])
        environments.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")])
        stamp.write_text(wanted, "utf-8")
    with tempfile.TemporaryDirectory() as wheels:
        build = [sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "--no-build-isolation"]
        environments.run([*build, "--wheel-dir", wheels, str(ROOT)])
        environments.run([*pip, "--no-deps", "--force-reinstall", *map(str, Path(wheels).iterdir())])
    return commands


def files(folder: Path) -> dict[str, list[str]]:
    """The two sides as small CSV files and as large Parquet files."""
    made: dict[str, list[str]] = {"small": [], "large": []}
    for side, rows in ROWS.items():
        table: pa.Table = pq.read_table(ensure(folder, side, rows), columns=list(COLUMNS))
        large, small = folder / f"{side}-25.parquet", folder / f"{side}-25.csv"
        pq.write_table(table, large)
        pyarrow.csv.write_csv(table.slice(0, SMALL[side]), small)
        made["large"].append(str(large))
        made["small"].append(str(small))
    return made


def main() -> int:
    """The exit status: 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "driftd-peers")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "driftd-envs")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    given.data.mkdir(parents=True, exist_ok=True)
    commands, made = installed(given.envs / "driftd"), files(given.data)
    driftd, python = str(commands / "driftd"), str(commands / "python")
    loop_python = environments.interpreter(PEER / "requirements-scipy.txt", given.envs / "scipy", sys.executable, print)
    loop = [loop_python, "-c", LOOP.format(NUMERIC[::2], CATEGORICAL[::2]), *made["large"]]
    peer = cpu_s(loop, PEER, given.runs)
    large = cpu_s([driftd, "compare", *made["large"]], given.data, given.runs)
    small = cpu_s([driftd, "compare", *made["small"]], given.data, given.runs)
    imported = cpu_s([python, "-c", "from drift import compare"], given.data, given.runs)
    goals = [
        Goal("driftd --help", cpu_s([driftd, "--help"], given.data, given.runs), "CPU s", 0.3),
        Goal("from drift import compare", imported, "CPU s", 1.0),
        Goal("driftd compare, 2,000 and 1,500 rows of CSV", small, "CPU s", 1.0),
        Goal("driftd compare, 300,000 and 100,000 rows of Parquet", large, "CPU s", round(peer / 3, 3)),
        Goal("the same over a loop of SciPy's tests", large / peer, "", 0.333),
    ]  # fmt: skip
    table = Table("what", "measured", "goal", "")
    for goal in goals:
        table.add_row(goal.name, *goal.words)
    Console().print(table)
    figures = {goal.name: round(goal.value, 3) for goal in goals} | {"SciPy's loop, CPU s": round(peer, 3)}
    print(json.dumps({"figures": figures, "machine": machine()}))
    return int(not all(goal.met for goal in goals))


if __name__ == "__main__":
    sys.exit(main())
