"""Measures driftd's server beside other model servers, and what swaps, a training and a long load do to it.

The environments of the peers are made where they are not there yet (about 2 GB). Needs wrk."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.figures import Goal, machine
from benchmarks.serving import comparison, endpoints, markdown, pages, peers, soak, swap, training
from benchmarks.serving.comparison import Options
from benchmarks.serving.data import SECOND_SEED, TRAINING_SEED, generate
from benchmarks.serving.wrk import Wrk, WrkFailed

ROWS, MANY_ROWS = 50_000, 500_000
TOOLS = tuple(dict.fromkeys(peer.tool for peer in peers.PEERS))
Told = tuple[list[Goal], Any]


@dataclass(frozen=True)
class Run:
    """What a part works with: `folder` is its own."""

    name: str
    wrk: Wrk
    folder: Path
    console: Console

    def tell(self, text: str) -> None:
        """Progress."""
        self.console.print(f"{self.name}: {text}", style="dim", highlight=False, markup=False, soft_wrap=True)

    def show(self, lines: Iterable[str]) -> None:
        """A result, as Markdown."""
        for line in lines:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.console.print()


def main() -> None:
    """Measure one part after the other: they would disturb each other."""
    args = _arguments()
    console = Console()
    computer = machine()
    goals: list[Goal] = []
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="driftd-bench-serving-") as name:
        try:
            wrk = Wrk(Path(name))
        except WrkFailed as error:
            sys.exit(str(error))
        for part in args.parts:
            run = Run(part, wrk, Path(name, part), console)
            run.folder.mkdir()
            found, results[part] = PARTS[part](args, run)
            run.show(markdown.targets(found))
            goals += found
    for key, value in computer.items():
        console.print(f"{key}: {value}", highlight=False)
    met = [asdict(goal) | {"met": goal.met} for goal in goals]
    print(json.dumps({"machine": computer, "results": results, "goals": met}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    default = Path(tempfile.gettempdir(), "driftd-bench-peers", "envs")
    parser.add_argument("parts", nargs="*", default=DEFAULT_PARTS, metavar="|".join(PARTS))
    parser.add_argument(
        "--seconds", type=float, default=5, help="of load a cell and round; a swap's load 12 times that"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=1, metavar="SECONDS")
    parser.add_argument("--tools", nargs="*", choices=TOOLS, default=TOOLS, help="peers; all unless given")
    parser.add_argument("--rows", type=int, default=MANY_ROWS, help="trained on beside the server")
    parser.add_argument("--minutes", type=float, default=10, help="of the soak")
    parser.add_argument("--envs", type=Path, default=default, metavar="DIR", help=f"{default} unless given")
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.11 fits the pins")
    args = parser.parse_args()
    if unknown := sorted(set(args.parts) - set(PARTS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return args


def _peers(args: argparse.Namespace, run: Run) -> Told:
    rows = rows_file(run.folder, ROWS, TRAINING_SEED)
    with endpoints.all_running(args.tools, rows, run.folder, args.envs, args.python, run.tell) as started:
        sound = endpoints.checked(started, run.tell)
        if "mlflow" in args.tools:
            endpoints.asked_by_mlflow(sound, run.folder, args.envs / "serving-mlflow", run.tell)
        options = Options(args.seconds, args.rounds, args.warm_up)
        found = comparison.measure(sound, run.wrk, run.folder, options, run.tell)
    run.show(markdown.servers(found))
    run.show(markdown.ratios(found))
    run.show([f"Peers: {', '.join(f'{tool} {peers.version(tool)}' for tool in args.tools)}."])
    return comparison.goals(found), comparison.as_json(found)


def _swap(args: argparse.Namespace, run: Run) -> Told:
    return swap.measure(_two_files(run), run.wrk, run.folder, 12 * args.seconds, run.tell)


def _training(args: argparse.Namespace, run: Run) -> Told:
    many = [rows_file(run.folder, args.rows, SECOND_SEED + turn, ".parquet") for turn in range(len(training.RATES))]
    return training.measure(rows_file(run.folder, ROWS, TRAINING_SEED), many, run.folder, 4 * args.seconds, run.tell)


def _pages(args: argparse.Namespace, run: Run) -> Told:
    return pages.measure(rows_file(run.folder, ROWS, TRAINING_SEED), run.folder, 4 * args.seconds, run.tell)


def _soak(args: argparse.Namespace, run: Run) -> Told:
    return soak.measure(_two_files(run), run.wrk, run.folder, args.minutes, run.tell)


def _two_files(run: Run) -> tuple[Path, Path]:
    return rows_file(run.folder, ROWS, TRAINING_SEED), rows_file(run.folder, ROWS, SECOND_SEED)


def rows_file(folder: Path, rows: int, seed: int, suffix: str = ".csv") -> Path:
    """Generated rows as a file."""
    path = folder / f"rows-{seed}{suffix}"
    if suffix == ".csv":
        pyarrow.csv.write_csv(generate(rows, seed), path)
    else:
        pq.write_table(generate(rows, seed), path)
    return path


PARTS: dict[str, Callable[[argparse.Namespace, Run], Told]] = {
    "peers": _peers, "swap": _swap, "training": _training, "pages": _pages, "soak": _soak,
}  # fmt: skip
DEFAULT_PARTS = ("peers", "swap", "training")

if __name__ == "__main__":
    main()
