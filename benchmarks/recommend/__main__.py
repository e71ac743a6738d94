"""Replays event logs through the product's own functions and prints what the recommender reaches, then JSON.

Without --streams a generated shop is replayed. With --peers, implicit and kindling answer the same moments in
environments that are made for them (about 600 MB)."""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.environments import Failed
from benchmarks.figures import Goal, machine
from benchmarks.recommend.peers import PEERS, measured, write_moments
from daemon.tools.demo.shop import events
from daemon.tools.replay.recommendation.run import Request, replay
from daemon.tools.replay.recommendation.source import EventColumns, Stream, read_stream
from retrain.recommendation.counters import count
from retrain.recommendation.ease import fit
from retrain.recommendation.parts import HALF_LIVES, live_tables

GOALS = (("policy_to_best_part", 0.98), ("policy_to_every", 0.97), ("never_to_every", 0.90))
REFIT_S = 3.0
"""CPU seconds, at most, of counting and training all anew: of 100,000 events of at most 3,000 trained items."""
ALS, ALS_GOAL, BEST_MEAN = "als", 1.15, 1.08


def main() -> None:
    """One stream after the other."""
    asked = _arguments()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="driftd-recommend-") as folder:
        work = Path(folder)
        files = asked.streams or [_generated(work, seed) for seed in asked.seeds]
        results = [_measure(file, asked, work, console) for file in files]
    console.print(_table(results))
    goals = [goal for result in results for goal in _goals(result)]
    mean = sum(result["ratios"]["policy_to_best_part"] for result in results) / len(results)
    goals.append(Goal("policy / best part in hindsight, mean over streams", mean, "×", BEST_MEAN, True))
    table = Table("what", "measured", "target", "")
    for goal in goals:
        table.add_row(goal.name, *goal.words)
    console.print(table)
    print(json.dumps({"machine": machine(), "results": results, "goals": [asdict(g) | {"met": g.met} for g in goals]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend", description=__doc__)
    parser.add_argument("--streams", type=Path, nargs="+", metavar="FILE", help="event logs; default: generated ones")
    for name in ("user", "item", "time"):
        parser.add_argument(f"--{name}", default=name, metavar="COLUMN")
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--initial", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the generated logs")
    parser.add_argument("--peers", nargs="*", choices=PEERS, help="other libraries, all of them where none is named")
    default = Path(tempfile.gettempdir(), "driftd-bench-recommend")
    parser.add_argument("--envs", type=Path, default=default / "envs", metavar="DIR", help="virtual environments")
    parser.add_argument("--python", default=sys.executable, help="makes them")
    return parser.parse_args()


def _generated(folder: Path, seed: int) -> Path:
    """The log of the example's shop."""
    path = folder / f"shop_{seed}.parquet"
    pq.write_table(events(seed), path, compression="zstd")
    return path


def _measure(file: Path, asked: argparse.Namespace, work: Path, console: Console) -> dict[str, Any]:
    console.print(f"{file.stem} …", style="dim")
    columns = EventColumns(asked.user, asked.item, asked.time)
    result = replay(Request([file], columns, asked.batches, asked.initial), work)
    stream = read_stream([file], columns, asked.batches, work)
    result |= {"name": file.stem, "refit_cpu": _refit(stream), "peers": {}}
    if asked.peers is not None:
        excluded = {one["batch"]: one["exclude_seen"] for one in result["policy"]["by_batch"]}
        folder = work / f"{file.stem}.moments"
        write_moments(stream, asked.initial, excluded, folder)
        for name in asked.peers or PEERS:
            try:
                found = measured(name, folder, asked.envs, asked.python, lambda text: console.print(text, style="dim"))
                result["peers"][name] = found
            except Failed as failure:
                console.print(f"{name} failed: {failure}", style="red", markup=False)
    return result


def _refit(stream: Stream) -> float:
    """CPU seconds of counting all events and training anew."""
    half_lives = tuple(None if one is None else one * stream.typical_ms for one in HALF_LIVES)
    started = time.process_time()
    counters = count(stream.events, half_lives)
    live_tables(counters)
    fit(counters)
    return time.process_time() - started


def _means(result: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """NDCG@10 of each of the peers' models, and CPU seconds of its fits."""
    return {
        name: (sum(scores) / len(scores), peer["fit_cpu"][name])
        for peer in result["peers"].values()
        for name, scores in peer["scores"].items()
    }


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table("stream", "run", "start", "live", "retrains", "CPU s")
    for result in results:
        best = result["best_part"]
        runs = {"driftd": result["policy"], **result["baselines"]}
        for name, run in runs.items():
            scores = f"{run['mean']:.4f}", f"{run['live']['mean']:.4f}"
            table.add_row(result["name"], name, *scores, str(run["retrains"]), f"{run['cpu_seconds']:.1f}")
        table.add_row(result["name"], f"best part: {best['name']}", f"{best['mean']:.4f}", "", "", "")
        for name, (mean, cost) in _means(result).items():
            table.add_row(result["name"], name, f"{mean:.4f}", "", "every batch", f"{cost:.1f}")
    return table


def _goals(result: dict[str, Any]) -> list[Goal]:
    name, ratios = result["name"], result["ratios"]
    goals = [Goal(f"{name}: {key.replace('_', ' ')}", ratios[key], "×", target, True) for key, target in GOALS]
    live = ratios["live_policy_to_popularity"]
    goals.append(Goal(f"{name}: live policy to popularity", live, "×", 1.0, True))
    goals.append(Goal(f"{name}: retrains, share of batches", result["policy"]["retrain_share"], "", 0.15))
    goals.append(Goal(f"{name}: refit of everything", result["refit_cpu"], "CPU s", REFIT_S))
    als = [mean for peer, (mean, _) in _means(result).items() if peer.startswith(ALS)]
    if als:
        goals.append(Goal(f"{name}: policy / best ALS", result["policy"]["mean"] / max(als), "×", ALS_GOAL, True))
    return goals


if __name__ == "__main__":
    main()
