"""Models trained by the stages on generated streams in which nothing changes: their files' scores, and a planted drop.

The drop is made of wrong labels, as many as lower the model's ROC AUC by what was asked; the features stay as they
are, so that no other check sees it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.drops.lives import DROP, METRIC, SETTINGS, WITHIN
from benchmarks.streams.generated import CONTROLS, KINDS, NOISE
from retrain.model.blend import concatenate
from retrain.model.version import LoadedVersion
from retrain.monitoring.drop import Evaluated
from retrain.monitoring.evaluated import evaluated_before
from retrain.monitoring.performance import measured
from retrain.operations import (
    AcceptedFile,
    EvaluateRequest,
    Json,
    PrepareRequest,
    PromoteRequest,
    TrainRequest,
)
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.schema import Column, Schema
from retrain.stages.evaluate import evaluate
from retrain.stages.prepare import prepare
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_version

TRAINED, SERVED, ROWS = 6, 16, 1_000
STEPS = 20
STEADY = dict.fromkeys(CONTROLS, 1.0) | {"sea_like": 0.3, "unit_bug": 0.4, "label_noise": 0.4, "rare": 0.5}
"""By stream, the share of its rows before anything changes."""


def life(name: str, rng: np.random.Generator) -> tuple[list[Json], list[Json], Evaluated | None]:
    """A model of a stream's first files: the performance of the files after them, of three with wrong labels, and what
    its evaluation knew."""
    X, y = _rows(name, rng, TRAINED + SERVED)
    with TemporaryDirectory(prefix="driftd-drops-") as work:
        files = [_file(Path(work), X, y, seq) for seq in range(1, TRAINED + 1)]
        version = _version(Path(work), files, _schema(X))
        evaluated = evaluated_before(version, SETTINGS)
        served = range(TRAINED + 1, TRAINED + SERVED + 1)
        said = {seq: version.predict_table(_table(X, y, seq)) for seq in served}
    truth = {seq: _labels(y, seq) for seq in served}
    steady = [measured(METRIC, truth[seq], said[seq], 0) for seq in served]
    wrong = _wrong_share([truth[seq] for seq in served], [said[seq] for seq in served], rng)
    dropped = [measured(METRIC, _flipped(truth[seq], wrong, rng), said[seq], 0) for seq in list(served)[-WITHIN:]]
    return steady, dropped, evaluated


def _rows(name: str, rng: np.random.Generator, files: int) -> tuple[Floats, NDArray[np.int64]]:
    """Features and labels of the stream's steady part, a tenth of the labels wrong."""
    X, y = KINDS[name](rng, int(files * ROWS / STEADY[name]) + 1)
    X, y = X[: files * ROWS], y[: files * ROWS]
    return X, np.where(rng.random(len(y)) < NOISE, 1 - y, y)


def _schema(X: Floats) -> Schema:
    features = (Column(f"x{place}", "number") for place in range(X.shape[1]))
    return Schema((*features, Column("y", "category")), "classification", "y")


def _labels(y: NDArray[np.int64], seq: int) -> Labels:
    return np.where(y[(seq - 1) * ROWS : seq * ROWS] == 1, "yes", "no")


def _table(X: Floats, y: NDArray[np.int64], seq: int) -> pa.Table:
    part = X[(seq - 1) * ROWS : seq * ROWS]
    columns = {f"x{place}": part[:, place] for place in range(X.shape[1])}
    return pa.table({**columns, "y": _labels(y, seq), "__row": np.arange(1, ROWS + 1)})


def _file(work: Path, X: Floats, y: NDArray[np.int64], seq: int) -> AcceptedFile:
    path = work / f"{seq}.parquet"
    pq.write_table(_table(X, y, seq), path)
    return AcceptedFile(seq=seq, snapshot=path, digest=str(seq), rows=ROWS, accepted_at=float(seq))


def _version(work: Path, files: list[AcceptedFile], schema: Schema) -> LoadedVersion:
    """Prepared, trained, evaluated and published as a first model."""
    rows = tuple(files)
    prepared = prepare(PrepareRequest(files=rows, schema=schema, settings=SETTINGS, work=work))
    train(
        TrainRequest(
            model="m", number=1, schema=schema, settings=SETTINGS, config_dir=work, work=work, prepared=prepared
        )
    )
    evaluate(EvaluateRequest(files=rows, settings=SETTINGS, work=work, prepared=prepared))
    request = PromoteRequest(model="m", cycle=1, number=1, settings=SETTINGS, work=work, versions=work / "versions")
    return load_version(promote(request).path)


def _flipped(y: Labels, share: float, rng: np.random.Generator) -> Labels:
    """Labels of which so many are wrong."""
    return np.where(rng.random(len(y)) < share, np.where(y == "yes", "no", "yes"), y)


def _wrong_share(truth: list[Labels], said: list[Predictions], rng: np.random.Generator) -> float:
    """The share of wrong labels that lowers the ROC AUC by DROP, by bisection on all files together."""
    y, together, seed = np.concatenate(truth), concatenate(said), int(rng.integers(2**32))
    before = METRIC.score(y, together)
    assert before is not None
    low, high = 0.0, 0.5
    for _ in range(STEPS):
        middle = (low + high) / 2
        now = METRIC.score(_flipped(y, middle, np.random.default_rng(seed)), together)
        low, high = (middle, high) if now is not None and before - now < DROP else (low, middle)
    return (low + high) / 2
