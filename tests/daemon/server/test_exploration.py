"""Answers drawn at random: the share of them, alike for one id, and with the propensity that they had."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from daemon.config.config import load_config
from daemon.server.app import App
from daemon.server.exploration import explore
from daemon.server.origins import Origins
from daemon.server.slot import ModelSlot
from daemon.server.tokens import Tokens
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema


def answers(rows, classes=("no", "yes")):
    """All of the first class, surely."""
    return Predictions(np.array([classes[0]] * rows), np.tile(np.eye(len(classes))[0], (rows, 1)), classes)


def test_the_share_is_drawn_uniformly_among_the_classes():
    """Of 40,000 answers a tenth are drawn, a third of these for each of three classes; probabilities stay."""
    said = answers(40_000, ("a", "b", "c"))
    given, explored = explore(0.1, "v1", said, [f"r{i}" for i in range(40_000)])
    assert abs(explored.rows.mean() - 0.1) < 0.005
    drawn = given.values[explored.rows]
    assert all(abs(np.mean(drawn == name) - 1 / 3) < 0.03 for name in "abc")
    assert (given.values[~explored.rows] == "a").all()
    assert given.probabilities is said.probabilities


def test_the_propensity_is_that_of_the_answer_given():
    """A class that the version would not answer has its share of what is drawn, its own all the rest; weighted by the
    inverse, answers that were never the version's own stand for all rows."""
    given, explored = explore(0.2, "v1", answers(50_000), None)
    other = given.values == "yes"
    assert np.allclose(explored.propensity[other], 0.1)
    assert np.allclose(explored.propensity[~other], 0.9)
    assert abs(np.sum(1 / explored.propensity[other]) / 50_000 - 1) < 0.05


def test_an_id_gets_the_same_answer_until_another_version_answers():
    """A client that asks again draws no other lot; rows without an id are drawn each time."""
    ids = [f"r{i}" for i in range(5_000)]
    first, again, later = (explore(0.3, by, answers(5_000), ids)[0].values for by in ("v1", "v1", "v2"))
    assert (first == again).all()
    assert abs(np.mean((first == "yes") & (later == "yes")) - 0.15**2) < 0.01
    nameless = [explore(0.3, "v1", answers(5_000), [None] * 5_000)[0].values for _ in range(2)]
    assert (nameless[0] != nameless[1]).any()


def test_nothing_is_drawn_of_numbers_or_without_a_share():
    """A regression, or a share of 0: the answers are as they were."""
    numbers = Predictions(np.array([1.0, 2.0]))
    assert explore(0.5, "v1", numbers, None) == (numbers, None)
    said = answers(3)
    assert explore(0.0, "v1", said, None) == (said, None)


@pytest.fixture
def asked(tmp_path):
    """Asks a server process whose model answers "no", and explores half of it."""
    config = tmp_path / "config.toml"
    config.write_text(
        '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\nid_column = "id"\n'
        "[models.m.serving]\nexplore = 0.5\n"
    )
    loaded = load_config(config)
    columns = (Column("id", "category"), Column("x", "number"), Column("y", "category"))
    served = SimpleNamespace(
        name="v1", schema=Schema(columns, "classification", "y", id_column="id"), deployment=SimpleNamespace(model="m"),
        predict=lambda rows: answers(len(rows)), rows_for=lambda _, rows: rows, runs_own_code=False,
    )  # fmt: skip
    app = App(loaded, {"m": ModelSlot("m", served)}, "1", Tokens((), ()), Origins((), loopback=True))

    def ask(path: str, body: object) -> dict[str, Any]:
        said: list[dict[str, Any]] = []
        scope = {"path": path, "method": "POST", "headers": [(b"host", b"localhost")], "client": ("a", 1)}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        asyncio.run(app(scope, receive, send))
        assert said[0]["status"] == 200, said[1]["body"]
        answer: dict[str, Any] = json.loads(said[1]["body"])
        return answer

    yield ask
    app.logs["m"].close()
    app.pools.close()


def test_every_protocol_marks_the_rows_whose_class_was_drawn(asked):
    """`explored` says whether there are any, `explored_rows` which; all three give an id the same answer. Another class
    than the model's only where it was drawn."""
    rows = [{"id": f"r{i}", "x": 1.0} for i in range(40)]
    plain = asked("/models/m/predict", {"rows": rows})
    columns = [("id", "BYTES", [row["id"] for row in rows]), ("x", "FP64", [1.0] * 40)]
    inputs = [{"name": name, "datatype": kind, "shape": [40], "data": data} for name, kind, data in columns]
    tensors = asked("/v2/models/m/infer", {"inputs": inputs})
    mlflow = asked("/models/m/invocations", {"dataframe_records": rows})
    assert plain["explored"] is True
    assert 10 < len(plain["explored_rows"]) < 30
    changed = {place for place, value in enumerate(plain["predictions"]) if value == "yes"}
    assert changed and changed < set(plain["explored_rows"])
    assert plain["probabilities"][0] == {"no": 1.0, "yes": 0.0}
    assert tensors["parameters"]["explored"] is True
    assert tensors["parameters"]["explored_rows"] == ",".join(map(str, plain["explored_rows"]))
    assert mlflow["explored_rows"] == plain["explored_rows"]
    assert mlflow["predictions"] == tensors["outputs"][0]["data"] == plain["predictions"]


def test_an_answer_without_a_drawn_class_says_so(asked):
    """`explored` is false, and no rows are listed."""
    singles = [asked("/models/m/predict", {"rows": [{"x": 1.0}], "ids": [f"r{i}"]}) for i in range(12)]
    assert {one["explored"] for one in singles} == {True, False}
    assert all(("explored_rows" in one) == one["explored"] for one in singles)
