"""Requests as they come in: JSON bodies to rows, and every mistake named by row and column."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from retrain.cells import word
from retrain.schema import Schema

MAX_BODY = 64 * 2**20
MAX_ROWS = 10_000


class BadRequest(Exception):
    """The request is at fault; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def decode(body: bytes) -> dict[str, Any]:
    """A JSON object; bare NaN and Infinity are accepted, as some clients send them."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(value, dict):
        raise BadRequest('expected a JSON object such as {"rows": [{"x": 1.5}]}')
    return value


def rows_of(value: Mapping[str, Any], schema: Schema) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """The rows and ids of a prediction request."""
    _only(value, ("rows", "ids"))
    rows = value.get("rows")
    if not isinstance(rows, list) or not rows:
        raise BadRequest('"rows" is missing or empty; expected a list of objects such as {"x": 1.5}')
    if len(rows) > MAX_ROWS:
        raise BadRequest(f"{len(rows):,} rows; at most {MAX_ROWS:,} a request", 413)
    known = {column.name for column in schema.columns}
    features = [column.name for column in schema.features]
    for position, row in enumerate(rows):
        _check_row(position, row, known, features)
    ids = value.get("ids")
    if ids is not None and (not isinstance(ids, list) or len(ids) != len(rows)):
        raise BadRequest(f'"ids" must be a list with one id for each of the {len(rows)} rows')
    return rows, ids


def _check_row(position: int, row: Any, known: set[str], features: Sequence[str]) -> None:
    if not isinstance(row, dict):
        raise BadRequest(f"row {position} is {type(row).__name__}; expected an object of column and value")
    for name, value in row.items():
        if name not in known:
            raise BadRequest(f"row {position}: unknown column {name!r}{_meant(name, features)}")
        if isinstance(value, dict | list):
            raise BadRequest(f"row {position}, column {name!r}: expected a single value")
    if not any(name in row for name in features):
        raise BadRequest(f"row {position} has no feature; expected some of {', '.join(features[:20])}")


def labels_of(value: Mapping[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """The rows of id and target of a feedback request."""
    _only(value, ("labels",))
    if schema.id_column is None:
        raise BadRequest("this model has no id_column: a label cannot be joined with its row", 409)
    labels = value.get("labels")
    if not isinstance(labels, list) or not labels:
        raise BadRequest('"labels" is missing or empty; expected a list such as [{"id": "a1", "label": "yes"}]')
    if len(labels) > MAX_ROWS:
        raise BadRequest(f"{len(labels):,} labels; at most {MAX_ROWS:,} a request", 413)
    return [_label(position, entry, schema) for position, entry in enumerate(labels)]


def _label(position: int, entry: Any, schema: Schema) -> dict[str, Any]:
    if not isinstance(entry, dict) or set(entry) != {"id", "label"}:
        raise BadRequest(f'label {position}: expected {{"id": …, "label": …}}')
    key, label = entry["id"], entry["label"]
    if isinstance(key, dict | list | float) or key is None or key == "":
        raise BadRequest(f"label {position}: the id must be text or a whole number")
    number = isinstance(label, int | float) and not isinstance(label, bool)
    if schema.task == "regression" and not number:
        raise BadRequest(f"label {position} is {label!r}; expected a number")
    if schema.task == "classification" and (label is None or isinstance(label, dict | list)):
        raise BadRequest(f"label {position} is {label!r}; expected a class name")
    classes = schema.column(schema.target).categories
    if classes is not None and word(label) not in classes:
        raise BadRequest(f"label {position} is {label!r}; expected one of {', '.join(classes)}")
    assert schema.id_column is not None
    return {schema.id_column: key, schema.target: label}


def _only(value: Mapping[str, Any], keys: Sequence[str]) -> None:
    for key in value:
        if key not in keys:
            raise BadRequest(f"unknown key {key!r}; expected {' and '.join(map(repr, keys))}")


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected some of {', '.join(known[:20])}"
