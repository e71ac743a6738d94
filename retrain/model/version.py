"""A version in memory: what answers rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from retrain.records.schema import Schema
from retrain.user_code import is_of_user

if TYPE_CHECKING:
    import pyarrow as pa

    from retrain.metrics.metric import Metric
    from retrain.model.preprocessing import Preprocessor
    from retrain.model.tasks import Baseline, Task
    from retrain.records.predictions import Floats, Predictions


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """A loaded model version. `training` is its training.json, `evaluation` its metrics.json ({} before the
    evaluation)."""

    name: str
    folder: Path
    schema: Schema
    task: "Task"
    preprocessor: "Preprocessor"
    estimator: Any
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]

    @property
    def is_recorded(self) -> bool:
        """Whether another system serves it, and what it says is recorded with the rows."""
        return False

    @property
    def runs_own_code(self) -> bool:
        """Whether it answers by code of the user's: an adopted pipeline, a preparation, an estimator of their own."""
        own = self.preprocessor.encoding == "raw" or self.preprocessor.preparation is not None
        return own or is_of_user(type(self.estimator))

    @property
    def model_schema(self) -> Schema:
        """Of the columns that it learns from: the schema of its rows, unless a preparation of the user's makes others
        of these."""
        preparation = self.preprocessor.preparation
        return self.schema if preparation is None else preparation.model_schema(self.schema)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Sorted class names, None for regression."""
        return self.task.classes

    @cached_property
    def metric(self) -> "Metric":
        """The metric that was fixed from the model's first training data."""
        from retrain.metrics.registry import MetricContext, get_metric

        recorded = self.training["metric"]
        costs = tuple((truth, answered, cost) for truth, answered, cost in recorded.get("costs") or ())
        return get_metric(recorded["name"], MetricContext(self.task.name, recorded["initial_median"], costs=costs))

    @cached_property
    def baseline(self) -> "Baseline":
        """The naive baseline, learned from the rows that trained this version."""
        from retrain.model.tasks import Baseline

        return msgspec.convert(self.training["baseline"], Baseline)

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> "Predictions":
        """What it says about rows as JSON gives them; Refused names a wrong value."""
        return self.task.predict(self.estimator, self.preprocessor.transform_rows(rows))

    def predict_table(self, table: "pa.Table") -> "Predictions":
        """What it says about a snapshot's table; columns that the table does not have are missing."""
        return self.task.predict(self.estimator, self.matrix(table))

    def predict_prepared(self, table: "pa.Table") -> "Predictions":
        """The same of a table that its preprocessor `prepared`."""
        return self.task.predict(self.estimator, self.preprocessor.transform_prepared(table))

    def matrix(self, table: "pa.Table") -> "Floats":
        """The features of a snapshot's table, see `Preprocessor.transform`."""
        return self.preprocessor.transform(table)
