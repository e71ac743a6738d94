"""Replays streams under schedules of late labels with the daemon's decisions, and prints the table as Markdown.

Results are kept in --out, a JSON a run; what is there is not run again: interrupt it and go on. After a change of the
code name another folder."""

import argparse
import sys
from pathlib import Path

from benchmarks.kept import Run, make_runs
from benchmarks.labels.generated import ROWS, write_streams
from benchmarks.labels.runs import NEVER, play
from benchmarks.labels.schedules import AT_ONCE, USUAL
from benchmarks.labels.table import markdown


def main() -> None:
    """Run what is missing, then print."""
    asked = _arguments()
    streams = sorted(asked.streams.glob("*.parquet")) if asked.streams else _generated(asked)
    streams = [path for path in streams if not asked.only or any(path.stem.startswith(one) for one in asked.only)]
    if not streams:
        sys.exit(f"no *.parquet in {asked.streams}")
    names = list(dict.fromkeys([NEVER, AT_ONCE, *(asked.schedules or USUAL)]))
    runs = {
        path.stem: [
            Run(path, name, asked.out, asked.batches, asked.initial, metric=asked.metric, seed=asked.seed)
            for name in names
        ]
        for path in streams
    }
    make_runs(play, [run for some in runs.values() for run in some], asked.jobs)
    results = {stream: {run.name: run.result() for run in some if run.path.exists()} for stream, some in runs.items()}
    print(markdown(results, names))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=__doc__)
    parser.add_argument("--streams", type=Path, help="folder of Parquet files, the target last; default: generated")
    parser.add_argument("--only", nargs="*", help="beginnings of names of streams")
    parser.add_argument("--schedules", nargs="*", help="such as delay:3 random:5 positives-first:5+maturity")
    parser.add_argument("--out", type=Path, default=Path("build/labels"), help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--initial", type=int, default=4)
    parser.add_argument("--metric", default="balanced_accuracy", help="of classifications")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a generated stream")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _generated(asked: argparse.Namespace) -> list[Path]:
    return write_streams(asked.out / "generated", asked.seed, asked.rows)


if __name__ == "__main__":
    main()
