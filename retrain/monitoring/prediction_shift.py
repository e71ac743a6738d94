"""What the drifted columns of a file do to predictions: by exact contributions, of some rows, within a time, or not."""

import math
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.model.deployment import LoadedDeployment
from retrain.model.explaining.contributions import Contributions, Scale, Step
from retrain.model.explaining.explainer import Explainer, exact_explainer_of
from retrain.monitoring.cache import Memory
from retrain.monitoring.champion import snapshot_batches
from retrain.monitoring.contributions import ROWS, Shift, contributions, reference_contributions, shifts
from retrain.operations import Json
from retrain.store.background import background_rows

MOST_CPU_S = 2.0
"""Of a file; what takes longer is left out. The default trees take a tenth."""
LEAST_ROWS = 20
"""On either side; the standard error of fewer says little."""
SEED = 0


def prediction_shifts(deployment: LoadedDeployment, snapshot: Path, drifted: Collection[str]) -> dict[str, Json]:
    """Of each of these columns that the deployment reads, by how much its mean contribution to predictions differs
    between the rows of a snapshot and those that trained the newest version: `mean`, its standard `error` by the rows,
    the `scale` in words, and of several classes the `class` that is moved most. Dates are not told, of which versions
    keep too few. Empty where an explanation would be sampled, takes too long, or fails for any reason."""
    try:
        return _told(deployment, snapshot, drifted)
    except Exception:  # a remark beside the verdict, which stands without it
        return {}


def _told(deployment: LoadedDeployment, snapshot: Path, drifted: Collection[str]) -> dict[str, Json]:
    step = _until(time.thread_time() + MOST_CPU_S)
    dates = {column.name for column in deployment.version.model_schema.features if column.kind == "datetime"}
    read = {feature.name for version in deployment.members for feature in version.preprocessor.features}
    names = [name for name in drifted if name in read and name not in dates]
    explainer = exact_explainer_of(deployment, lambda: background_rows(deployment.version)) if names else None
    if explainer is None:
        return {}
    reference = _reference(deployment, explainer, step)
    current = contributions(deployment, _some_rows(deployment, snapshot, step), explainer, step)
    if min(len(reference), len(current)) < LEAST_ROWS:
        return {}
    moved = shifts(reference, current)
    told = {name: _entry(moved[name], explainer.scale) for name in names}
    return {name: one for name, one in told.items() if math.isfinite(one["mean"]) and math.isfinite(one["error"])}


def _until(end: float) -> Step:
    """Raises from that moment of this thread's CPU on."""

    def step() -> None:
        if time.thread_time() > end:
            raise TimeoutError

    return step


_MEMORY = Memory(8)
"""Of deployments, the contributions of their training rows, which cannot change."""


def _reference(deployment: LoadedDeployment, explainer: Explainer, step: Step) -> Contributions:
    members = tuple((deployment.versions[name].folder, weight) for name, weight in deployment.weights.items())
    key = members, deployment.version.folder, explainer.scale
    found: Contributions = _MEMORY.get(key, lambda: reference_contributions(deployment, explainer, step))
    return found


def _some_rows(deployment: LoadedDeployment, snapshot: Path, step: Step) -> pa.Table:
    """At most ROWS rows of a snapshot, drawn without replacement, in their order; of one dictionary a column."""
    count = pq.read_metadata(snapshot).num_rows
    drawn = np.sort(np.random.default_rng(SEED).choice(count, min(count, ROWS), replace=False))
    parts, start = [], 0
    for table in snapshot_batches(snapshot, deployment.members, []):
        step()
        here = drawn[(drawn >= start) & (drawn < start + len(table))] - start
        parts.append(table.take(pa.array(here)))
        start += len(table)
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _entry(shift: Shift, scale: Scale) -> Json:
    at = int(np.argmax(np.abs(shift.mean)))
    name = scale.outputs[at] if len(scale.outputs) > 1 else None
    return {"mean": float(shift.mean[at]), "error": float(shift.error[at]), "scale": scale.words, "class": name}
