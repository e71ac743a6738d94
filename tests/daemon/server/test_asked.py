"""What is asked of a recommender: mistakes are named, and nothing that was not understood is answered."""

import json

import pytest

from daemon.server.recommendation.asked import read_recommend, read_user
from daemon.server.recommendation.feedback import read_events
from daemon.server.recommendation.protocols import UserReader
from daemon.server.refusal import BadRequest
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings

NAMED = {"data_dir": "d", "task": "recommendation", "user_column": "who", "item_column": "what", "time_column": "at"}
SCHEMA = Schema(
    (Column("who", "category"), Column("what", "category"), Column("at", "datetime")), "recommendation", "what", "at"
)


@pytest.mark.parametrize(
    "body, told",
    [
        ({"history": None}, '"history" is null'),
        ({"users": None}, '"users" is empty'),
        ({"users": [9 * 10**400]}, "more than 64 bits"),
        ({"users": ["u"] * 1001}, '"users" has 1,001 entries; at most 1,000'),
        ({"users": ["u"], "k": 0}, '"k" is 0'),
        ({"users": ["u"], "k": True}, '"k" is true'),
    ],
)
def test_a_body_at_fault_is_named(body: dict, told: str) -> None:
    """With what was expected instead."""
    with pytest.raises(BadRequest, match=told):
        read_recommend(body)


@pytest.mark.parametrize("query", ["k=", "k=0", "k=%C2%B2", "k=x", "explain=yes", "explain=", "top=3"])
def test_an_address_at_fault_is_refused(query: str) -> None:
    """A parameter that cannot be read is no default."""
    with pytest.raises(BadRequest):
        read_user("u1", query)


def test_an_address_for_one_person() -> None:
    """As a body for that person would ask."""
    assert read_user("a/b", "k=3&explain=true") == read_recommend({"users": ["a/b"], "k": 3, "explain": True})
    assert read_user("u1", "") == read_recommend({"users": ["u1"]})


def test_a_value_that_no_number_holds_is_refused() -> None:
    """As infinity is: 400, and no failure of the server."""
    settings = ModelSettings.model_validate(NAMED | {"value_column": "v", "positive": 4})
    for value in (10**400, float("inf"), float("nan")):
        with pytest.raises(BadRequest, match="expected a finite number"):
            read_events({"events": [{"user": "u", "item": "i", "value": value}]}, settings, (), 0)
    body = json.loads('{"events": [{"user": "u", "item": "i", "value": 1e308}]}')
    assert read_events(body, settings, (), 0)[0].value == 1e308


def test_nobody_is_asked_for() -> None:
    """No people are a mistake; too many are too large."""
    reader = UserReader(SCHEMA, "who")
    for names, status in (([], 400), (["u"] * 1001, 413)):
        with pytest.raises(BadRequest, match="people; expected 1 to 1,000") as found:
            reader.read_columns({"who": names}, len(names))
        assert found.value.status == status
