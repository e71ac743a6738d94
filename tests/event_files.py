"""Accepted files of a small event log, as stages and assessments get them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from event_logs import log

from retrain.operations import (
    AcceptedFile,
    EvaluateRequest,
    EvaluateResult,
    PrepareRequest,
    PrepareResult,
    PromoteRequest,
    StoredDeployment,
    TrainRequest,
)
from retrain.records.schema import event_schema
from retrain.records.settings import ModelSettings
from retrain.stages.promote import promote
from retrain.stages.recommendation.evaluate import evaluate
from retrain.stages.recommendation.prepare import prepare
from retrain.stages.recommendation.train import train

NAMED = {"user_column": "who", "item_column": "what", "time_column": "at"}


def settings(**more: Any) -> ModelSettings:
    """Of a model of these logs."""
    return ModelSettings.model_validate({"data_dir": "data", "task": "recommendation", **NAMED, **more})


def tasteful(events: int = 4000, seed: int = 0) -> pa.Table:
    """A log in which tastes tell more than fashion: enough for a version to be better than popularity."""
    return log(events, users=120, seed=seed, fashion=0.1)


def accepted(folder: Path, table: pa.Table, parts: int = 8) -> tuple[AcceptedFile, ...]:
    """The log cut into files of equal size, taken in."""
    edges = np.linspace(0, table.num_rows, parts + 1).astype(int)
    pieces = [table.slice(start, end - start) for start, end in pairwise(edges)]
    return tuple(accepted_file(folder, seq + 1, piece) for seq, piece in enumerate(pieces))


def accepted_file(folder: Path, seq: int, table: pa.Table, source: str = "folder") -> AcceptedFile:
    """One file of events as a snapshot holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seq}.parquet"
    moments = (table["at"].combine_chunks().cast(pa.int64()).to_numpy() * 1_000_000).astype("datetime64[us]")
    pq.write_table(table.set_column(table.column_names.index("at"), "at", pa.array(moments)), path)
    return AcceptedFile(seq=seq, snapshot=path, digest=f"digest-{seq}", rows=table.num_rows, source=source)


def cycle(
    folder: Path,
    files: tuple[AcceptedFile, ...],
    number: int = 1,
    champion: StoredDeployment | None = None,
    publish: bool = True,
    trigger: str = "manual",
    past: tuple[float, ...] = (),
    **more: Any,
) -> tuple[PrepareResult, EvaluateResult, StoredDeployment | None]:
    """All stages on some files; the deployment of the version that came of it, whatever the gate said."""
    work, asked = folder / f"work-{number}", settings(**more)
    work.mkdir(parents=True)
    schema = event_schema(asked)
    prepared = prepare(PrepareRequest(files=files, schema=schema, settings=asked, work=work, champion=champion))
    train(
        TrainRequest(
            model="m", number=number, schema=schema, settings=asked, config_dir=folder, work=work, prepared=prepared,
            champion=champion,
        )
    )  # fmt: skip
    told = evaluate(
        EvaluateRequest(
            files=files, settings=asked, work=work, prepared=prepared, champion=champion, trigger=trigger,
            past=list(past),
        )
    )  # fmt: skip
    if not publish:
        return prepared, told, None
    versions = folder / "versions"
    made = promote(PromoteRequest(model="m", cycle=number, number=number, settings=asked, work=work, versions=versions))
    return prepared, told, StoredDeployment(folder=versions, weights={made.version: 1.0}, newest=made.version)
