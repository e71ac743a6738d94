"""What stands beside a version's files in MLflow, and its parameters."""

import json

from daemon.registry.flavor import parameters


def test_a_version_that_was_not_trained_here_has_no_parameters(tmp_path):
    """Of an adopted model, say, nobody wrote how it was trained: it is registered all the same."""
    assert parameters(tmp_path) == {}
    (tmp_path / "training.json").write_text(json.dumps({"seed": 7, "params": {"depth": 3}, "window": None}))
    assert parameters(tmp_path) == {"seed": "7", "estimator.depth": "3"}
