"""What tests of training share: a small table of every column kind, and a staged or published version of it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.operations import from_json, to_json
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema
from retrain.stages.promote import promote
from retrain.stages.train import train
from retrain.store.versions import load_staged, write_json, write_probe

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = (
    Column("x", "number"),
    Column("n", "integer"),
    Column("b", "boolean"),
    Column("c", "category"),
    Column("t", "datetime"),
    Column("y", "category"),
)


def schema(task: str = "classification") -> Schema:
    """Five features of five kinds, and the target y."""
    target = Column("y", "category" if task == "classification" else "number")
    return Schema((*COLUMNS[:-1], target), task, "y")


def rows(
    count: int, seed: int = 0, classes: tuple[str, ...] = ("no", "yes"), task: str = "classification"
) -> list[dict]:
    """Rows in which y depends on x and c; some cells are missing or infinite."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        x, c = float(rng.normal()), str(rng.choice(["red", "green", "blue", "grün ☂"], p=[0.4, 0.3, 0.2, 0.1]))
        signal = x + (c == "red") + 0.3 * float(rng.normal())
        made.append(
            {
                "x": None if i % 17 == 3 else float("inf") if i % 31 == 5 else x,
                "n": None if i % 13 == 4 else int(rng.integers(-(2**60), 2**60)),
                "b": None if i % 11 == 6 else bool(x > 0.1),
                "c": None if i % 19 == 7 else c,
                "t": None if i % 23 == 8 else START + timedelta(microseconds=int(rng.integers(0, 2**50))),
                "y": signal
                if task == "regression"
                else classes[int(signal > 0.4) + (len(classes) > 2) * int(signal > 1.5)],
            }
        )  # fmt: skip
    return made


def table(made: list[dict], task: str = "classification", prepared: bool = False, chunks: int = 1) -> pa.Table:
    """A snapshot's table of rows; `prepared` adds the columns of the prepare stage."""
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {
        "x": pa.float64(), "n": pa.int64(), "b": pa.bool_(), "c": text, "t": pa.timestamp("us", "UTC"),
        "y": pa.float64() if task == "regression" else text,
    }  # fmt: skip
    size = -(-len(made) // chunks)
    parts = [made[i : i + size] for i in range(0, len(made), size)]
    columns = {
        name: pa.chunked_array([pa.array([row[name] for row in part], kind) for part in parts], kind)
        for name, kind in kinds.items()
    }
    if prepared:
        count = len(made)
        columns |= {
            "__seq": pa.array([1] * count, pa.int64()),
            "__row": pa.array(range(1, count + 1), pa.int64()),
            "__time": pa.array(np.arange(count, dtype=np.float64)),
            "__weight": pa.array(np.linspace(0.5, 1.0, count)),
        }
    return pa.table(columns)


def stage_args(
    folder: Path, task: str = "classification", made: list[dict] | None = None, **settings: Any
) -> dict[str, Any]:
    """Arguments of the train and promote stages on prepared rows."""
    made = rows(400, task=task) if made is None else made
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(made, task, prepared=True), work / "train.parquet")
    prepared = {
        "train": str(work / "train.parquet"), "holdout": "", "snapshots": ["d1", "d2"], "cut_time": 1.7e9,
        "window": "all rows", "notes": ["class 'maybe' is new"], "train_rows": len(made),
    }  # fmt: skip
    return {
        "model": "m", "cycle": 5, "number": 3, "work": str(work), "versions": str(folder / "versions" / "m"),
        "config_dir": str(folder), "schema": schema(task).to_json(), "champion": None,
        "settings": {"data_dir": "d", "task": task, "target": "y", **settings}, "prepared": prepared,
    }  # fmt: skip


def run(operation: Callable[[Any], Any], args: dict[str, Any]) -> dict[str, Any]:
    """What an operation gives to these arguments, both as JSON as they travel; it takes of them what it needs."""
    kind = get_type_hints(operation)["request"]
    needed = {name: value for name, value in args.items() if name in kind.__struct_fields__}
    request = from_json(json.loads(json.dumps(needed)), kind)
    result: dict[str, Any] = json.loads(json.dumps(to_json(operation(request)), allow_nan=False))
    return result


def fast(kind: str = "auto", **params: Any) -> dict[str, Any]:
    """Estimator settings that train in no time."""
    return {"type": kind, "params": {"max_iter": 8, **params} if kind == "auto" else params}


def probe(args: dict[str, Any], trusted: tuple[str, ...] = ()) -> Predictions:
    """Write the probe and metrics of a staged version as the evaluate stage does."""
    staged = Path(args["work"]) / "version"
    asked = rows(20, seed=9, task=args["settings"]["task"])
    asked = [{k: v for k, v in row.items() if k != "y"} for row in asked]
    said = load_staged(staged, trusted).predict_rows(asked)
    write_probe(staged, asked, said)
    entry = {"value": 0.8, "se": 0.01}
    evaluation = {
        "metric": "accuracy",
        "rows": 80,
        "champion": None,
        "challenger": entry,
        "baseline": entry,
        "reason": "why",
    }
    write_json(staged, "metrics.json", evaluation, "test.metrics")
    return said


def published(folder: Path, task: str = "classification", **settings: Any) -> Path:
    """A version trained, proven and published."""
    args = stage_args(folder, task, **({"estimator": fast()} | settings))
    run(train, args)
    probe(args)
    return Path(run(promote, args)["path"])
