"""Replays streams with the daemon's planner and with fixed schedules, and prints the tables as Markdown.

Results are kept in --out, a JSON a run; what is there is not run again: interrupt it and go on. After a change of the
code name another folder. CPU times are only comparable where every job has a core to itself."""

import argparse
import sys
from pathlib import Path

from benchmarks.kept import Run, make_runs
from benchmarks.streams.generated import ROWS, write_streams
from benchmarks.streams.poisoned import KINDS
from benchmarks.streams.runs import ABLATIONS, PLAIN, names, play
from benchmarks.streams.table import compared, line, markdown, poison_table


def main() -> None:
    """Run what is missing, then print."""
    asked = _arguments()
    streams = sorted(asked.streams.glob("*.parquet")) if asked.streams else _generated(asked)
    streams = [path for path in streams if not asked.only or path.stem in asked.only]
    if not streams:
        sys.exit(f"no *.parquet in {asked.streams}")
    wanted = names(asked.ablation, asked.poison, asked.clock)
    runs = [
        Run(
            path,
            name,
            asked.out,
            asked.batches,
            asked.initial,
            0 if name in PLAIN else asked.delay,
            asked.estimator,
            seed=asked.seed,
            uneven=asked.uneven,
            rows=asked.most_rows,
            checks=asked.checks or name.startswith("poison "),
        )
        for path in streams
        for name in wanted
    ]
    failed = make_runs(play, runs, asked.jobs)
    _print({path.stem: [run for run in runs if run.stream == path] for path in streams}, asked, failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--streams", type=Path, help="folder of Parquet files, the target last; default: generated")
    parser.add_argument("--only", nargs="*", help="names of streams")
    parser.add_argument("--out", type=Path, default=Path("build/streams"), help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--initial", type=int, default=4)
    parser.add_argument("--uneven", action="store_true", help="batches of very different lengths")
    parser.add_argument("--delay", type=int, default=0, help="batches that labels come late")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a generated stream")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--estimator", default="auto", help="logistic, forest, or as `estimator.type` has it")
    parser.add_argument("--most-rows", type=int, default=0, help="of a longer stream, in equal steps; 0: all")
    parser.add_argument("--unchecked", dest="checks", action="store_false", help="no drift checks, which cost most")
    parser.add_argument("--no-clock", dest="clock", action="store_false", help="leave a retrain each 7 batches out")
    parser.add_argument("--ablation", action="store_true", help="each ingredient off in turn")
    parser.add_argument("--poison", action="store_true", help="every tenth batch poisoned, scored on clean rows")
    return parser.parse_args()


def _generated(asked: argparse.Namespace) -> list[Path]:
    return write_streams(asked.out / "generated", asked.seed, asked.rows)


def _print(streams: dict[str, list[Run]], asked: argparse.Namespace, failed: set[Run]) -> None:
    whole = {name: runs for name, runs in streams.items() if not any(run in failed for run in runs)}
    results = {stream: {run.name: run.result() for run in runs} for stream, runs in whole.items()}
    if not results:
        sys.exit("no stream ran to its end")
    kinds = ["policy", *(["every7"] if asked.clock else ()), *(ABLATIONS if asked.ablation else ())]
    lines = {kind: [line(stream, told, kind) for stream, told in results.items()] for kind in kinds}
    print(markdown(lines["policy"]))
    print("\n" + compared(lines))
    if asked.poison:
        print("\n" + poison_table(results, list(KINDS)))
    if failed:
        print("\nfailed: " + ", ".join(f"{run.stream.stem} {run.name}" for run in failed))


if __name__ == "__main__":
    main()
