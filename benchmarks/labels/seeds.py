"""Many short streams whose positive labels come first: how often is a worse version promoted than the one before it?

What is served after a promotion is compared with what was served before it, on the final labels of the two batches that
follow: harmful is what costs more by over two standard errors of the paired difference. Of versions that are as good
that calls 2 in 100 harmful by chance, and a change of the concept just then more; so both are also compared on many
fresh rows of that moment: truly harmful is what costs more on these by over two standard errors of what two batches can
tell. Results are kept in --out, a line of JSON a stream; what is there is not run again."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kept import make_lines
from benchmarks.labels.harm import ARMS, summary
from benchmarks.labels.worlds import MANY, world
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import LabelTimes, arriving
from daemon.tools.replay.source import BatchFile, Source, read_source
from retrain.metrics.losses import row_losses
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment
from retrain.monitoring.assessor import version_predictions
from retrain.monitoring.cache import Memory
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History, Part
from retrain.rows.targets import target_values

INITIAL, BATCH = 3, 130


@dataclass(frozen=True)
class Case:
    """One stream and how its labels come; all by the seed but the `arm`. `matures`: maturity is configured."""

    seed: int
    arm: str

    @property
    def matures(self) -> bool:
        """Every second seed."""
        return self.seed % 2 == 1

    def __str__(self) -> str:
        return f"{self.arm} {self.seed}"


def run(case: Case) -> dict[str, Any]:
    """What came of one case."""
    rng = np.random.default_rng([case.seed, 4])
    drawn = world(rng)
    table = drawn.table(rng, np.arange(drawn.rows) / drawn.rows)
    batches, within = int(rng.integers(7, drawn.rows // BATCH + 1)), int(rng.integers(1, 6))
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
        changes = []
        for place, (before, after) in _played(engine).items():
            following = [_final(source, batch) for batch in source.batches[place + 1 : place + 3]]
            at = np.full(MANY, (place + 1.5) / batches)
            fresh = _fresh(drawn.table(np.random.default_rng([case.seed, place, 5]), at), source)
            told = {"next": _difference(before, after, following), "fresh": _difference(before, after, [fresh])}
            changes.append({"batch": place, "promoted": place in _promotions(engine), **told})
    return {"matures": case.matures, "change": drawn.change, "batches": batches, "within": within,
            "changes": changes}  # fmt: skip


def _final(source: Source, batch: BatchFile) -> Batch:
    return History([batch.accepted()], source.schema).whole(batch.seq)


def _fresh(table: pa.Table, source: Source) -> Batch:
    """Rows that were not in the stream, as its batches are."""
    kinds = pq.read_schema(source.batches[0].labelled)
    numbers = pa.array(np.arange(table.num_rows))
    whole = table.append_column("__row", numbers).append_column("row_id", numbers)
    whole = whole.select([name for name in kinds.names if name in whole.column_names])
    part = (Part(0, "fresh", 0, table.num_rows),)
    target = {"target": source.schema.target}
    return Batch(0, part, whole.replace_schema_metadata(target), np.zeros(table.num_rows, bool), table.num_rows)


def _played(engine: Engine) -> dict[int, tuple[LoadedDeployment, LoadedDeployment]]:
    """By batch after which something else was served, what was served before and after."""
    seen: list[tuple[int, LoadedDeployment]] = []
    engine.play(lambda done: seen.append((done - 1, engine.deployments.current)))
    return {place: (before, after) for (_, before), (place, after) in pairwise(seen) if after is not before}


def _promotions(engine: Engine) -> set[int]:
    return {one["batch"] for one in engine.run.deployments[1:] if one["kind"] == "promote"}


def _difference(before: LoadedDeployment, after: LoadedDeployment, batches: Sequence[Batch]) -> dict[str, float] | None:
    """What the later one costs more on the rows of batches, with its standard error; None where that is undefined."""
    y = np.concatenate([target_values(batch.table, before.version.schema) for batch in batches])
    costs, others = (_losses(one, batches, y) for one in (after, before))
    if costs is None or others is None:
        return None
    found = costs - others
    return {"mean": float(found.mean()), "se": float(found.std() / np.sqrt(len(found))), "rows": len(found)}


def _losses(deployment: LoadedDeployment, batches: Sequence[Batch], y: Any) -> Any:
    answers = [deployment.answer(version_predictions(deployment.versions, batch, Memory())) for batch in batches]
    return row_losses(deployment.version.metric, y, concatenate(answers))


def main() -> None:
    """Run what is missing, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels.seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--arms", nargs="*", default=["positives-first"], choices=ARMS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/labels-seeds.jsonl"))
    asked = parser.parse_args()
    cases = [Case(seed, arm) for arm in asked.arms for seed in range(asked.first, asked.first + asked.seeds)]
    kept = make_lines(asked.out, run, {str(case): case for case in cases}, asked.jobs)
    print("\n".join(summary(kept)))


if __name__ == "__main__":
    main()
