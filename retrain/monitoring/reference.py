"""The reference of a new version: of the rows that it was trained on, of whole files, and of what it says of rows that
it was not trained on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from drift.derived.outputs import output_columns
from drift.profiles.profile import ColumnValues
from drift.profiles.reference import Reference, build_reference, with_files
from retrain.model.version import LoadedVersion
from retrain.monitoring.prepared import prepared_snapshots
from retrain.monitoring.unseen import Unseen, origin_of
from retrain.records.settings import ModelSettings
from retrain.rows.compared_columns import compared_values


def version_reference(
    version: LoadedVersion, train: Path, holdout: Path, settings: ModelSettings, unseen: Unseen
) -> Reference:
    """From the files of prepared rows; columns are read one at a time. Outputs are of the `unseen` rows."""
    with prepared_snapshots(version, [train, holdout], train.parent) as columns:
        return _reference(version, (train, holdout), (columns[0], columns[1]), settings, unseen)


def _reference(
    version: LoadedVersion, rows: tuple[Path, Path], columns: tuple[Path, Path], settings: ModelSettings, unseen: Unseen
) -> Reference:
    """Of the files of training and held-out rows, and those with the columns that are compared."""
    sequence = np.concatenate([origin_of(path)[0] for path in rows])
    said, origin = unseen.predictions, unseen.files
    outputs = list(output_columns(said.values, said.probabilities, said.classes))
    reference = build_reference(_columns([columns[0]], version, settings), outputs)
    return with_files(reference, _columns([*columns], version, settings), sequence, outputs, origin)


def _columns(paths: list[Path], version: LoadedVersion, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values(paths, version.model_schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values
