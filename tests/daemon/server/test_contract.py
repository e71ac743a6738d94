"""What the schema declares is held where the contract is strict, and every refusal names row and field."""

import json

import httpx
import local_http
import pytest

pytestmark = pytest.mark.xdist_group("http")
GOOD = {"size": 80.0, "rooms": 3, "garden": True, "built": "2001-05-01", "city": "graz"}


def ask(daemon, rows: list) -> httpx.Response:
    """A request to the model with a strict contract."""
    return local_http.post(f"{daemon.url}/models/price/predict", content=json.dumps({"rows": rows}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"rooms": 3.0},
        {"garden": 1},
        {"built": 988675200},
        {"rooms": None, "garden": None, "city": None},
        {"size": 0},
    ],
)
def test_valid_rows_are_answered(daemon, change):
    """In all the ways in which JSON can say the same."""
    answer = ask(daemon, [GOOD, {**GOOD, **change}])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": -1}, "row 1, column 'size': -1; expected 0 to 1000"),
        ({"size": 1000.5}, "row 1, column 'size': 1000.5; expected 0 to 1000"),
        ({"size": None}, "row 1, column 'size': missing; expected 0 to 1000"),
        ({"size": float("nan")}, "row 1, column 'size': missing"),
        ({"size": float("inf")}, "row 1, column 'size': missing"),
        ({"built": 1704067200000}, "row 1, column 'built': 1704067200000; expected an ISO 8601 time"),
        ({"built": "0001-01-01T00:00:00+14:00"}, "row 1, column 'built'"),
        ({"size": "80"}, "row 1, column 'size': \"80\"; expected a number"),
        ({"size": True}, "row 1, column 'size': true; expected a number"),
        ({"size": [80]}, "row 1, column 'size': expected a single value"),
        ({"rooms": 2.5}, "row 1, column 'rooms': 2.5; expected a whole number"),
        ({"rooms": 10}, "row 1, column 'rooms': 10; expected 1 to 9"),
        ({"garden": 2}, "row 1, column 'garden': 2; expected true or false"),
        ({"garden": "yes"}, "row 1, column 'garden'"),
        ({"built": "yesterday"}, "row 1, column 'built': \"yesterday\"; expected an ISO 8601 time"),
        ({"city": "wien"}, "row 1, column 'city': \"wien\"; expected one of graz, linz"),
        ({"citty": "graz"}, "row 1: unknown column 'citty'; did you mean 'city'?"),
    ],
)
def test_each_refusal_names_row_and_field(daemon, change, told):
    """And what was expected there."""
    answer = ask(daemon, [GOOD, {**GOOD, **change}])
    assert answer.status_code == 400 and told in answer.json()["error"], answer.text


def test_an_absent_column_is_refused(daemon):
    """In one row, and in all."""
    lacking = {key: value for key, value in GOOD.items() if key != "city"}
    assert "row 1, column 'city': missing" in ask(daemon, [GOOD, lacking]).json()["error"]
    assert "row 0, column 'city': missing" in ask(daemon, [lacking]).json()["error"]


def test_other_interfaces_hold_it_too(daemon):
    """The same contract by tensors and by MLflow's forms."""
    bad = {**GOOD, "city": "wien"}
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [bad[name]]}
        for name, kind in (
            ("size", "FP64"),
            ("rooms", "INT64"),
            ("garden", "BOOL"),
            ("built", "BYTES"),
            ("city", "BYTES"),
        )
    ]
    v2 = local_http.post(f"{daemon.url}/v2/models/price/infer", json={"inputs": tensors})
    mlflow = local_http.post(f"{daemon.url}/models/price/invocations", json={"dataframe_records": [bad]})
    for answer in (v2, mlflow):
        assert answer.status_code == 400 and "row 0, column 'city': \"wien\"" in answer.json()["error"]
