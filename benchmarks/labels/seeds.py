"""Many short streams whose positive labels come first: how often is a worse version promoted than the one before it?

A promotion is harmful where what is served after it costs more on the final labels of all later rows than what was
served before it, by more than two standard errors of the paired difference. Chance alone gives some such promotions
among those of versions that are as good; the same streams with labels at once say how many. Results are kept in --out,
a line of JSON a stream; what is there is not run again."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import LabelTimes, arriving
from daemon.tools.replay.source import Source, read_source
from retrain.metrics.losses import row_losses
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment
from retrain.monitoring.assessor import version_predictions
from retrain.monitoring.cache import Memory
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History
from retrain.rows.targets import target_values

INITIAL, SMALLEST, LARGEST, BATCH = 3, 1000, 2000, 130
CHANGES = ("none", "abrupt", "gradual", "shares")
ARMS = ("positives-first", "positives-only", "provisional", "at-once")
HARM_SE, FEWEST_ROWS = 2.0, 100


@dataclass(frozen=True)
class Case:
    """One stream and how its labels come; all by the seed but the `arm`. `matures`: maturity is configured."""

    seed: int
    arm: str

    @property
    def matures(self) -> bool:
        """Every second seed."""
        return self.seed % 2 == 1

    @property
    def key(self) -> str:
        """What tells its result from others."""
        return f"{self.arm} {self.seed}"


def stream(rng: np.random.Generator) -> pa.Table:
    """Rows of two classes; which change there is, if any, how rare the positive class is and how well it can be told
    are drawn."""
    rows, change = int(rng.integers(SMALLEST, LARGEST + 1)), str(rng.choice(CHANGES))
    rare, noise = rng.uniform(0.1, 0.5), rng.uniform(0.2, 1.5)
    X, at = rng.normal(0, 1, (rows, 5)), np.arange(rows) / rows
    turn = rng.uniform(0.3, 0.7)
    later = {"abrupt": at > turn, "gradual": rng.random(rows) < 1 / (1 + np.exp(-15 * (at - turn)))}.get(change, at > 1)
    signal = np.where(later, X[:, 2] - X[:, 1], X[:, 0] + X[:, 1]) + noise * rng.normal(size=rows)
    signal += 1.5 * (at - 0.5) if change == "shares" else 0.0
    y = np.where(signal > np.quantile(signal, 1 - rare), "yes", "no")
    return pa.table({**{f"x{place}": X[:, place] for place in range(X.shape[1])}, "y": y})


def run(case: Case) -> dict[str, Any]:
    """What came of one case."""
    rng = np.random.default_rng([case.seed, 4])
    table = stream(rng)
    batches, within = int(rng.integers(7, table.num_rows // BATCH + 1)), int(rng.integers(1, 6))
    times = LabelTimes() if case.arm == "at-once" else arriving(f"{case.arm}:{within}", "yes", case.seed)
    labels = {"maturity": f"{within} files", "negative": "no"} if case.matures and times.late else {}
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "labels": labels,
         "estimator": {"params": {"max_iter": 30}, "seed": case.seed}}
    )  # fmt: skip
    with TemporaryDirectory(prefix="driftd-seeds-") as folder:
        work = Path(folder)
        pq.write_table(table, work / "stream.parquet")
        source = read_source([work / "stream.parquet"], settings, batches, work, INITIAL, times=times)
        engine = Engine(source, settings, work, INITIAL, times)
        served = _played(engine)
        harms = [
            {"batch": place, "promoted": place in _promotions(engine), **found}
            for place, (before, after) in served.items()
            if (found := _difference(source, before, after, place)) is not None
        ]
    return {"key": case.key, "matures": case.matures, "rows": table.num_rows, "changes": harms}


def _played(engine: Engine) -> dict[int, tuple[LoadedDeployment, LoadedDeployment]]:
    """By batch after which something else was served, what was served before and after."""
    seen: list[tuple[int, LoadedDeployment]] = []
    engine.play(lambda done: seen.append((done - 1, engine.deployments.current)))
    return {place: (before, after) for (_, before), (place, after) in pairwise(seen) if after is not before}


def _promotions(engine: Engine) -> set[int]:
    return {one["batch"] for one in engine.run.deployments[1:] if one["kind"] == "promote"}


def _difference(
    source: Source, before: LoadedDeployment, after: LoadedDeployment, place: int
) -> dict[str, float] | None:
    """What the later one costs more on the rows of all later batches, with its standard error."""
    later = [History([batch.accepted()], source.schema).whole(batch.seq) for batch in source.batches[place + 1 :]]
    y = np.concatenate([target_values(batch.table, source.schema) for batch in later])
    if len(y) < FEWEST_ROWS:
        return None
    costs, others = (_losses(one, later, y) for one in (after, before))
    if costs is None or others is None:
        return None
    found = costs - others
    return {"mean": float(found.mean()), "se": float(found.std() / np.sqrt(len(found))), "rows": len(found)}


def _losses(deployment: LoadedDeployment, batches: Sequence[Batch], y: Any) -> Any:
    answers = [deployment.answer(version_predictions(deployment.versions, batch, Memory())) for batch in batches]
    return row_losses(deployment.version.metric, y, concatenate(answers))


def summary(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each arm, with and without a maturity."""
    yield "| labels | maturity | streams | promotions | harmful | streams with one | changes harmful |"
    yield "|---|---|---|---|---|---|---|"
    for arm in ARMS:
        for matures in (False, True):
            found = [one for one in results if one["key"].startswith(f"{arm} ") and one["matures"] == matures]
            if found:
                yield _line(arm, matures, found)


def _line(arm: str, matures: bool, found: Sequence[Mapping[str, Any]]) -> str:
    def harmful(change: Mapping[str, Any]) -> bool:
        return bool(change["mean"] > HARM_SE * change["se"] and change["mean"] > 0)

    changes = [change for one in found for change in one["changes"]]
    promotions = [change for change in changes if change["promoted"]]
    streams = sum(any(change["promoted"] and harmful(change) for change in one["changes"]) for one in found)
    bad = sum(map(harmful, promotions))
    return (
        f"| {arm} | {'yes' if matures else 'no'} | {len(found)} | {len(promotions)} | {bad} "
        f"| {streams} ({streams / len(found):.2%}) | {sum(map(harmful, changes))} of {len(changes)} |"
    )


def main() -> None:
    """Run what is missing, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels.seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--arms", nargs="*", default=["positives-first"], choices=ARMS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/labels-seeds.jsonl"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    kept = [json.loads(line) for line in asked.out.read_text("utf-8").splitlines()] if asked.out.exists() else []
    done = {one["key"] for one in kept}
    cases = [Case(seed, arm) for arm in asked.arms for seed in range(asked.first, asked.first + asked.seeds)]
    missing = [case for case in cases if case.key not in done]
    with (
        asked.out.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool,
    ):
        waiting = {pool.submit(run, case): case for case in missing}
        for count, future in enumerate(as_completed(waiting), 1):
            error = future.exception()
            if error is None:
                kept.append(future.result())
                print(json.dumps(kept[-1]), file=file, flush=True)
            told = "" if error is None else f": {type(error).__name__}: {error}"
            print(f"{count} of {len(missing)}: {waiting[future].key}{told}", file=sys.stderr, flush=True)
    print("\n".join(summary(kept)))


if __name__ == "__main__":
    main()
