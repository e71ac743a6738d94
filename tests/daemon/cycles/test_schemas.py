"""The schema that a model's files are read by, and how it differs from its champion's."""

import json
from typing import Any

import pytest

from daemon.cycles.schemas import change_since
from retrain.records.deployment import Champion, Deployment, Member
from retrain.records.schema import Column, Schema
from retrain.records.schema_change import shape_digest
from retrain.records.settings import ModelSettings
from retrain.store.versions import version_schema

COLUMNS = {"x": "number", "y": "category", "t": "datetime", "i": "category"}
NAME = "v0001-aaaaaaaa"
CHAMPION = Champion(Deployment(1, "m", (Member(NAME),)), 1, 0.0, "r", NAME, 1)


def schema(**changes: Any) -> Schema:
    """What the champion was trained with, but for these."""
    base = {"task": "classification", "target": "y", "time_column": None, "id_column": None}
    return Schema(tuple(Column(name, kind) for name, kind in COLUMNS.items()), **base | changes)  # type: ignore[arg-type]


def settings(columns: dict[str, Any] | None = None, **changes: Any) -> ModelSettings:
    """The configuration."""
    base = {"data_dir": "d", "task": "classification", "target": "y", "columns": columns}
    return ModelSettings.model_validate(base | changes)


@pytest.fixture
def store(tmp_path):
    """A folder of versions with the champion's schema."""
    version_schema.cache_clear()
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "schema.json").write_text(json.dumps(schema().to_json()))
    return tmp_path


@pytest.mark.parametrize(
    ("configured", "told", "comparable"),
    [
        (settings(COLUMNS), None, True),
        (settings(COLUMNS | {"x": {"type": "number", "min": 0, "nullable": False}}), None, True),
        (settings(COLUMNS | {"x": {"type": "number", "feature": False}}), ("x was learned from",), True),
        (settings(COLUMNS | {"x": "category"}), ("x was number and is category",), True),
        (settings(COLUMNS | {"z": "text"}), ("z was added (text)",), True),
        (settings({"x": "number", "y": "category"}), ("t was removed", "i was removed"), True),
        (settings(COLUMNS, time_column="t"), ("time_column was none and is t",), True),
        (settings(COLUMNS, target="i"), ("target was y and is i",), False),
        (settings(COLUMNS, target="x", task="regression"),
         ("task was classification and is regression", "target was y and is x"), False),
        (settings(), None, True),
        (settings(id_column="i"), ("id_column was none and is i",), True),
        (settings(target="i"), ("target was y and is i",), False),
        (settings(id_column="new"), ("the columns are inferred anew",), True),
    ],
)  # fmt: skip
def test_each_change_is_told(store, configured, told, comparable):
    """Columns, kinds and questions; ranges and nullability are no other schema. Without declared columns the inferred
    ones stay unless they cannot answer."""
    found = change_since(configured, schema(), store, CHAMPION)
    assert (None if found is None else found.sentences) == told
    assert found is None or found.comparable is comparable


def test_an_inferred_schema_that_cannot_answer_is_not_known_yet(store):
    """Its digest is that of the next file."""
    assert change_since(settings(target="i"), schema(), store, CHAMPION).digest == ""
    assert change_since(settings(COLUMNS, target="i"), None, store, CHAMPION).digest == shape_digest(schema(target="i"))
    assert change_since(settings(), schema(), store, None) is None
