"""Compares the daemon's decisions with fixed schedules, detectors of river and frouros that retrain on alarm, and on
the public bench lfmm; prints tables as Markdown.

Every rule but the daemon's finds the same models, of four windows; the daemon is replayed as `driftd replay` does.
Results are kept in --out; what is there is not made again: interrupt it and go on. After a change of the code name
another folder. Environments of the packages are made where they are not there yet (1 GB)."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.environments import Failed
from benchmarks.field.cases import Case, Outcome, outcomes
from benchmarks.field.public_bench import costs
from benchmarks.field.public_bench import markdown as markdown_of_bench
from benchmarks.field.table import by_stream, markdown
from benchmarks.field.tools import Tools
from benchmarks.labels.generated import ROWS, write_streams


def main() -> None:
    """One after the other: CPU times would disturb each other. What fails is told and left out."""
    asked = _arguments()
    tools = Tools(asked.envs, asked.python, _tell)
    if asked.lfmm:
        _public_bench(asked, tools)
        return
    found: dict[str, list[Outcome]] = {}
    groups: dict[str, str] = {}
    for case, group in _cases(asked):
        _tell(f"{case.name}, {case.delay} batches late …")
        try:
            found[case.name] = outcomes(case, tools, asked.clocked)
        except Failed as failure:
            _tell(f"{case.name} failed: {failure}")
            continue
        groups[case.name] = group
    if not found:
        sys.exit("no stream ran to its end")
    print("\n".join(by_stream(found)) + "\n")
    print("\n".join(markdown(found, groups)))


def _public_bench(asked: argparse.Namespace, tools: Tools) -> None:
    """The daemon on lfmm, on the streams of two classes."""
    found = {}
    for case, _ in _cases(asked):
        _tell(f"{case.name}, {case.delay} batches late, lfmm …")
        try:
            found[case.name] = costs(case, tools)
        except Failed as failure:
            _tell(f"{case.name} failed: {failure}")
    print("\n".join(markdown_of_bench(found)))


def _cases(asked: argparse.Namespace) -> list[tuple[Case, str]]:
    """Each with its group: the count of batches, and the seed of a generated stream."""
    found = []
    for seed in asked.seeds:
        streams = sorted(asked.streams.glob("*.parquet")) if asked.streams else _generated(asked, seed)
        streams = [path for path in streams if not asked.only or any(path.stem.startswith(one) for one in asked.only)]
        for batches in asked.batches:
            cases = [Case(path, asked.out, batches, asked.initial, asked.delay, seed) for path in streams]
            found += [(case, f"{batches} {seed}") for case in cases]
    return found


def _generated(asked: argparse.Namespace, seed: int) -> list[Path]:
    return write_streams(asked.out / "generated", seed, asked.rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.field", description=__doc__)
    parser.add_argument("--streams", type=Path, help="folder of Parquet files, the target last; default: generated")
    parser.add_argument("--only", nargs="*", help="beginnings of names of streams")
    parser.add_argument("--out", type=Path, default=Path("build/field"), help="where results are kept")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[50], help="how streams are cut; several: all of them"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of generated streams and estimators")
    parser.add_argument("--initial", type=int, default=4)
    parser.add_argument("--delay", type=int, default=0, help="batches that labels come late")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a generated stream")
    parser.add_argument("--lfmm", action="store_true", help="the public bench in place of schedules and detectors")
    parser.add_argument("--clocked", action="store_true", help="the daemon's layers with a retrain each 7 batches, too")
    default = Path(tempfile.gettempdir(), "driftd-bench-field", "envs")
    parser.add_argument(
        "--envs", type=Path, default=default, metavar="DIR", help=f"environments; {default} unless given"
    )
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.11 or 3.12 fits the pins")
    return parser.parse_args()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
