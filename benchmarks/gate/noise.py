"""Many short streams that do not change: how often is chance served, or a version promoted that is worse?

Half of the seeds have a target that no column tells anything of: no first model may be served. The others have one
that does not change: what is served after each promotion is compared with what was served before it on many fresh rows,
which says what is true. Harmful is what is worse there by .01 of the metric, needless what is not better. Results are
kept in --out, a line of JSON a stream; what is there is not run again."""

import argparse
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest

from benchmarks.kept import make_lines
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.source import read_source
from retrain.model.deployment import LoadedDeployment
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.rows.targets import target_values

INITIAL, FRESH = 4, 20_000
HARMFUL = -0.01
KINDS = ("independent", "steady")


def stream(kind: str, rng: np.random.Generator, rows: int) -> pa.Table:
    """Rows of six columns and a class of a share of 10 to 50 %, of a strength and shape that the seed draws; fresh rows
    of the same stream have the same generator at another place."""
    share, weights = rng.uniform(0.1, 0.5), rng.normal(0, 1, 6) * rng.uniform(0.2, 2.0)
    crossed = rng.random() < 0.5
    X = rng.normal(0, 1, (rows + FRESH, 6))
    score = X @ weights + (X[:, 0] * X[:, 1] if crossed else 0.0) + rng.normal(0, 1, len(X))
    if kind == "independent":
        score = rng.normal(0, 1, len(X))
    names = np.where(score > np.quantile(score, 1 - share), "yes", "no")
    return pa.table({**{f"x{k}": X[:, k] for k in range(6)}, "target": names})


def run(seed: int) -> dict[str, Any]:
    """What came of one seed."""
    rng = np.random.default_rng([seed, 9])
    kind, batches, length = KINDS[seed % 2], int(rng.integers(12, 31)), int(rng.integers(120, 400))
    table = stream(kind, rng, batches * length)
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "target",
         "estimator": {"params": {"max_iter": 30}, "seed": seed}}
    )  # fmt: skip
    with TemporaryDirectory(prefix="driftd-noise-") as folder:
        work = Path(folder)
        pq.write_table(table.slice(0, batches * length), work / "stream.parquet")
        source = read_source([work / "stream.parquet"], settings, batches, work, INITIAL)
        engine = Engine(source, settings, work, INITIAL, checks=False)
        told = {"kind": kind, "batches": batches, "rows": length}
        try:
            changes = _played(engine)
        except Refused as error:
            return told | {"first": None, "why": error.message, "promotions": []}
    fresh = table.slice(batches * length)
    found = [_difference(before, after, fresh) for before, after, _ in changes]
    opened = [opening for _, _, opening in changes]
    return told | {"first": engine.initial, "promotions": found, "opened": opened, "metric": engine.run.metric}


def _played(engine: Engine) -> list[tuple[LoadedDeployment, LoadedDeployment, str]]:
    """What was served before and after each change of the newest version, and what opened the cycle that made it, and
    whether it looked better on held-out rows; "roll-back" where none did."""
    seen: list[tuple[int, LoadedDeployment]] = []
    engine.play(lambda batches: seen.append((batches - 1, engine.deployments.current)))
    openings = {cycle["batch"]: _opening(cycle) for cycle in engine.run.cycles if cycle["promoted"]}
    return [
        (before, after, openings.get(place, "roll-back"))
        for (_, before), (place, after) in pairwise(seen)
        if after.newest != before.newest
    ]


def _opening(cycle: dict[str, Any]) -> str:
    forecast = cycle["forecast"]
    better = "" if forecast is None or forecast["difference"] > 0 else ", not better on held-out rows"
    return f"{cycle['trigger']}{better}"


def _difference(before: LoadedDeployment, after: LoadedDeployment, fresh: pa.Table) -> float:
    """How much better the later one is on fresh rows, each as it answers."""
    metric, y = after.version.metric, target_values(fresh, after.version.schema)
    now, then = (metric.score(y, one.predict_table(fresh)) for one in (after, before))
    assert now is not None and then is not None
    return metric.improvement(then, now)


def summary(kept: Sequence[dict[str, Any]]) -> str:
    """In words, with counts."""
    noise = [one for one in kept if one["kind"] == "independent"]
    steady = [one for one in kept if one["kind"] == "steady"]
    served = sum(one["first"] is not None for one in noise)
    gains = [gain for one in steady for gain in one["promotions"]]
    harmed = sum(any(gain <= HARMFUL for gain in one["promotions"]) for one in steady)
    never = sum(one["first"] is None for one in steady)
    in_vain = sum(any(gain <= 0 for gain in one["promotions"]) for one in steady)
    lines = [
        f"{len(noise)} streams of columns that tell nothing: a first model was served on {share(served, len(noise))}"
    ]
    lines += [f"{len(steady)} streams that do not change: {len(gains)} promotions, {never} without a first model"]
    for words, most, streams in (("worse by .01 or more on fresh rows", HARMFUL, harmed), ("not better", 0.0, in_vain)):
        promotions = sum(gain <= most for gain in gains)
        told = f"{share(promotions, len(gains))} of promotions, on {share(streams, len(steady))} of the streams"
        lines += [f"- {words}: {told}"]
    lines += [f"- mean gain of a promotion {np.mean(gains):+.4f}"] if gains else []
    pairs = [pair for one in steady for pair in zip(one.get("opened", ()), one["promotions"], strict=False)]
    for opened, count in Counter(opening for opening, _ in pairs).most_common():
        of_these = [gain for opening, gain in pairs if opening == opened]
        needless = sum(gain <= 0 for gain in of_these)
        lines += [f"- opened by {opened}: {count}, not better {needless}, mean gain {np.mean(of_these):+.4f}"]
    return "\n".join(lines)


def share(count: int, of: int) -> str:
    """A count with its share and the exact 95 % interval of that (Clopper and Pearson 1934).

    >>> share(1, 500)
    '1 (0.2%, 0.0 to 1.1%)'
    """
    if not of:
        return f"{count}"
    found = binomtest(count, of).proportion_ci()
    return f"{count} ({count / of:.1%}, {found.low * 100:.1f} to {found.high * 100:.1f}%)"


def main() -> None:
    """Run what is missing, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate.noise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/gate-noise.jsonl"))
    asked = parser.parse_args()
    cases = {str(seed): seed for seed in range(asked.first, asked.first + asked.seeds)}
    kept = make_lines(asked.out, run, cases, asked.jobs)
    print(summary(kept))


if __name__ == "__main__":
    main()
