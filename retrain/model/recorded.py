"""A version that another system serves: what it says of a row was recorded with the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions
from retrain.records.schema import Recorded
from retrain.rows.targets import class_names

if TYPE_CHECKING:
    import pyarrow as pa

    from retrain.records.predictions import Floats

OLDER = "rows of before these columns were configured cannot be compared; newer files take their place"
WAY_OUT = "ask the system that serves it; without `served` driftd trains a model of its own and serves that"


@dataclass(frozen=True, eq=False)
class RecordedVersion(LoadedVersion):
    """Its `estimator` is None; its preprocessor is that of models that are compared with it."""

    @property
    def is_recorded(self) -> bool:
        """That it answers no new rows."""
        return True

    def predict_rows(self, rows: "Sequence[Mapping[str, Any]]") -> Predictions:  # noqa: ARG002 - whatever they are
        """Refused: nobody here can say."""
        raise Refused(f"version {self.name} is served elsewhere", WAY_OUT)

    def predict_table(self, table: "pa.Table") -> Predictions:
        """What was recorded of the rows of a snapshot's table; Refused where that has no such columns."""
        recorded = self.schema.recorded
        assert recorded is not None
        known = set(table.column_names)
        lacking = [name for name in recorded.predicted if name not in known or table.column(name).null_count]
        if lacking:
            raise Refused(f"some rows have no {', '.join(lacking)}, which another system predicted", OLDER)
        return recorded_predictions(table, recorded, self.classes)


def recorded_predictions(table: "pa.Table", recorded: Recorded, classes: tuple[str, ...] | None) -> Predictions:
    """What another system predicted of the rows of a snapshot's table, of these classes or of numbers."""
    column = table.column(recorded.prediction)
    if classes is None:
        return Predictions(np.array(column.cast("float64").to_numpy(), dtype=np.float64))
    values = class_names(column).astype(np.str_)
    return Predictions(values, _probabilities(table, recorded, classes), classes)


def _probabilities(table: "pa.Table", recorded: Recorded, classes: tuple[str, ...]) -> "Floats | None":
    """Of each class, (n, k), each row adding up to 1; what the columns leave goes to classes without one, in equal
    parts."""
    if not recorded.probabilities:
        return None
    given = {name: np.asarray(table.column(column).to_numpy(), np.float64) for name, column in recorded.probabilities}
    rest = np.clip(1.0 - np.sum(list(given.values()), axis=0), 0.0, 1.0)
    others = sum(name not in given for name in classes)
    matrix: Floats = np.column_stack([given.get(name, rest / max(1, others)) for name in classes])
    total = matrix.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(matrix, total, out=np.full_like(matrix, 1.0 / len(classes)), where=total > 0)
    return shares
