"""Replays streams with what was tried in the place of what the product does, and prints what each keeps as Markdown.

Results are kept in --out, a JSON a run; what is there is not run again: interrupt it and go on. After a change of the
code name another folder."""

import argparse
import sys
from pathlib import Path

from benchmarks.kept import Run, make_runs
from benchmarks.labels.generated import ROWS, write_streams
from benchmarks.tried.estimates import estimate_table, play_estimates
from benchmarks.tried.runs import NEVER, play
from benchmarks.tried.table import markdown
from benchmarks.tried.variants import AS_IT_IS, VARIANTS

ESTIMATES = "estimates"


def main() -> None:
    """Run what is missing, then print."""
    asked = _arguments()
    if unknown := set(asked.variants or ()) - {*VARIANTS, ESTIMATES}:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; expected some of {', '.join([*VARIANTS, ESTIMATES])}")
    streams = _streams(asked)
    names = list(dict.fromkeys([AS_IT_IS, *(asked.variants or [*VARIANTS, ESTIMATES])]))
    estimates = [_run(asked, path, seed, ESTIMATES) for path, seed in streams if ESTIMATES in names]
    names = [name for name in names if name != ESTIMATES]
    never = [_run(asked, path, seed, NEVER) for path, seed in streams]
    runs = [
        _run(asked, path, seed, name, late)
        for late in asked.delays
        for name in names
        if late or not VARIANTS[name].late
        for path, seed in streams
    ]
    failed = make_runs(play, [*never, *runs], asked.jobs) | make_runs(play_estimates, estimates, asked.jobs)
    print(markdown(never, [run for run in runs if run not in failed], asked.delays, names))
    if estimates:
        print("\n" + estimate_table([run.result() for run in estimates if run.path.exists()]))
    if failed:
        print("\nfailed: " + ", ".join(f"{run} {run.delay}" for run in failed))


def _run(asked: argparse.Namespace, stream: Path, seed: int, name: str, delay: int = 0) -> Run:
    return Run(stream, name, asked.out, asked.batches, asked.initial, delay, seed=seed, rows=asked.most_rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tried", description=__doc__)
    parser.add_argument("--streams", type=Path, nargs="*", help="Parquet files, the target last; default: generated")
    parser.add_argument("--variants", nargs="*", help=f"some of {', '.join([*VARIANTS, ESTIMATES])}; default: all")
    parser.add_argument("--delays", type=int, nargs="*", default=[0, 3], help="batches that labels come late")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of generated streams and of models")
    parser.add_argument("--out", type=Path, default=Path("build/tried"), help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--initial", type=int, default=4)
    parser.add_argument("--most-rows", type=int, default=ROWS, help="of a longer stream, in equal steps")
    return parser.parse_args()


def _streams(asked: argparse.Namespace) -> list[tuple[Path, int]]:
    """Files, each with a seed."""
    made = {
        seed: asked.streams or write_streams(asked.out / "generated", seed, asked.most_rows) for seed in asked.seeds
    }
    return [(path, seed) for seed, paths in made.items() for path in paths]


if __name__ == "__main__":
    main()
