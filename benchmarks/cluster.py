"""`make cluster-bench`: what a Dask cluster on this machine gains and costs. A replay of eight variants by the workers,
one and two of them; and a cycle's stages there beside the same here, whose version is the same by digest."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dask_cluster import running_cluster

from daemon.config.config import Config, load_config
from daemon.runtime.cluster.client import ClusterWorker, Work
from daemon.runtime.cluster.files import FolderExchange
from daemon.runtime.cluster.requests import ReplayRequest, Scheduler
from daemon.runtime.worker.process import Limits, Worker
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.remote import begun
from retrain.operations import AcceptedFile, PrepareRequest, TrainRequest
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.store.digest import version_digest

VARIANTS = 8
MODEL = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
SCHEMA = Schema((Column("x", "number"), Column("z", "number"), Column("y", "category")), "classification", "y")


def history(rows: int) -> pa.Table:
    """Whose meaning turns over at its middle."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=rows), rng.normal(size=rows)
    y = np.where(np.where(np.arange(rows) < rows / 2, x, z) + rng.normal(0, 0.5, rows) > 0, "yes", "no")
    return pa.table({"x": x, "z": z, "y": y})


def without_seconds(value: Any) -> Any:
    """The same without what depends on the clock."""
    if isinstance(value, Mapping):
        return {key: without_seconds(one) for key, one in value.items() if "seconds" not in key}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def replays(config: Config, file: Path, work: Path, batches: int) -> tuple[float, Any]:
    """Seconds of eight variants, and their results."""
    settings = config.models["m"]
    prices = {f"v{n}": settings.triggers.model_copy(update={"regret": 0.1 * (n + 1)}) for n in range(VARIANTS)}
    asked = {
        name: ReplayRequest(
            files=(file,), settings=settings.model_copy(update={"triggers": triggers}), source=settings,
            config_dir=work, batches=batches, initial=4, times={"kind": LabelTimes().kind},
        )
        for name, triggers in prices.items()
    }  # fmt: skip
    began_s = time.monotonic()
    found = begun(config, asked, work).result()
    return time.monotonic() - began_s, without_seconds(found)


async def trained(worker: Any, file: Path, state: Path, settings: ModelSettings, times: int) -> tuple[float, str]:
    """The median seconds of a training that follows its preparation, and the digest of its version."""
    work = state / "work" / "cycles" / "7"
    work.mkdir(parents=True, exist_ok=True)
    accepted = AcceptedFile(seq=1, snapshot=file, digest="d", rows=pq.read_metadata(file).num_rows, number=1)
    seconds = []
    try:
        prepared = await worker.call(
            PrepareRequest(files=(accepted,), schema=SCHEMA, settings=settings, work=work), 3600.0, "limits.train_time"
        )
        request = TrainRequest(
            model="m", number=1, schema=SCHEMA, settings=settings, config_dir=state, work=work, prepared=prepared
        )
        for _ in range(times):
            began_s = time.monotonic()
            await worker.call(request, 3600.0, "limits.train_time")
            seconds.append(time.monotonic() - began_s)
    finally:
        await worker.close()
    return median(seconds), version_digest(work / "version")


def trainings(address: str, folder: Path, rows: int, times: int) -> None:
    """Here, and on the cluster."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    found = []
    for name in ("here", "there"):
        state = folder / name
        snapshots, exchange = state / "snapshots" / "m", state / "work" / "exchange"
        snapshots.mkdir(parents=True)
        exchange.mkdir(parents=True)
        file = snapshots / "a.parquet"
        pq.write_table(history(rows).append_column("__row", pa.array(np.arange(rows))), file)
        worker: Any = Worker("trainer", Limits(19))
        if name == "there":
            worker = ClusterWorker(
                Scheduler(address), Work(1, 0), {"state": state}, state, FolderExchange(exchange), "7", 60.0
            )
        found.append(asyncio.run(trained(worker, file, state, settings, times)))
    (here_s, here), (there_s, there) = found
    same = "the same version" if here == there else f"ANOTHER VERSION: {here} and {there}"
    told = f"here {here_s:.2f} s, on a worker {there_s:.2f} s, {there_s - here_s:+.2f} s"
    print(f"a training of {rows:,} rows: {told}; {same}")


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-cluster-bench-") as made:
        folder = Path(made)
        file = folder / "history.parquet"
        pq.write_table(history(options.rows), file)
        results, seconds = [], []
        for workers in (1, 2):
            with running_cluster(workers) as cluster:
                (folder / "config.toml").write_text(f'[service]\nexecutor = "{cluster.address}"\n{MODEL}')
                took_s, found = replays(load_config(folder / "config.toml"), file, folder, options.batches)
                print(f"a replay of {VARIANTS} variants, {workers} workers: {took_s:.1f} s", flush=True)
                seconds.append(took_s)
                results.append(found)
                if workers == 2:
                    trainings(cluster.address, folder, options.rows, options.times)
        same = "the same results" if results[0] == results[1] else "OTHER RESULTS"
        print(f"two workers against one: {seconds[0] / seconds[1]:.2f} times; {same}")


if __name__ == "__main__":
    main()
