"""Tests that share a service run in one worker, and the others in any."""

import pytest


@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("given", ["x", "a@b"])
def test_a_worker_knows_the_group_of_a_test(request: pytest.FixtureRequest, given: str) -> None:
    """By the end of its name, as tests are handed out: each worker would begin a service for its share of a group."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("there are no workers that groups are handed out to")
    assert request.node.nodeid.endswith(f"[{given}]@a group")
