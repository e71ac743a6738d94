"""The reference of a new version: of the rows that it was trained on, of whole files, and of what it says of rows that
it was not trained on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from drift.derived.calendar import calendar_columns
from drift.derived.outputs import output_columns
from drift.profiles.categorical import Codes
from drift.profiles.grid_counts import count
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import ColumnValues, Profile, merge, profile
from drift.profiles.reference import Reference, build_reference, with_files
from retrain.model.version import LoadedVersion
from retrain.monitoring.prepared import prepared_snapshots
from retrain.monitoring.unseen import Unseen, origin_of
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import column_values, open_snapshot
from retrain.rows.compared_columns import compared_values

PIECE_ROWS = 1_000_000
"""Of a column of a window that is larger than memory."""


def version_reference(
    version: LoadedVersion,
    train: Path,
    holdout: Path,
    settings: ModelSettings,
    unseen: Unseen,
    whole: Path | None = None,
) -> Reference:
    """From the files of prepared rows; columns are read one at a time. Outputs are of the `unseen` rows. Where `train`
    is a sample of the `whole` window, the profiles of columns are of all its rows, but for texts."""
    files = [train, holdout] if whole is None else [train, holdout, whole]
    with prepared_snapshots(version, files, train.parent) as made:
        return _reference(version, (train, holdout), made, settings, unseen)


def whole_profiles(
    path: Path, schema: Schema, known: Mapping[str, Profile], calendar: bool
) -> Iterator[tuple[str, Profile]]:
    """Profiles of all rows of a file, a piece of a column in memory at a time; counted on the grids of the `known`
    ones, which are of a sample."""
    features = [column for column in schema.features if column.kind != "text"]
    dates = [column for column in schema.columns if calendar and column.kind == "datetime" and column not in features]
    for column in (*features, *dates):
        found: dict[str, Profile] = {}
        for values in _pieces(path, column):
            named = [(column.name, values)] if column in features else []
            if calendar and column.kind == "datetime" and not isinstance(values, Codes):
                named += list(calendar_columns(column.name, values))
            for name, part in named:
                if name in known:
                    of_piece = _profile(part, known[name])
                    found[name] = merge(found[name], of_piece) if name in found else of_piece
        yield from found.items()


def _pieces(path: Path, column: Column) -> Iterator[ColumnValues]:
    with open_snapshot(path) as file:
        if column.name in file.schema_arrow.names:
            for batch in file.iter_batches(batch_size=PIECE_ROWS, columns=[column.name]):
                yield column_values(batch.column(0), column.kind)


def _profile(values: ColumnValues, known: Profile) -> Profile:
    made = profile(values)
    if isinstance(made, NumericProfile) and isinstance(known, NumericProfile) and known.grid is not None:
        numbers = np.asarray(values, dtype=np.float64)
        return replace(made, grid=count(known.grid.grid, [numbers]))
    return made


def _reference(
    version: LoadedVersion, rows: tuple[Path, Path], columns: Sequence[Path], settings: ModelSettings, unseen: Unseen
) -> Reference:
    """Of the files of training and held-out rows, and those with the columns that are compared: a third one has them of
    all rows of which the training rows are a sample."""
    sequence = np.concatenate([origin_of(path)[0] for path in rows])
    said, origin = unseen.predictions, unseen.files
    outputs = list(output_columns(said.values, said.probabilities, said.classes))
    reference = build_reference(_columns([columns[0]], version, settings), outputs)
    if columns[2:]:
        known, calendar = reference.columns, settings.drift.calendar
        profiles = dict(whole_profiles(columns[2], version.model_schema, known, calendar))
        reference = replace(reference, columns=known | profiles)
    return with_files(reference, _columns([*columns[:2]], version, settings), sequence, outputs, origin)


def _columns(paths: list[Path], version: LoadedVersion, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values(paths, version.model_schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values
