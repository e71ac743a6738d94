"""What a deployment answers to the rows of a batch, as columns beside the rows' own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daemon.reading.clean import clean
from daemon.reading.columns import match
from daemon.reading.rejects import LONGEST, Reject, Rejects, misfit, shortened
from daemon.scoring.rows import IS_OBJECT, RawBatch
from daemon.server.exploration import Explored, explore
from daemon.server.served import ServedDeployment
from drift.columns.casts import TYPES, Cleaned
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema

PREDICTION, PROBABILITY, VERSION, EXPLORED = "prediction", "probability_", "version", "explored"
OUTSIDE_YEARS = "is outside of the years 1 to 9999"


@dataclass(frozen=True)
class How:
    """How rows are read and answered: by the features of `schema`; `is_strict` as `serving.contract` says; `explore` as
    `serving.explore` does; `prefix` is before the names of the answers' columns."""

    schema: Schema
    is_strict: bool = False
    explore: float = 0.0
    prefix: str = ""


@dataclass(frozen=True)
class Answered:
    """Rows that could be answered: their columns as the file has them (`own`), or as JSON each row's `objects`; what
    the model read of them (`features`), and what it answered, by name; `predictions` are the same."""

    own: pa.RecordBatch
    objects: Any
    features: pa.Table
    answers: dict[str, Any]
    predictions: Predictions
    explored: Explored | None = None


def answer_names(served: ServedDeployment, how: How) -> list[str]:
    """The names of the answers' columns, in their order: by what is answered to a row without any value."""
    features = served.schema.features
    shape = served.predict_table(pa.table({one.name: pa.nulls(1, TYPES[one.kind]) for one in features}))
    classes = () if shape.probabilities is None else shape.classes or ()
    drawn = [EXPLORED] if how.explore and shape.classes is not None else []
    names = [PREDICTION, *(f"{PROBABILITY}{name}" for name in classes), VERSION, *drawn]
    return [f"{how.prefix}{name}" for name in names]


def refuse_unfit(names: Sequence[str], how: How, answers: Sequence[str]) -> None:
    """Refused where the file lacks a feature, or has a column that is called as one of the answers is."""
    schema = how.schema
    match(names, replace(schema, columns=schema.features, id_column=None))
    taken = [name for name in answers if name in set(names)]
    if taken:
        reason = f"the file has a column {taken[0]!r}, as one of the answers is called"
        raise Refused(reason, "a prefix, such as driftd_, gives these other names")


def answered(batch: RawBatch, served: ServedDeployment, how: How, names: Sequence[str], rejects: Rejects) -> Answered:
    """The rows of a batch that can be answered, and what is answered to them; the others are added to `rejects`."""
    own, lines = batch.columns, batch.lines
    good = np.ones(own.num_rows, dtype=bool)
    if batch.objects is not None:
        good = _objects(batch, rejects)
        own = own.drop_columns([IS_OBJECT])
    features: dict[str, Any] = {}
    for column in how.schema.features:
        raw = own.column(column.name)
        cleaned = _cleaned(raw, column, how.schema)
        bad = cleaned.bad | (_invalid(cleaned.values, column) if how.is_strict else False)
        if bad.any():
            _set_aside(raw, column, lines, bad & good, cleaned, rejects)
            good &= ~bad
        features[column.name] = cleaned.values
    table, objects = pa.table(features), batch.objects
    if not good.all():
        kept = pa.array(good)
        own, table = own.filter(kept), table.filter(kept)
        objects = None if objects is None else objects.filter(kept)
    predictions = served.predict_table(table)
    ids = ids_of(own, how.schema)
    given, drawn = explore(how.explore, served.name, predictions, ids) if how.explore else (predictions, None)
    answers = dict(zip(names, _columns(given, served.name, drawn), strict=True))
    return Answered(own, objects, table, answers, given, drawn)


def _objects(batch: RawBatch, rejects: Rejects) -> NDArray[np.bool_]:
    """Which lines (n,) are JSON objects."""
    good = np.asarray(batch.columns.column(IS_OBJECT).to_numpy(zero_copy_only=False), dtype=bool)
    places = np.flatnonzero(~good)
    rejects.add(
        batch.lines[places].tolist(),
        lambda at: Reject(
            int(batch.lines[places[at]]), None, "not a JSON object", batch.objects[int(places[at])].as_py()[:LONGEST]
        ),
    )
    return good


def _cleaned(raw: Any, column: Column, schema: Schema) -> Cleaned:
    """A column as the intake reads it; words in a dictionary stay there."""
    formats = schema.formats_of(column)
    is_coded = pa.types.is_dictionary(raw.type) and pa.types.is_string(raw.type.value_type)
    if column.kind == "category" and is_coded and not formats.na_values:
        return Cleaned(raw, np.zeros(len(raw), dtype=bool))
    return clean(raw, column.name, column.kind, formats)


def _invalid(values: Any, column: Column) -> NDArray[np.bool_]:
    """Which values (n,) the schema declares invalid, as requests to a strict model are judged."""
    values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    bad = np.zeros(len(values), dtype=bool)
    if not column.nullable:
        bad |= values.is_null().to_numpy(zero_copy_only=False)
    if column.categories is not None:
        known = pc.is_in(values, value_set=pa.array([*column.categories, None], pa.string()))
        bad |= ~known.to_numpy(zero_copy_only=False)
    for outside, bound in ((pc.less, column.minimum), (pc.greater, column.maximum)):
        if bound is not None:
            bad |= pc.fill_null(outside(values, bound), False).to_numpy(zero_copy_only=False)
    return bad


def _set_aside(
    raw: Any, column: Column, lines: NDArray[np.int64], bad: NDArray[np.bool_], cleaned: Cleaned, rejects: Rejects
) -> None:
    places = np.flatnonzero(bad)

    def reject(at: int) -> Reject:
        place = int(places[at])
        return Reject(int(lines[place]), column.name, _reason(raw, place, column, bool(cleaned.bad[place])))

    rejects.add(lines[places].tolist(), reject)


def _reason(raw: Any, place: int, column: Column, is_misfit: bool) -> str:
    try:
        value = raw[place].as_py()
    except (OverflowError, ValueError):  # no moment of Python's
        return OUTSIDE_YEARS
    if is_misfit:
        return misfit(value, column.kind)
    if value is None:
        return "is missing"
    shown = shortened(repr(value))
    if column.categories is not None:
        return f"{shown} is not among the declared categories"
    low = "any" if column.minimum is None else f"{column.minimum:g}"
    high = "any" if column.maximum is None else f"{column.maximum:g}"
    return f"{shown} is not from {low} to {high}, as declared"


def ids_of(own: pa.RecordBatch, schema: Schema) -> list[Any] | None:
    """The rows' ids, where the model has a column of them and the file has it: whole floats as integers, as requests
    have them, for an integer column with a gap may be one of floats."""
    name = schema.id_column
    if name is None or name not in own.schema.names:
        return None
    return [int(one) if isinstance(one, float) and one.is_integer() else one for one in own.column(name).to_pylist()]


def _columns(predictions: Predictions, version: str, drawn: Explored | None) -> Iterator[Any]:
    """The arrays (n,) of the answers: what is predicted, a probability for each class, who answered, what was drawn."""
    yield pa.array(predictions.values)
    if predictions.probabilities is not None:
        for column in predictions.probabilities.T:
            yield pa.array(np.ascontiguousarray(column))
    yield pa.repeat(version, len(predictions))
    if drawn is not None:
        yield pa.array(drawn.rows)
