"""The rows that an explanation compares with where it needs any: a sample of those that trained a version."""

from typing import Any

import numpy as np

from retrain.model.explaining.contributions import Background
from retrain.model.version import LoadedVersion
from retrain.records.errors import refusing
from retrain.store.versions import read_json, sample_path

MOST_ROWS = 1_000


def background_rows(version: LoadedVersion) -> Background:
    """At most 1,000 whole rows, evenly spread over the sample that a version keeps, without dates: these are of its
    probe rows, in turn. A version without a sample has its probe rows alone, which were held out. Refused where it
    cannot be read."""
    probe: list[dict[str, Any]] = read_json(version.folder / "probe.json")["rows"]
    path = sample_path(version.folder)
    if path is None:
        return Background(probe, "held-out row")
    import pyarrow as pa
    import pyarrow.parquet as pq

    with refusing(f"the sample of {version.name} cannot be read", "retrain to get a new one"):
        table = pq.read_table(path)
        at = np.unique(np.linspace(0, table.num_rows - 1, MOST_ROWS).astype(int))
        rows: list[dict[str, Any]] = table.take(pa.array(at)).to_pylist()
    if version.preprocessor.preparation is not None:
        return Background(rows, "training row")
    dates = [column.name for column in version.schema.features if column.kind == "datetime"]
    dated = [row | {name: probe[at % len(probe)].get(name) for name in dates} for at, row in enumerate(rows)]
    return Background(dated, "training row")
