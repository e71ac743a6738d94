"""Importance as a share of a check's budget: in proportion, with a floor."""

import pytest

from retrain.monitoring.importance import EQUAL_SHARE, importance_weights


def test_weights_follow_importance_and_leave_no_column_blind() -> None:
    """They sum to 1; a column of no, negative or unknown importance keeps half of its equal share."""
    weights = importance_weights({"x": 0.3, "y": 0.1, "z": -1.0}, ["x", "y", "z", "new", "old"])
    assert weights is not None and sum(weights.values()) == pytest.approx(1)
    assert weights["z"] == weights["new"] == weights["old"] == EQUAL_SHARE / 5
    assert weights["x"] - weights["z"] == pytest.approx(3 * (weights["y"] - weights["z"]))


def test_without_importance_there_are_no_weights() -> None:
    """A model that relies on nothing, or was never asked, shares equally."""
    assert importance_weights({"x": 0.0, "y": -0.1}, ["x", "y"]) is None
    assert importance_weights({}, ["x"]) is None
