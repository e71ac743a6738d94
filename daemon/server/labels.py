"""Labels of a feedback request, every mistake named."""

import math
from collections.abc import Mapping
from typing import Any

from daemon.server.refusal import BadRequest, quoted
from daemon.server.rows import ID, MAX_ROWS, is_id
from drift.notation import counted
from retrain.records.new_classes import spelled, undeclared
from retrain.records.schema import Schema
from retrain.records.settings import ColumnKind
from retrain.rows.cells import EXPECTED, shown, word


def labels_of(value: Mapping[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """The rows of id and target of {"labels": [{"id", "label"}]}."""
    for key in value:
        if key != "labels":
            raise BadRequest(f"unknown key {quoted(key)}; expected 'labels'")
    if schema.id_column is None:
        raise BadRequest("this model has no id_column: a label cannot be joined with its row", 409)
    labels = value.get("labels")
    if not isinstance(labels, list) or not labels:
        raise BadRequest('"labels" is missing or empty, or no list; expected such as [{"id": "a1", "label": "yes"}]')
    if len(labels) > MAX_ROWS:
        raise BadRequest(f"{counted(len(labels), 'label')}; at most {MAX_ROWS:,} a request", 413)
    return [_label(position, entry, schema) for position, entry in enumerate(labels)]


def _label(position: int, entry: Any, schema: Schema) -> dict[str, Any]:
    if not isinstance(entry, dict) or set(entry) != {"id", "label"}:
        raise BadRequest(f'label {position}: expected {{"id": …, "label": …}}')
    key, label = entry["id"], entry["label"]
    if not is_id(key):
        raise BadRequest(f"label {position}: the id must be {ID}")
    if isinstance(label, int) and not -(2**63) <= label < 2**64:
        raise BadRequest(f"label {position} is {shown(label)}; expected no whole number beyond 64 bits")
    assert schema.id_column is not None
    if schema.column(schema.id_column).kind == "integer" and not (isinstance(key, int) and -(2**63) <= key < 2**63):
        raise BadRequest(f"label {position}: the id is {shown(key)}; expected a whole number of 64 bits")
    number = isinstance(label, int | float) and not isinstance(label, bool) and math.isfinite(label)
    if schema.task == "regression" and not number:
        raise BadRequest(f"label {position} is {shown(label)}; expected a finite number")
    if schema.task == "classification" and (label is None or isinstance(label, dict | list)):
        raise BadRequest(f"label {position} is {shown(label)}; expected a class name")
    kind = schema.column(schema.target).kind
    if schema.task == "classification" and not _is_of(label, kind):
        raise BadRequest(f"label {position} is {shown(label)}; expected {EXPECTED[kind]}, as this target's classes are")
    classes = schema.column(schema.target).categories
    if classes is not None and spelled(word(label), classes) not in classes:
        raise BadRequest(f"label {position}: {undeclared(word(label), classes)}")
    return {schema.id_column: key, schema.target: label}


def _is_of(label: Any, kind: ColumnKind) -> bool:
    """Whether the intake will read a class so: of a target of numbers no word is one."""
    if kind not in ("integer", "number"):
        return True
    if isinstance(label, bool) or (isinstance(label, str) and "_" in label):
        return False
    try:
        number = float(label)
    except ValueError:
        return False
    return number.is_integer() if kind == "integer" else math.isfinite(number)
