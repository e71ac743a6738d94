"""Measures `driftd predict` of a million rows beside pandas and the same estimator, whole processes; prints a table and
JSON. The model is trained by a service on generated rows."""

import argparse
import json
import pickle
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from daemon_harness import Daemon, drop
from rich.console import Console
from rich.table import Table

from benchmarks.environments import interpreter, run
from benchmarks.figures import Goal, machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COLUMNS = {
    **{f"x{place}": "number" for place in range(16)}, "n": "integer", "m": "integer", "flag": "boolean",
    "colour": "category", "city": "category", "label": "category",
}  # fmt: skip
CHUNK = 100_000
MOST_TIMES, MOST_MB = 1.2, 400


@dataclass(frozen=True)
class Cost:
    """Of a whole process: user and system seconds, and the peak of its resident memory in MB (10⁶ bytes)."""

    cpu: float
    peak_mb: float


def main() -> None:
    """Measure both formats, the runs of each tool by turns; the least of each counts."""
    args = _arguments()
    console, computer = Console(), machine()
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as made:
        folder = Path(made)
        daemon = _trained(folder)
        _rows_into(folder, args.rows)
        python = interpreter(HERE / "requirements-pandas.txt", args.envs / "scoring", args.python, console.print)
        goals, results = [], []
        for name in ("rows.parquet", "rows.csv"):
            costs: dict[str, list[Cost]] = {"driftd": [], "pandas": []}
            for _ in range(args.runs):
                out = folder / f"out-{name}"
                own = ["-m", "daemon", "-c", daemon.config, "predict", folder / name, "-o", out, "--force"]
                costs["driftd"].append(_cost([sys.executable, *map(str, own)], PYTHONPATH=str(ROOT)))
                other = [HERE / "run_pandas.py", folder / name, folder / "estimator.pickle", folder / "features.json"]
                costs["pandas"].append(_cost([python, *map(str, other)]))
            cpu = {tool: min(cost.cpu for cost in runs) for tool, runs in costs.items()}
            peak = {tool: max(cost.peak_mb for cost in runs) for tool, runs in costs.items()}
            results.append({"file": name, "rows": args.rows, "cpu": cpu, "peak_mb": peak})
            goals.append(Goal(f"{name}: CPU, times that of pandas", cpu["driftd"] / cpu["pandas"], "×", MOST_TIMES))
            goals.append(Goal(f"{name}: peak memory", peak["driftd"], "MB", MOST_MB))
    _show(console, results, goals, computer)


def _trained(folder: Path) -> Daemon:
    """A stopped service that has one model, trained on generated rows, and its estimator for the other process."""
    kinds = "".join(f'{name} = "{kind}"\n' for name, kind in COLUMNS.items())
    daemon = Daemon(folder, f"[models.m.columns]\n{kinds}", columns=False)
    daemon.start()
    drop(_table(np.random.default_rng(0), 20_000), daemon.data / "first.parquet")
    daemon.wait("model_swapped", model="m")
    daemon.stop()
    from retrain.store.versions import load_version

    version = load_version((folder / "state" / "versions" / "m" / "current").resolve())
    (folder / "estimator.pickle").write_bytes(pickle.dumps(version.estimator))
    features = [{"name": one.name, "categories": one.categories} for one in version.preprocessor.features]
    (folder / "features.json").write_text(json.dumps(features))
    return daemon


def _rows_into(folder: Path, rows: int) -> None:
    """The same rows as Parquet, in one row group as pandas writes it, and as CSV."""
    rng = np.random.default_rng(1)
    parts = [_table(rng, min(CHUNK, rows - first)).drop_columns(["label"]) for first in range(0, rows, CHUNK)]
    table = pa.concat_tables(parts).combine_chunks()
    pq.write_table(table, folder / "rows.parquet")
    pyarrow.csv.write_csv(table, folder / "rows.csv")


def _table(rng: np.random.Generator, rows: int) -> pa.Table:
    columns: dict[str, Any] = {f"x{place}": rng.normal(size=rows) for place in range(16)}
    columns |= {"n": rng.integers(0, 100, rows), "m": rng.integers(0, 10**6, rows), "flag": rng.random(rows) < 0.5}
    columns["colour"] = rng.choice(["red", "green", "blue", "grey"], rows)
    columns["city"] = rng.choice([f"city {place}" for place in range(40)], rows)
    signal = columns["x0"] + columns["x1"] * columns["x2"] + (columns["colour"] == "red") + columns["n"] / 50
    return pa.table(columns | {"label": np.where(signal + rng.normal(size=rows) > 1.5, "yes", "no")})


def _cost(command: list[str], **more: str) -> Cost:
    return Cost(**json.loads(run([sys.executable, "-S", str(HERE / "meter.py"), *command], **more)))


def _show(console: Console, results: list[dict[str, Any]], goals: list[Goal], computer: dict[str, str]) -> None:
    table = Table("file", "driftd, CPU s", "pandas, CPU s", "driftd, peak MB", "pandas, peak MB")
    for one in results:
        numbers = [one[what][tool] for what in ("cpu", "peak_mb") for tool in ("driftd", "pandas")]
        table.add_row(one["file"], *(f"{number:.3g}" for number in numbers))
    console.print(table)
    for goal in goals:
        console.print(goal.name, *goal.words, highlight=False)
    for key, value in computer.items():
        console.print(f"{key}: {value}", highlight=False)
    print(json.dumps({"machine": computer, "results": results, "goals": [asdict(g) | {"met": g.met} for g in goals]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "driftd-bench-envs")
    parser.add_argument("--python", default=sys.executable, help="makes the environment of pandas")
    return parser.parse_args()


if __name__ == "__main__":
    main()
