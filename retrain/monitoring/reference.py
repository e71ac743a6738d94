"""The reference of a new version: of the rows that it was trained on, of whole files, and of what it says of rows that
it was not trained on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drift.derived.outputs import output_columns
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference, with_files
from retrain.model.blend import concatenate
from retrain.model.fitting import out_of_fold
from retrain.model.version import LoadedVersion
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.compared_columns import compared_values
from retrain.rows.held_out import EVERY, in_reservoir
from retrain.rows.targets import target_values

OUTPUT_ROWS = 10_000
"""Where so many predictions are there, no more are made: training out of fold costs at most what about 50,000 rows do,
and a check of 1,000 rows hardly feels the chance in ten times as many."""
MOST_FOLDS = EVERY - 1
"""Of five: the reservoir is the first. A version trained on four fifths of the rows is little less sure of itself; on
half, its predictions differ visibly (KS distances of 0.014 and 0.038 for boosted trees on 9,600 rows; 0.05 counts)."""


def version_reference(
    version: LoadedVersion, train: Path, holdout: Path, settings: ModelSettings, most_folds: int = MOST_FOLDS
) -> Reference:
    """From the files of prepared rows; columns are read one at a time. Outputs are of the held-out rows, and where
    these are fewer than `OUTPUT_ROWS`, of training rows out of fold, for which the estimator is trained at most
    `most_folds` times more."""
    sequence = np.concatenate([_origin(path)[0] for path in (train, holdout)])
    said, origin = _predictions(version, train, holdout, settings, most_folds)
    outputs = list(output_columns(said.values, said.probabilities, said.classes))
    reference = build_reference(_columns([train], version, settings), outputs)
    return with_files(reference, _columns([train, holdout], version, settings), sequence, outputs, origin)


def _columns(paths: list[Path], version: LoadedVersion, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values(paths, version.schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values


def _predictions(
    version: LoadedVersion, train: Path, holdout: Path, settings: ModelSettings, most_folds: int
) -> tuple[Predictions, NDArray[np.int64]]:
    """Of rows that did not train, in their order, and the file of each."""
    held_out = pq.read_table(holdout, pre_buffer=False)
    pieces, origins = [version.predict_table(held_out)], [np.stack(_origin(holdout))]
    origin = np.stack(_origin(train))
    folds = _folds(origin, origins[0], most_folds)
    if folds:
        rows = pq.read_table(train, pre_buffer=False)
        X, y = version.preprocessor.transform(rows), target_values(rows, version.schema)
        weight = np.asarray(rows.column("__weight").to_numpy(), dtype=np.float64)
        for fold, said in zip(folds, out_of_fold(version, X, y, weight, folds, settings.estimator.seed), strict=False):
            pieces.append(said)
            origins.append(origin[:, fold])
    places = np.concatenate(origins, axis=1)
    order = np.lexsort((places[1], places[0]))
    return concatenate(pieces).take(order), places[0][order]


def _folds(origin: NDArray[np.int64], held_out: NDArray[np.int64], most: int) -> list[NDArray[np.bool_]]:
    """Masks over the n training rows whose file and place `origin`, shape (2, n), tells: of each file's rows about a
    fifth, in the reservoir's blocks that come next; as many as give enough rows."""
    files, places = np.concatenate([origin, held_out], axis=1)
    rows = held_out.shape[1]
    folds: list[NDArray[np.bool_]] = []
    while len(folds) < most and rows < OUTPUT_ROWS:
        mask = np.zeros(len(files), dtype=bool)
        for seq in np.unique(files):
            own = files == seq
            mask[own] = in_reservoir(places[own], int(seq) + 1 + len(folds))
        folds.append(mask[: origin.shape[1]])
        rows += int(folds[-1].sum())
    return [fold for fold in folds if fold.any() and not fold.all()]


def _origin(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The file and the place in it of each prepared row, shape (n,) both."""
    table: pa.Table = pq.read_table(path, columns=["__seq", "__row"], pre_buffer=False)
    return table.column("__seq").to_numpy(), table.column("__row").to_numpy()
