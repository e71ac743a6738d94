"""Explanations over HTTP: of the deployment that answered, in the columns' own names, and never at others' cost."""

import asyncio
import json
import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import local_http
import numpy as np
import pytest
from daemon_harness import Daemon, rows
from helpers import PATIENCE_S
from learning import fast, published
from learning import rows as learned_rows

from daemon.config.config import load_config
from daemon.server.app import App
from daemon.server.explaining import as_json
from daemon.server.origins import Origins
from daemon.server.served import load_served
from daemon.server.slot import ModelSlot
from daemon.server.tokens import Tokens
from daemon.server.trial import RunningTrial
from retrain.model.explaining.contributions import Contributions, Scale
from retrain.records.deployment import Deployment
from retrain.records.trial import Trial, TrialCounts
from retrain.store.background import background_rows

pytestmark = pytest.mark.xdist_group("http")
GOOD = {"x": 0.3, "z": -1.0, "colour": "red"}
PRICE = {"size": 80.0, "rooms": 3, "garden": True, "built": "2001-05-01", "city": "graz"}


def post(daemon: Daemon, path: str, body: object) -> httpx.Response:
    """A request with a JSON body."""
    return local_http.post(daemon.url + path, json=body)


# --- a real service -----------------------------------------------------------------------------------------------


def test_contributions_and_base_add_up_to_what_is_answered(daemon):
    """Log-odds of the second class, by the columns as they were sent, of the version that answered; other keys are as
    without, and a missing value has a contribution, too."""
    asked = {"rows": [GOOD, {"x": -3.0}, {"x": 1.0, "colour": "mauve"}], "ids": ["a", "b", 7]}
    plain, body = (post(daemon, "/models/m/predict", asked | more).json() for more in ({}, {"explain": True}))
    told = body.pop("explanation")
    assert body == plain and told["version"] == body["version"]
    assert (told["method"], told["scale"], told["class"]) == ("TreeSHAP", "log-odds of 'yes'", "yes")
    for row, sums, said in zip(told["contributions"], told["explained"], body["probabilities"], strict=True):
        assert list(row) == ["x", "z", "colour"]
        assert told["base"] + sum(row.values()) == pytest.approx(sums, abs=1e-9)
        assert 1 / (1 + math.exp(-sums)) == pytest.approx(said["yes"], abs=1e-12)


def test_a_regression_is_explained_in_its_own_unit(daemon):
    """Dates and booleans among the columns; there is no class."""
    body = post(daemon, "/models/price/predict", {"rows": [PRICE], "explain": True}).json()
    told = body["explanation"]
    assert told["scale"] == "the prediction" and "class" not in told and list(told["contributions"][0]) == list(PRICE)
    assert told["base"] + sum(told["contributions"][0].values()) == pytest.approx(body["predictions"][0], abs=1e-9)


def test_many_rows_are_explained_as_one_is(daemon):
    """A request that is read, predicted and explained beside the event loop."""
    asked = rows(5, 4_000).drop_columns(["label"]).to_pylist()
    together = post(daemon, "/models/m/predict", {"rows": asked, "explain": True}).json()["explanation"]
    alone = post(daemon, "/models/m/predict", {"rows": asked[-1:], "explain": True}).json()["explanation"]
    assert len(together["contributions"]) == 4_000
    assert together["contributions"][-1] == pytest.approx(alone["contributions"][0], abs=1e-12)


def test_the_inference_protocol_has_them_as_outputs(daemon):
    """By the parameter `explain`: tensors in the order of the columns that the answer's parameter names."""
    inputs = [
        {"name": "x", "datatype": "FP64", "shape": [2], "data": [0.3, -3.0]},
        {"name": "z", "datatype": "FP64", "shape": [2], "data": [-1.0, None]},
        {"name": "colour", "datatype": "BYTES", "shape": [2], "data": ["red", None]},
    ]
    plain = post(daemon, "/models/m/predict", {"rows": [GOOD, {"x": -3.0}], "explain": True}).json()["explanation"]
    ask = lambda **more: post(daemon, "/v2/models/m/infer", {"inputs": inputs, **more})  # noqa: E731
    body = ask(parameters={"explain": True}).json()
    outputs = {one["name"]: one for one in body["outputs"]}
    told = json.loads(body["parameters"]["explanation"])
    assert list(outputs) == ["prediction", "probabilities", "contributions", "contributions_base"]
    assert outputs["contributions"]["shape"] == [2, 3] and told["columns"] == ["x", "z", "colour"]
    assert outputs["contributions"]["data"] == pytest.approx(
        [v for row in plain["contributions"] for v in row.values()]
    )
    assert outputs["contributions_base"]["data"] == [plain["base"]]
    assert {key: told[key] for key in ("version", "method", "scale", "class")} == {
        key: plain[key] for key in ("version", "method", "scale", "class")
    }
    assert [one["name"] for one in ask().json()["outputs"]] == ["prediction", "probabilities"]
    chosen = ask(parameters={"explain": True}, outputs=[{"name": "contributions"}]).json()["outputs"]
    assert [one["name"] for one in chosen] == ["contributions"]
    refused = ask(parameters={"explain": "yes"})
    assert refused.status_code == 400 and "expected true or false" in refused.json()["error"]


@pytest.mark.parametrize("value", [1, "true", None, [], {}])
def test_explain_is_true_or_false(daemon, value):
    """Anything else is a mistake that is named."""
    answer = post(daemon, "/models/m/predict", {"rows": [GOOD], "explain": value})
    assert answer.status_code == 400 and "expected true or false" in answer.json()["error"]
    assert "explanation" not in post(daemon, "/models/m/predict", {"rows": [GOOD], "explain": False}).json()


# --- one server process, in this one ------------------------------------------------------------------------------


Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
ASKED = [{name: value for name, value in row.items() if name in ("x", "b", "c")} for row in learned_rows(3, seed=4)]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two served versions of trees, and one of a forest."""
    folder = tmp_path_factory.mktemp("explained")
    forest = fast("sklearn.ensemble.RandomForestClassifier", n_estimators=5, max_depth=4)
    made = {}
    for number, (name, estimator) in enumerate({"first": fast(), "second": fast(max_iter=3), "forest": forest}.items()):
        path: Path = published(folder / name, estimator=estimator)
        made[name] = load_served(Deployment.of(number, "m", {path.name: 1.0}), number, path.parent)
    return made


@pytest.fixture
def app(tmp_path: Path, versions: dict[str, Any]) -> Iterator[App]:
    """A server process with the first version, without sockets."""
    config = tmp_path / "config.toml"
    config.write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    loaded = load_config(config)
    made = App(loaded, {"m": ModelSlot("m", versions["first"])}, "1", Tokens((), ()), Origins((), loopback=True))
    yield made
    made.logs["m"].close()
    made.pools.close()


async def ask(app: App, body: object, path: str = "/models/m/predict") -> tuple[int, dict[str, Any]]:
    """Status and answer."""
    said: list[dict[str, Any]] = []
    scope = {"path": path, "method": "POST", "headers": [(b"host", b"localhost")], "client": ("a", 1)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said[0]["status"], json.loads(said[1]["body"])


def predict(app: App, **more: object) -> tuple[int, dict[str, Any]]:
    """An answer with its explanation."""
    return asyncio.run(ask(app, {"rows": ASKED, "explain": True, **more}))


def test_a_swap_changes_the_explanation_with_the_answer(app, versions):
    """Each names the version that predicted, also after going back to one that was explained before."""
    seen = []
    for name in ("first", "second", "first"):
        app._slots["m"].served = replace(versions[name], promotion=len(seen) + 10)
        status, body = predict(app)
        assert status == 200 and body["version"] == body["explanation"]["version"] == versions[name].name
        seen.append(body["explanation"])
    assert seen[0] == seen[2] != seen[1]


def test_a_challenger_that_answers_is_the_one_explained(app, versions):
    """A canary's share: answer and explanation are both the challenger's. In shadow both are the champion's, and the
    challenger is counted as without an explanation."""
    for strategy, by in (("canary", "second"), ("shadow", "first")):
        trial = Trial(1, 1, versions["second"].deployment, strategy, 1.0, 0.0, 1.0, 1.0, 1, 5)
        app._slots["m"].trial = RunningTrial(trial, versions["second"])
        status, body = predict(app)
        assert status == 200 and body["version"] == body["explanation"]["version"] == versions[by].name
        app._slots["m"].trial.close()


def test_a_canary_asks_whether_either_can_be_explained(app, versions, monkeypatch):
    """Before one of the two answers, is logged and counted, whoever it will be; in shadow only the champion answers."""
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_EVALUATIONS", 10)
    app._slots["m"].served = versions["first"]
    forest = replace(versions["forest"], loaded=replace(versions["forest"].loaded))
    noted = _notes(app)
    for share in (0.0, 1.0):
        trial = Trial(1, 1, forest.deployment, "canary", share, 0.0, 1.0, 1.0, 1, 5)
        app._slots["m"].trial = running = RunningTrial(trial, forest)
        status, body = predict(app)
        assert status == 409 and f"{forest.name} cannot be explained" in body["error"]
        assert not noted and running.take() == TrialCounts()
        running.close()
    app._slots["m"].trial = running = RunningTrial(replace(trial, strategy="shadow"), forest)
    assert predict(app)[0] == 200
    running.close()


def test_a_sampled_explanation_says_how_sure_it_is(app, versions):
    """Standard errors by row and column, and by how many permutations."""
    app._slots["m"].served = versions["forest"]
    _, body = predict(app)
    told = body["explanation"]
    assert told["method"] == "sampled permutations" and told["permutations"] == 80
    assert told["background"] == "20 held-out rows"
    assert [list(row) for row in told["standard_errors"]] == [["x", "n", "b", "c", "t"]] * 3
    assert told["explained"] == pytest.approx([row["yes"] for row in body["probabilities"]])


def test_too_many_rows_are_refused_before_anything_is_predicted(app, versions, monkeypatch):
    """413 says how many may be explained and why; nothing is logged of it, and without an explanation they are
    answered."""
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_NUMBERS", 10)
    app._slots["m"].served = replace(versions["first"], loaded=replace(versions["first"].loaded))
    noted = _notes(app)
    status, body = predict(app)
    assert status == 413
    assert body["error"] == (
        '"explain" for 3 rows: at most 2 rows of '
        f"{versions['first'].name} (5 contributions a row, 10 an answer); send fewer, or leave "
        '"explain" out'
    )
    assert not noted and predict(app, explain=False)[0] == 200 and len(noted) == 1


def test_a_model_that_cannot_be_explained_says_so(app, versions, monkeypatch):
    """409, with the reason, before it predicts."""
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_LEAVES", 3)
    app._slots["m"].served = replace(versions["first"], loaded=replace(versions["first"].loaded))
    noted = _notes(app)
    status, body = predict(app)
    assert status == 409 and "cannot be explained: its trees have" in body["error"] and not noted


def test_a_model_that_cannot_be_explained_is_looked_at_once(app, versions, monkeypatch):
    """Its refusal is kept with it, so that who asks again keeps no others waiting."""
    looked: list[str] = []
    monkeypatch.setattr("retrain.model.explaining.explainer.MOST_EVALUATIONS", 10)
    monkeypatch.setattr(
        "retrain.store.background.background_rows", lambda one: looked.append(one.name) or background_rows(one)
    )
    app._slots["m"].served = replace(versions["forest"], loaded=replace(versions["forest"].loaded))
    answers = [predict(app) for _ in range(3)]
    assert {status for status, _ in answers} == {409} and answers[0] == answers[2]
    assert looked == [versions["forest"].name]


def _notes(app: App) -> list[Any]:
    """What the prediction log is told from now on."""
    noted: list[Any] = []
    app.logs["m"].record = lambda *given, **_: noted.append(given)
    return noted


def test_predictions_do_not_wait_for_explanations(app, monkeypatch):
    """While one explanation stands still and as many wait as may: predictions are answered, large ones in turns that no
    explanation keeps; a further explanation is refused at once, before it is predicted."""
    going_on = threading.Event()
    monkeypatch.setattr("daemon.server.explaining.as_json", None)  # what it writes with is the app's own
    monkeypatch.setattr("daemon.server.app.as_json", lambda *given: going_on.wait(PATIENCE_S) and as_json(*given))
    many = [{"x": float(n)} for n in range(5_000)]

    noted = _notes(app)

    async def story() -> None:
        large = [asyncio.create_task(ask(app, {"rows": many, "explain": True})) for _ in range(3)]
        small = [asyncio.create_task(ask(app, {"rows": ASKED, "explain": True})) for _ in range(13)]
        while len(noted) < 16:
            await asyncio.sleep(0.01)
        for body in ({"rows": ASKED}, {"rows": many}):
            assert (await ask(app, body))[0] == 200
        status, body = await ask(app, {"rows": ASKED, "explain": True})
        assert (status, body["error"]) == (503, "too much waits for explaining predictions") and len(noted) == 18
        going_on.set()
        answered = await asyncio.gather(*large, *small)
        assert {status for status, _ in answered} == {200}

    try:
        asyncio.run(story())
    finally:
        going_on.set()


def test_of_many_at_once_only_those_that_are_explained_are_predicted(app):
    """The others are refused before: a client that asks again is logged and counted once. Whatever became of a request,
    its place is free again."""
    noted = _notes(app)

    async def at_once() -> list[int]:
        asked = (ask(app, {"rows": ASKED, "explain": True}) for _ in range(60))
        return sorted(status for status, _ in await asyncio.gather(*asked))

    assert asyncio.run(at_once()) == 16 * [200] + 44 * [503] and len(noted) == 16
    app._batcher.predict = None  # the server's fault
    assert predict(app)[0] == 500 and app.pools.explaining.given == 0


def test_an_explanation_that_nobody_waits_for_ends(app, monkeypatch):
    """Its thread works no longer than the request waits."""
    monkeypatch.setattr("daemon.server.explaining.EXPLAIN_S", 0.0)
    status, body = predict(app)
    assert status == 503 and "did not end within 0 s; send fewer rows" in body["error"]


def test_names_and_numbers_are_written_row_by_row(monkeypatch):
    """Several classes: each has its columns, whatever they are called; slices of any size make the same JSON."""
    columns, values = ('a"\u2028', "<b>"), np.arange(24.0).reshape(4, 2, 3)
    found = Contributions("TreeSHAP", Scale("scores", ("x", "y", "z")), columns, np.zeros(3), values)
    served = SimpleNamespace(name="v1", deployment=Deployment.of(1, "m", {"v1": 1.0}))
    whole = json.loads(as_json(served, found))
    monkeypatch.setattr("daemon.server.explaining.SLICE_NUMBERS", 1)
    assert json.loads(as_json(served, found)) == whole
    assert whole["contributions"][1] == {name: {'a"\u2028': 6.0 + k, "<b>": 9.0 + k} for k, name in enumerate("xyz")}
    assert whole["explained"][1] == {"x": 15.0, "y": 17.0, "z": 19.0} and whole["base"] == {
        "x": 0.0,
        "y": 0.0,
        "z": 0.0,
    }
