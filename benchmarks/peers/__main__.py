"""Measures one drift check by driftd and its peers on the same data and prints tables, then the same as JSON.

The environments of the peers and the data are made where they are not there yet (about 5 GB)."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.environments import Failed
from benchmarks.figures import Goal, machine
from benchmarks.peers.data import ensure
from benchmarks.peers.tools import TOOLS, interpreter, run

REFERENCE_ROWS = 1_000_000
CURRENT_ROWS = (100_000, 1_000_000)
QUICK = (10_000, (5_000,))
FASTER = {
    100_000: {"evidently": 600, "nannyml": 15, "scipy": 120},
    1_000_000: {"evidently": 300, "nannyml": 20, "scipy": 50},
}
EXTRA_MB = 100
DECODINGS = 3


def main() -> None:
    """Measure one after the other: they would disturb each other. A tool that fails is told and left out."""
    args = _arguments()
    console = Console()
    reference_rows, default_rows = QUICK if args.quick else (REFERENCE_ROWS, CURRENT_ROWS)
    computer = machine()
    results: list[dict[str, Any]] = []
    for rows in args.rows_current or default_rows:
        console.print(f"{reference_rows:,} and {rows:,} rows: looking for the data …", style="dim")
        reference, current = ensure(args.data, "reference", reference_rows), ensure(args.data, "current", rows)
        for name in args.tools:
            console.print(f"{name}: {rows:,} rows …", style="dim")
            try:
                python = interpreter(TOOLS[name], args.envs, args.python, lambda text: console.print(text, style="dim"))
                result = run(TOOLS[name], python, reference, current)
            except Failed as failure:
                result = {"error": str(failure)}
            results.append({"name": name, "rows": rows, "reference_rows": reference_rows} | result)
    goals = [] if args.quick else _goals(results)
    console.print(_results_table(results))
    if goals:
        console.print(_goals_table(goals))
    for remark in dict.fromkeys(map(_remark, results)):
        console.print(remark, highlight=False, markup=False)
    for key, value in computer.items():
        console.print(f"{key}: {value}", highlight=False)
    print(json.dumps({"machine": computer, "results": results, "goals": [asdict(g) | {"met": g.met} for g in goals]}))
    sys.exit(any("error" in result for result in results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    default = Path(tempfile.gettempdir(), "driftd-bench-peers")
    parser.add_argument("--rows-current", type=int, nargs="+", metavar="N", help="of the current data")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--data", type=Path, default=default, metavar="DIR", help=f"{default} unless given")
    parser.add_argument("--envs", type=Path, metavar="DIR", help="virtual environments; envs/ beside the data")
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.11 or 3.12 fits the pins")
    parser.add_argument("--quick", action="store_true", help="10,000 and 5,000 rows, to see that everything runs")
    args = parser.parse_args()
    args.envs = args.envs or args.data / "envs"
    return args


def _driftd(results: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {result["rows"]: result for result in results if result["name"] == "driftd" and "error" not in result}


def _goals(results: list[dict[str, Any]]) -> list[Goal]:
    goals = []
    own = _driftd(results)
    for result in results:
        target = FASTER.get(result["rows"], {}).get(result["name"])
        if target and "error" not in result and result["rows"] in own:
            ratio = result["check_cpu"] / own[result["rows"]]["check_cpu"]
            goals.append(Goal(f"{result['name']} / driftd, {result['rows']:,} rows, CPU", ratio, "×", target, True))
    for rows, result in own.items():
        ratio = result["verdict_cpu"] / result["decode_cpu"]
        goals.append(Goal(f"driftd, {rows:,} rows, extra memory", result["extra_mb"], "MB", EXTRA_MB, False))
        goals.append(Goal(f"driftd, {rows:,} rows, Parquet → verdict / decoding", ratio, "×", DECODINGS, False))
    return goals


def _results_table(results: list[dict[str, Any]]) -> Table:
    table = Table("tool", "rows", "fit, CPU s", "check, CPU s", "wall s", "extra MB", "× driftd")
    own = _driftd(results)
    for result in results:
        tool, rows = result["name"], f"{result['rows']:,}"
        if "error" in result:
            table.add_row(tool, rows, "failed", style="red")
            continue
        known = own.get(result["rows"])
        costs = [f"{result[key]:.3g}" for key in ("fit_cpu", "check_cpu", "wall")]
        ratio = f"{result['check_cpu'] / known['check_cpu']:.3g}" if known else ""
        table.add_row(tool, rows, *costs, f"{result['extra_mb']:.0f}", ratio)
    return table


def _remark(result: dict[str, Any]) -> str:
    """How a result came about, or why there is none."""
    if "error" in result:
        return f"{result['name']}, {result['rows']:,} rows, failed: {result['error']}"
    versions = ", ".join(f"{package} {number}" for package, number in result["versions"].items())
    return f"{result['name']}: {result['note']}; {versions}"


def _goals_table(goals: list[Goal]) -> Table:
    table = Table("what", "measured", "target", "")
    for goal in goals:
        table.add_row(goal.name, *goal.words)
    return table


if __name__ == "__main__":
    main()
