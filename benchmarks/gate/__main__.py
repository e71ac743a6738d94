"""Replays streams and compares what the gate foretold of each challenger with what came; prints tables as Markdown and
writes the pairs for a plot. All but the line "as recorded" is computed anew from what was measured of each
challenger, so that another forecast or gate needs no other replays.

Results are kept in --out, a JSON a run; what is there is not run again: interrupt it and go on. After a change of the
code name another folder. `python -m benchmarks.gate.noise` asks how often chance is promoted."""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.gate.figures import Pair, calibration, not_better, pairs_of, table
from benchmarks.gate.rules import AS_IT_IS, RULES, applied, surprises
from benchmarks.gate.runs import initial, play
from benchmarks.kept import Run, make_runs
from benchmarks.streams.generated import KINDS, ROWS, write_streams


def main() -> None:
    """Run what is missing, then print."""
    asked = _arguments()
    streams = sorted(asked.streams.glob("*.parquet")) if asked.streams else []
    for seed in range(asked.seeds):
        streams += write_streams(asked.out / "generated", seed, asked.rows)
    streams = [path for path in streams if not asked.only or any(path.stem.startswith(one) for one in asked.only)]
    runs = [
        Run(path, name, asked.out, batches, initial(batches), asked.delay, asked.estimator)
        for batches in asked.batches
        for name in asked.names
        for path in streams
    ]
    make_runs(play, runs, asked.jobs)
    pairs = [pair for run in runs if run.path.exists() for pair in _pairs(run)]
    if not pairs:
        sys.exit("no cycle has a difference that is known")
    by_rule = {name: applied(rule, pairs) for name, rule in RULES.items()}
    print(f"{len(pairs)} pairs of {len({one.stream for one in pairs})} streams\n")
    print(table({"as recorded": pairs, **by_rule}))
    print("\n" + table(_groups(by_rule[AS_IT_IS])))
    print("\n" + table(_by(by_rule[AS_IT_IS], "stream")))
    print("\n" + calibration(by_rule[AS_IT_IS]))
    print("\n" + not_better(pairs))
    print("\n" + surprises(pairs))
    _write(by_rule[AS_IT_IS], asked.out / "pairs.csv")


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
        "not generated": [one for one in pairs if not one.stream.startswith(tuple(KINDS))],
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
