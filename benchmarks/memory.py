"""Peak memory of taking in a CSV of 2 GB, in a process of its own."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.figures import Figure

BYTES = 2 * 10**9
CHUNK_ROWS = 200_000
SETTINGS = {
    "data_dir": "data",
    "task": "classification",
    "target": "label",
    "columns": {
        **{f"x{i}": "number" for i in range(8)},
        "n": "integer",
        "colour": "category",
        "label": "category",
    },
}


def measure(folder: Path) -> list[Figure]:
    """Generate the file, take it in within a fresh child, read the child's own account of its peak."""
    path = folder / "big.csv"
    generate(path, BYTES)
    command = [sys.executable, "-m", "benchmarks.memory", str(path), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(result.stderr)
    told = json.loads(result.stdout)
    size = path.stat().st_size
    note = f"{size / 1e9:.2f} GB, {told['rows']:,} rows, {told['seconds']:.0f} s"
    return [Figure("taking in a 2 GB CSV, peak memory", told["peak_bytes"] / 1e9, "GB", 1.5, note)]


def generate(path: Path, size: int) -> None:
    """Random rows until the file has `size` bytes."""
    rng = np.random.default_rng(0)
    with path.open("wb") as sink:
        while sink.tell() < size:
            options = pyarrow.csv.WriteOptions(include_header=sink.tell() == 0)
            pyarrow.csv.write_csv(_chunk(rng), sink, options)


def _chunk(rng: np.random.Generator) -> pa.Table:
    columns = {f"x{i}": rng.normal(size=CHUNK_ROWS) for i in range(8)}
    columns["n"] = rng.integers(0, 10**6, CHUNK_ROWS)
    columns["colour"] = rng.choice(["red", "green", "blue"], CHUNK_ROWS)
    columns["label"] = rng.choice(["yes", "no"], CHUNK_ROWS)
    return pa.table(columns)


def take_in(path: str, work: str) -> dict[str, float]:
    """What the analyst does with a settled file, and what it cost this process."""
    from daemon.reading.operations import TakeRequest
    from daemon.reading.take import take
    from retrain.records.schema import declared_schema
    from retrain.records.settings import ModelSettings

    settings = ModelSettings.model_validate(SETTINGS)
    schema = declared_schema(settings)
    assert schema is not None
    started = time.monotonic()
    result = take(TakeRequest(path=Path(path), schema=schema, settings=settings, work=Path(work)))
    seconds = time.monotonic() - started
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"rows": result.rows, "seconds": seconds, "peak_bytes": peak}


if __name__ == "__main__":
    print(json.dumps(take_in(*sys.argv[1:])))
