"""The make of an adopted pipeline: what the train stage stages as it is, and of which it trains clones later on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import clone

from retrain.model.frames import LIBRARIES, installed_libraries
from retrain.model.pipeline import Input, RawPipeline, own_labels
from retrain.model.preprocessing import Preprocessor
from retrain.model.tasks import Classification, Regression, Task
from retrain.operations import StoredDeployment
from retrain.records.errors import Refused
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.targets import target_values
from retrain.store import adopted
from retrain.store.versions import load_version, undamaged

TRIED_ROWS = 50
"""Rows that a pipeline must answer before it is adopted."""
LISTED = 12


@dataclass(frozen=True, eq=False)
class Make:
    """A fitted pipeline, the `folder` that has its model file, the frames and columns that it reads, and what is
    recorded of where it came from. `task` is known of one that is adopted as it is."""

    pipeline: Any
    folder: Path
    library: str
    inputs: tuple[str, ...]
    with_none: frozenset[str]
    record: Mapping[str, Any]
    task: Task | None = None

    def schema(self, schema: Schema) -> Schema:
        """The model's schema with what the pipeline reads; Refused where it lacks a column."""
        lacking = [name for name in self.inputs if name not in {column.name for column in schema.columns}]
        if lacking:
            hint = "adopt another pipeline, or set estimator.type to train another kind of model"
            raise Refused(
                f"the adopted pipeline reads {', '.join(lacking[:LISTED])}, which is no column any more", hint
            )
        return replace(schema, inputs=self.inputs)

    def preprocessor(self, table: pa.Table, schema: Schema) -> Preprocessor:
        """Of a schema that `schema` gave."""
        fitted = Preprocessor.fit(table, schema, "raw")
        marked = (replace(one, missing="none") if one.name in self.with_none else one for one in fitted.features)
        return replace(fitted, features=tuple(marked), library=self.library)

    def estimator(self, preprocessor: Preprocessor, task: Task, params: Mapping[str, Any]) -> RawPipeline:
        """An untrained clone with parameters of the pipeline set."""
        try:
            made = clone(self.pipeline).set_params(**params)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise Refused(f"the adopted pipeline cannot be cloned: {error}", "set estimator.type") from error
        inputs = tuple(Input(one.name, one.kind, one.missing) for one in preprocessor.features)
        labels = own_labels(self.pipeline, task.classes)
        return RawPipeline(made, inputs, self.library, task.classes, labels)


def kept_make(champion: StoredDeployment | None, settings: ModelSettings) -> Make | None:
    """The make of the newest version, where it was adopted or is of the make of one that was, and the configuration
    names no other estimator; Refused where it cannot be loaded."""
    if champion is None or settings.estimator.type != "auto" or settings.prepare is not None:
        return None
    training = undamaged(champion.path(champion.newest) / "training.json")
    if training is None or training.get("adopted") is None:
        return None
    version = load_version(champion.path(champion.newest), settings.estimator.trusted_types)
    features = version.preprocessor.features
    return Make(
        version.estimator.pipeline,
        version.folder,
        version.preprocessor.library,
        tuple(one.name for one in features),
        frozenset(one.name for one in features if one.missing == "none"),
        {**training["adopted"], "cloned": version.name},
    )


def adopted_make(
    folder: Path, about: Mapping[str, Any], table: pa.Table, schema: Schema, settings: ModelSettings
) -> Make:
    """The pipeline of a folder, proven on prepared rows: it reads their columns, knows their classes and answers them.
    Refused says what does not fit. `about` is what is recorded of it."""
    if settings.prepare is not None:
        raise Refused("an adopted pipeline prepares its rows itself", "take prepare out of the configuration")
    trusted = (*settings.estimator.trusted_types, *about["trusted_types"])
    pipeline = adopted.load(folder, trusted)
    inputs = adopted.input_names(pipeline, schema, settings.task, schema.target)
    task = _task(pipeline, schema, table, settings.task)
    make = Make(pipeline, folder, "", inputs, frozenset(adopted.columns_with_none(pipeline)), about, task)
    return replace(make, library=answering_library(make, table, schema))


def _task(pipeline: Any, schema: Schema, table: pa.Table, name: str) -> Task:
    if name == "regression":
        return Regression()
    return Classification(adopted.refuse_classes(pipeline, _classes(target_values(table, schema).tolist())))


def _classes(labels: Collection[Any]) -> set[str]:
    return {str(label) for label in labels}


def answering_library(make: Make, table: pa.Table, schema: Schema) -> str:
    """The first library of whose frames the pipeline answers a few rows. Refused where there is none, or no answer."""
    libraries = installed_libraries()
    if not libraries:
        raise Refused(
            f"an adopted pipeline reads data frames, and neither {' nor '.join(LIBRARIES)} is installed",
            "install the one that it was fitted with beside driftd: pip install 'driftd[pandas]'",
        )
    rows = table.slice(0, TRIED_ROWS)
    failures = []
    for library in libraries:
        trial = replace(make, library=library)
        preprocessor = trial.preprocessor(rows, trial.schema(schema))
        assert make.task is not None
        estimator = adopted.as_estimator(make.pipeline, preprocessor, make.task)
        try:
            answers = np.asarray(estimator.predict(preprocessor.transform(rows)))
            if len(answers) == rows.num_rows:
                return library
            failures.append(f"it answers {len(answers)} times to {rows.num_rows} rows")
        except Refused as error:
            failures.append(error.message)
    kinds = ", ".join(f"{c.name} {c.kind}" for c in make.schema(schema).features[:LISTED])
    raise Refused(failures[0], f"its columns are read as {kinds}; [models.NAME.columns] can declare other types")
