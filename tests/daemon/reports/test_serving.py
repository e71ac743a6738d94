"""What `driftd status` says of servers that serve something else than the champion, and of an analyst that is slow."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bare_model import bare_model

from daemon.ledger import cycles
from daemon.reports.serving import analyst_sentence, served_now, serving_sentences
from daemon.reports.status import overview
from retrain.records.cycle import CycleState
from retrain.records.trigger import Trigger

GOOD = {"version": "v2", "promotion": 5, "reason": ""}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([GOOD, GOOD], []),
        (
            [GOOD, GOOD | {"version": "v1", "promotion": 4}],
            [(False, "1 of 2 servers still serves v1 and is loading it")],
        ),
        ([None, None], [(False, "2 of 2 servers are loading it")]),
        (
            [GOOD | {"version": "v1", "promotion": 0, "reason": "damaged"}] * 2,
            [(True, "v1 stands in for it in 2 of 2 servers: damaged")],
        ),
        (
            [GOOD, {"version": None, "promotion": 0, "reason": "damaged"}],
            [(True, "1 of 2 servers cannot serve it: damaged")],
        ),
    ],
)
def test_what_is_promoted_and_not_served_is_told(said: list[Any], told: list[tuple[bool, str]]) -> None:
    """By how many servers, and why."""
    servers = [{"pid": n, "models": {} if one is None else {"m": one}} for n, one in enumerate(said)]
    champion: Any = SimpleNamespace(promotion=5)
    assert serving_sentences(served_now({"servers": servers}, "m", champion)) == told


def test_files_that_wait_for_the_analyst_are_told() -> None:
    """Whether it works, or stands still."""
    busy = {"work": "take", "since": 100.0, "heard": 215.0}
    assert analyst_sentence(None, 220.0) == ""
    assert "at one take for 2.0 min" in analyst_sentence(busy, 220.0)
    assert "no sign of life for 105 s" in analyst_sentence(busy | {"heard": 115.0}, 220.0)


def test_why_the_newest_cycle_failed_is_told(tmp_path: Path) -> None:
    """Until another one is opened."""
    with bare_model(tmp_path) as context:
        ledger = context.shared.ledger
        told = lambda: overview(context.shared.config, ledger)["models"]["m"]["failed_cycle"]  # noqa: E731
        with ledger.begin() as conn:
            cycle = cycles.open_cycle(conn, "m", Trigger("manual", ""), 1, 1, 0.0)
        assert told() is None
        with ledger.begin() as conn:
            cycles.save(conn, replace(cycle, state=CycleState.FAILED, reason="raise it"), 7.0)
        assert told() == {"id": cycle.id, "at": 7.0, "reason": "raise it"}
        with ledger.begin() as conn:
            cycles.open_cycle(conn, "m", Trigger("manual", ""), 1, 1, 0.0)
        assert told() is None
