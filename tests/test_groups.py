"""Tests that share a service run in one worker, the others in any, and all workers know them by the same names."""

import os

import pytest


@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("given", ["x", "a@b"])
def test_a_worker_knows_the_group_of_a_test(request: pytest.FixtureRequest, given: str) -> None:
    """By the end of its name, as tests are handed out: each worker would begin a service for its share of a group."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("there are no workers that groups are handed out to")
    assert request.node.nodeid.endswith(f"[{given}]@a group")


@pytest.mark.parametrize("given", [os.urandom(8)])
def test_the_name_of_a_test_has_no_bytes(request: pytest.FixtureRequest, given: bytes) -> None:
    """Each worker makes its own, as gzip with the time in it: workers whose tests differ in name run none."""
    assert "[given]" in request.node.nodeid
