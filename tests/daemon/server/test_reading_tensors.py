"""Requests of the Open Inference Protocol become the same rows on the quick way and on the slow one."""

import json
from typing import Any

import pytest

from daemon.server import infer
from daemon.server.refusal import BadRequest
from daemon.server.rows import RowReader
from retrain.records.schema import Column, Schema

COLUMNS = (Column("x", "number"), Column("n", "integer"), Column("c", "category"), Column("y", "category"))
SCHEMA = Schema(COLUMNS, "classification", "y")


def tensor(name: str, datatype: str, data: Any, shape: list[int] | None = None, **more: Any) -> dict[str, Any]:
    """One input."""
    return {"name": name, "datatype": datatype, "shape": [2] if shape is None else shape, "data": data, **more}


X, N, C = tensor("x", "FP64", [0.5, None]), tensor("n", "INT32", [1, 2]), tensor("c", "BYTES", ["a", None])


def read(inputs: list[dict[str, Any]], strict: bool = False, text: str = "") -> Any:
    """The rows of a request, or what is said of it."""
    try:
        return infer.read_request((text or json.dumps({"inputs": inputs})).encode(), None, RowReader(SCHEMA, strict))[1]
    except BadRequest as error:
        return str(error)


CASES = {
    "usual": [X, N, C],
    "in another order": [C, X, N],
    "columns of one": [{**one, "shape": [2, 1]} for one in (X, N, C)],
    "shapes that differ": [X, {**N, "shape": [2, 1]}, C],
    "nested": [{**X, "shape": [2, 1], "data": [[0.5], [None]]}, N, C],
    "whole numbers": [tensor("x", "FP32", [1, 2]), N, C],
    "whole as FP64": [X, tensor("n", "FP64", [1.0, 2.0]), C],
    "not whole": [X, tensor("n", "FP64", [1.5, 2.0]), C],
    "true as a number": [tensor("x", "FP64", [True, 1.0]), N, C],
    "a number as BYTES": [tensor("x", "BYTES", [0.5, 1.0]), N, C],
    "text as a number": [tensor("x", "FP64", ["0.5", "1"]), N, C],
    "a category as FP64": [X, N, tensor("c", "FP64", [1.0, 2.0])],
    "no such datatype": [tensor("x", "FP128", [0.5, 1.0]), N, C],
    "too short": [tensor("x", "FP64", [0.5]), N, C],
    "shape of more": [tensor("x", "FP64", [0.5, 1.0], [3]), N, C],
    "no rows": [{**one, "shape": [0], "data": []} for one in (X, N, C)],
    "too many rows": [{**one, "shape": [10_001]} for one in (X, N, C)],
    "without a shape": [{**one, "shape": []} for one in (X, N, C)],
    "one lacks": [X, N],
    "one too much": [X, N, C, tensor("z", "FP64", [1.0, 2.0])],
    "twice": [X, N, C, X],
    "unknown": [tensor("z", "FP64", [1.0, 2.0]), N, C],
    "the target, too": [X, N, C, tensor("y", "BYTES", ["no", "yes"])],
    "a size of nothing": [tensor("x", "FP64", [0.5, 1.0], parameters={"binary_data_size": 0}), N, C],
    "other parameters": [tensor("x", "FP64", [0.5, 1.0], parameters={"content_type": "np"}), N, C],
    "no data": [{key: value for key, value in X.items() if key != "data"}, N, C],
    "more than a float holds": [tensor("x", "FP64", [10**400, 1.0]), N, C],
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_both_ways_give_the_same(name: str, strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cells of the same types, or the same words of what is wrong."""
    quickly = read(CASES[name], strict)
    monkeypatch.setattr(infer, "_read_quickly", lambda *_: None)
    slowly = read(CASES[name], strict)
    assert repr(quickly) == repr(slowly)


def test_what_clients_usually_send_is_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor for each column, in any order, never comes to the slow way; a bare NaN does, and is missing."""
    monkeypatch.setattr(infer, "_check_shape", lambda *_: pytest.fail("read slowly"))
    rows = [(0.5, 1.0, "a"), (None, 2.0, None)]
    assert read(CASES["usual"]) == read(CASES["in another order"]) == read(CASES["columns of one"]) == rows
    monkeypatch.undo()
    text = json.dumps({"inputs": [tensor("x", "FP64", [0.5, float("nan")]), N, C]})
    assert "NaN" in text and read([], text=text) == rows
