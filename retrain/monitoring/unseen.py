"""What a version says of rows that it was not trained on: the held-out ones, and training rows out of fold. It tells
how much files differ for it, and what to expect of what is served."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.model.blend import concatenate
from retrain.model.fitting import out_of_fold
from retrain.model.version import LoadedVersion
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.held_out import EVERY, in_reservoir
from retrain.rows.targets import target_values

ENOUGH_ROWS = 10_000
"""Where so many predictions are there, no more are made: training out of fold costs at most what about 50,000 rows do,
and a check of 1,000 rows hardly feels the chance in ten times as many."""
MOST_FOLDS = EVERY - 1
"""Of five: the reservoir is the first. A version trained on four fifths of the rows is little less sure of itself; on
half, its predictions differ visibly (KS distances of 0.014 and 0.038 for boosted trees on 9,600 rows; 0.05 counts)."""
PROBABILITY = "p_"
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Unseen:
    """Predictions of n rows in their order, their labels `y` (n,), of which file each is (`files`, its seq) and which
    row of that (`rows`), both (n,), and whether it was held out (n,)."""

    predictions: Predictions
    y: Labels
    files: Rows
    rows: Rows
    held_out: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: NDArray[np.bool_]) -> "Unseen":
        """Some rows, by a mask (n,)."""
        said, y, files = self.predictions.take(chosen), self.y[chosen], self.files[chosen]
        return Unseen(said, y, files, self.rows[chosen], self.held_out[chosen])

    def newest(self, most: int) -> "Unseen":
        """The rows of the newest files, at most so many, but for the newest file's, which has all."""
        counts = np.cumsum(np.unique(self.files, return_counts=True)[1][::-1])
        kept = max(1, int(np.searchsorted(counts, most, side="right")))
        return self.take(np.isin(self.files, np.unique(self.files)[-kept:]))

    def to_table(self) -> pa.Table:
        """As it is stored with a version."""
        said = self.predictions
        columns: dict[str, Any] = {"__seq": self.files, "__row": self.rows, "__held_out": self.held_out}
        columns |= {"label": pa.array(self.y.tolist()), "prediction": pa.array(said.values.tolist())}
        if said.probabilities is not None and said.classes is not None:
            columns |= {PROBABILITY + name: said.probabilities[:, k] for k, name in enumerate(said.classes)}
        return pa.table(columns).replace_schema_metadata({"classes": "\n".join(said.classes or ())})

    @classmethod
    def from_table(cls, table: pa.Table, classes: tuple[str, ...] | None) -> "Unseen":
        """The inverse of `to_table`, of a version of these classes."""
        label, value = (table.column(name).to_pylist() for name in ("label", "prediction"))
        files, rows, held_out = (table.column(name).to_numpy() for name in ("__seq", "__row", "__held_out"))
        if classes is None:
            return cls(Predictions(np.array(value, np.float64)), np.array(label, np.float64), files, rows, held_out)
        names = [PROBABILITY + name for name in classes]
        whole = set(names) <= set(table.column_names)
        matrix = np.column_stack([table.column(name).to_numpy() for name in names]) if whole else None
        said = Predictions(np.array(value, np.str_), matrix, classes)
        return cls(said, np.array(label, np.str_), files, rows, held_out)


def unseen_predictions(
    version: LoadedVersion, train: Path, holdout: Path, settings: ModelSettings, most_folds: int = MOST_FOLDS
) -> Unseen:
    """Of the held-out rows, and where these are fewer than `ENOUGH_ROWS`, of training rows out of fold, for which the
    estimator is trained at most `most_folds` times more; from the files of prepared rows."""
    held_out = pq.read_table(holdout, pre_buffer=False)
    pieces, origins = [version.predict_table(held_out)], [np.stack(origin_of(holdout))]
    labels = [target_values(held_out, version.schema)]
    origin = np.stack(origin_of(train))
    folds = _folds(origin, origins[0], most_folds)
    if folds:
        rows = pq.read_table(train, pre_buffer=False)
        X, y = version.preprocessor.transform(rows), target_values(rows, version.schema)
        weight = np.asarray(rows.column("__weight").to_numpy(), dtype=np.float64)
        for fold, said in zip(folds, out_of_fold(version, X, y, weight, folds, settings.estimator.seed), strict=False):
            pieces.append(said)
            origins.append(origin[:, fold])
            labels.append(y[fold])
    files, places = np.concatenate(origins, axis=1)
    order = np.lexsort((places, files))
    first = np.arange(len(places)) < len(held_out)
    truth = np.concatenate(labels)
    return Unseen(concatenate(pieces).take(order), truth[order], files[order], places[order], first[order])


def origin_of(path: Path) -> tuple[Rows, Rows]:
    """The file and the place in it of each prepared row, shape (n,) both."""
    table: pa.Table = pq.read_table(path, columns=["__seq", "__row"], pre_buffer=False)
    return table.column("__seq").to_numpy(), table.column("__row").to_numpy()


def _folds(origin: Rows, held_out: Rows, most: int) -> list[NDArray[np.bool_]]:
    """Masks over the n training rows whose file and place `origin`, shape (2, n), tells: of each file's rows about a
    fifth, in the reservoir's blocks that come next; as many as give enough rows."""
    files, places = np.concatenate([origin, held_out], axis=1)
    rows = held_out.shape[1]
    folds: list[NDArray[np.bool_]] = []
    while len(folds) < most and rows < ENOUGH_ROWS:
        mask = np.zeros(len(files), dtype=bool)
        for seq in np.unique(files):
            own = files == seq
            mask[own] = in_reservoir(places[own], int(seq) + 1 + len(folds))
        folds.append(mask[: origin.shape[1]])
        rows += int(folds[-1].sum())
    return [fold for fold in folds if fold.any() and not fold.all()]
