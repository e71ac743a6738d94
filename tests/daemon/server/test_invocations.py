"""MLflow's scoring protocol: the bodies that MLflow's own client writes, and its errors."""

import json

import httpx
import local_http
import pytest

pytestmark = pytest.mark.xdist_group("http")
ROWS = [{"x": 0.3, "z": -1.0, "colour": "red"}, {"x": -3.0, "z": None, "colour": "green"}]
LISTS = [[row["x"], row["z"], row["colour"]] for row in ROWS]
NAMES = ["x", "z", "colour"]


def invoke(daemon, body: object, model: str = "m", kind: str | None = "application/json") -> httpx.Response:
    """As `mlflow.pyfunc.scoring_server.client` posts."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if kind is None else {"content-type": kind}
    return local_http.post(f"{daemon.url}/models/{model}/invocations", content=content, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": LISTS}},
        {"dataframe_split": {"index": [0, 1], "columns": NAMES[::-1], "data": [row[::-1] for row in LISTS]}},
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"instances": LISTS},
        {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
        {"inputs": {name: [[row[name]] for row in ROWS] for name in NAMES}},
        {"inputs": LISTS, "params": None},
    ],
)
def test_each_form_gives_the_plain_answers(daemon, body):
    """Whatever the form of the rows."""
    plain = local_http.post(f"{daemon.url}/models/m/predict", json={"rows": ROWS}).json()
    answer = invoke(daemon, body, kind="application/json; charset=utf-8")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": plain["predictions"], "model": "m", "version": plain["version"]}


def test_a_missing_content_type_is_taken_for_json(daemon):
    """Clients leave it out."""
    assert invoke(daemon, {"instances": ROWS}, kind=None).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "told"),
    [
        (b"x,z\n1,2\n", "text/csv", 415, "expected application/json"),
        ({}, "application/json", 400, "exactly one of"),
        ({"instances": ROWS, "inputs": LISTS}, "application/json", 400, "exactly one of"),
        ({"dataframe": {}}, "application/json", 400, "exactly one of"),
        ({"dataframe_split": {"columns": NAMES}}, "application/json", 400, '"columns" and "data"'),
        ({"dataframe_split": {"columns": ["x", "x"], "data": [[1, 2]]}}, "application/json", 400, "twice"),
        ({"dataframe_split": {"columns": NAMES, "data": [[1]]}}, "application/json", 400, "row 0 of 'data' has 1 value"),
        ({"dataframe_split": {"columns": ["x", "q"], "data": [[1, 2]]}}, "application/json", 400, "unknown column 'q'"),
        ({"dataframe_split": {"columns": NAMES, "data": []}}, "application/json", 400, "no rows"),
        ({"instances": []}, "application/json", 400, "empty"),
        ({"instances": [[1, 2, {}]]}, "application/json", 400, "row 0, column 'colour'"),
        ({"instances": [["a", 2, "red"]]}, "application/json", 400, "row 0, column 'x'"),
        ({"inputs": {"x": [1], "z": [1, 2]}}, "application/json", 400, "one length"),
        ({"dataframe_records": [{"x": 1}, 2]}, "application/json", 400, "row 1"),
        (b"{", "application/json", 400, "not valid JSON"),
    ],
)  # fmt: skip
def test_mistakes_have_mlflows_shape(daemon, body, kind, status, told):
    """`error_code` and `message`."""
    answer = invoke(daemon, body, kind=kind)
    assert answer.status_code == status and told in answer.json()["message"], answer.text
    assert answer.json()["error_code"] == "BAD_REQUEST"


def test_ping_health_and_version(daemon):
    """What MLflow's clients ask before they score."""
    for what, status in (("ping", 200), ("health", 200), ("version", 200)):
        assert local_http.get(f"{daemon.url}/models/m/{what}").status_code == status
    assert local_http.get(f"{daemon.url}/models/empty/ping").status_code == 503
