"""What is served as checks expect it: the outputs of the whole deployment, its adjustments included, on rows that none
of its members was trained on, and the estimate that follows from them.

The newest version brought its reference and its estimate from its evaluation, when it answered alone. Once earlier
versions are blended in, or a recalibration shifts the answer, they are made of what is served now: by the rows that the
newest version did not see either (`retrain.monitoring.unseen`), of files that are still there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drift.derived.outputs import output_columns
from drift.profiles.reference import Reference, build_reference, with_files
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessor import trained_on
from retrain.monitoring.estimate import FEWEST_ROWS, fit_estimate
from retrain.monitoring.unseen import ENOUGH_ROWS, Unseen
from retrain.operations import AcceptedFile
from retrain.rows.held_out import in_reservoir
from retrain.rows.retype import conform

FEWEST_OUTPUTS = 100
"""Rows that outputs are compared with at least."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Expected:
    """What is served says of n `rows`, and their columns where features were read (n,)."""

    rows: Unseen
    table: pa.Table | None = None


def is_adjusted(served: LoadedDeployment) -> bool:
    """Whether what is served is not its newest version alone."""
    return served.recalibration is not None or list(served.weights) != [served.newest]


def expected_answers(served: LoadedDeployment, unseen: Unseen, files: Mapping[int, AcceptedFile]) -> Expected | None:
    """What is served says of those `unseen` rows of its newest version that no other member was trained on: of the
    newest `files` (by seq) that are still there, until these are enough. None where there are too few."""
    others = {name: served.versions[name] for name in served.weights if name != served.newest}
    if not others and unseen.predictions.classes is not None:
        said = served.answer({served.newest: unseen.predictions})
        return Expected(replace(unseen, predictions=said)) if len(unseen) >= FEWEST_OUTPUTS else None
    parts = list(_parts(served, others, unseen, files))[::-1]
    if sum(len(part.rows) for part in parts) < FEWEST_OUTPUTS:
        return None
    tables = [part.table for part in parts if part.table is not None]
    return Expected(_joined([part.rows for part in parts]), pa.concat_tables(tables, promote_options="permissive"))


def expected_reference(reference: Reference, expected: Expected) -> Reference:
    """The newest version's reference with the outputs of what is served."""
    said, files = expected.rows.predictions, expected.rows.files
    outputs = list(output_columns(said.values, said.probabilities, said.classes))
    made = with_files(build_reference((), outputs), (), files, outputs, files)
    return replace(
        reference, outputs=made.outputs, output_parts=made.output_parts, output_files=made.output_files
    )  # fmt: skip


def expected_estimate(version: LoadedVersion, expected: Expected, seed: int) -> dict[str, Any]:
    """What estimates the performance of what is served, as `fit_estimate` gives it: from the held-out rows, from all
    where these are too few; `version` is the newest one."""
    rows, table = expected.rows, expected.table
    chosen = rows.held_out if int(rows.held_out.sum()) >= FEWEST_ROWS else np.ones(len(rows), dtype=bool)
    numbers = version.schema.task == "regression"
    matrix = None if table is None or not numbers else version.preprocessor.numbers(table.filter(pa.array(chosen)))
    median = version.training["metric"]["initial_median"]
    said = rows.predictions.take(chosen)
    return fit_estimate(version.schema.task, rows.y[chosen], said, matrix, seed, initial_median=median)


def _parts(
    served: LoadedDeployment,
    others: Mapping[str, LoadedVersion],
    unseen: Unseen,
    files: Mapping[int, AcceptedFile],
) -> Iterator[Expected]:
    """File by file, the newest first, until there are enough rows."""
    rows = 0
    for seq in np.unique(unseen.files).tolist()[::-1]:
        if rows >= ENOUGH_ROWS:
            return
        if seq in files:
            part = _of_file(served, others, unseen.take(unseen.files == seq), files[seq])
            rows += 0 if part is None else len(part.rows)
            yield from () if part is None else (part,)


def _of_file(
    served: LoadedDeployment, others: Mapping[str, LoadedVersion], unseen: Unseen, file: AcceptedFile
) -> Expected | None:
    table = _columns(served, file)
    numbers = table.column("__row").to_numpy()
    places = np.searchsorted(numbers, unseen.rows).clip(0, max(0, len(numbers) - 1))
    fresh = np.asarray(numbers[places] == unseen.rows, dtype=bool) if len(numbers) else np.zeros(len(unseen), bool)
    reserved = in_reservoir(numbers, file.seq)[places] if len(numbers) else fresh
    for version in others.values():
        fresh &= ~trained_on(version, file.digest, unseen.rows, reserved)
    if not fresh.any():
        return None
    chosen, rows = table.take(pa.array(places[fresh])), unseen.take(fresh)
    said = {name: version.predict_table(chosen) for name, version in others.items()}
    answer = served.answer({served.newest: rows.predictions, **said})
    return Expected(replace(rows, predictions=answer), chosen)


def _columns(served: LoadedDeployment, file: AcceptedFile) -> pa.Table:
    """What the members need of a file's rows."""
    needed = {name for version in served.versions.values() for name in version.schema.model_columns}
    present = set(pq.read_schema(file.snapshot).names)
    columns = [name for name in (*sorted(needed), "__row") if name in present]
    return conform(pq.read_table(file.snapshot, columns=columns, pre_buffer=False), served.version.schema)


def _joined(parts: list[Unseen]) -> Unseen:
    y, files, rows, held_out = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "files", "rows", "held_out")
    )
    return Unseen(concatenate([part.predictions for part in parts]), y, files, rows, held_out)
