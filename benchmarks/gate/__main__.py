"""Replays streams and compares what the gate foretold of each challenger with what came; prints tables as Markdown and
writes the pairs for a plot.

Results are kept in --out, a JSON a run; what is there is not run again: interrupt it and go on. After a change of the
code name another folder. `python -m benchmarks.gate.noise` asks how often chance is promoted."""

import argparse
import csv
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from benchmarks.gate.figures import Pair, calibration, pairs_of, table
from benchmarks.gate.runs import Run, execute
from benchmarks.streams.generated import ROWS, write_streams


def main() -> None:
    """Run what is missing, then print."""
    asked = _arguments()
    streams = sorted(asked.streams.glob("*.parquet")) if asked.streams else []
    for seed in range(asked.seeds):
        streams += write_streams(asked.out / "generated", seed, asked.rows)
    streams = [path for path in streams if not asked.only or any(path.stem.startswith(one) for one in asked.only)]
    runs = [
        Run(path, name, asked.out, batches, asked.delay, asked.estimator)
        for batches in asked.batches
        for name in asked.names
        for path in streams
    ]
    _execute([run for run in runs if not run.path.exists()], asked.jobs)
    pairs = [pair for run in runs if run.path.exists() for pair in _pairs(run)]
    if not pairs:
        sys.exit("no cycle has a difference that is known")
    print(table(_groups(pairs)))
    print("\n" + table(_by(pairs, "stream")))
    print("\n" + calibration(pairs))
    _write(pairs, asked.out / "pairs.csv")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--streams", type=Path, help="folder of Parquet files, the target last, beside generated ones")
    parser.add_argument("--only", nargs="*", help="names of streams, or how these begin")
    parser.add_argument("--names", nargs="*", default=["policy", "every7"], help="policy, everyN: who opens cycles")
    parser.add_argument("--batches", nargs="*", type=int, default=[50])
    parser.add_argument("--seeds", type=int, default=3, help="of the generated streams")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a generated stream")
    parser.add_argument("--delay", type=int, default=0, help="batches that labels come late")
    parser.add_argument("--estimator", default="auto")
    parser.add_argument("--out", type=Path, default=Path("build/gate"), help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


def _execute(runs: Sequence[Run], jobs: int) -> None:
    """Progress, and what failed, goes to standard error."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(execute, run): run for run in runs}
        for done, future in enumerate(as_completed(waiting), 1):
            run, error = waiting[future], future.exception()
            told = "" if error is None else f": {type(error).__name__}: {error}"
            print(
                f"{done} of {len(runs)}: {run.stream.stem} {run.name} {run.batches}{told}", file=sys.stderr, flush=True
            )


def _pairs(run: Run) -> list[Pair]:
    result = run.result()
    name = f"{run.name}/{run.batches}"
    return pairs_of(run.stream.stem, name, result["cycles"], result.get("errors", False))


def _groups(pairs: Sequence[Pair]) -> dict[str, Sequence[Pair]]:
    return {
        "all": pairs,
        "the planner opened": [one for one in pairs if one.by_planner],
        "a clock opened": [one for one in pairs if not one.by_planner],
        "over 250 held-out rows": [one for one in pairs if one.rows > 250],
        **_by(pairs, "run"),
    }


def _by(pairs: Sequence[Pair], what: str) -> dict[str, Sequence[Pair]]:
    names = sorted({getattr(one, what) for one in pairs})
    return {name: [one for one in pairs if getattr(one, what) == name] for name in names}


def _write(pairs: Sequence[Pair], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, list(asdict(pairs[0])))
        lines.writeheader()
        lines.writerows(asdict(one) for one in pairs)
    print(f"\npredicted and realised: {path}")


if __name__ == "__main__":
    main()
