"""What control asks the evaluate stage, from the ledger."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bare_model import BINARY, bare_model

from daemon.cycles.stages import stage_request
from daemon.ledger import cycles, deployments, forecasts, promotions
from daemon.runtime.context import ModelContext
from retrain.operations import EvaluateRequest
from retrain.planning.forecast import forecast
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.schema import declared_schema
from retrain.records.trigger import Trigger

CONFIG = f"""{BINARY}[models.m.columns]
x = "number"
y = "category"
"""
CHAMPION = "v0001-00000001"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model without a service around it."""
    with bare_model(tmp_path, CONFIG) as made:
        yield made


def finished(context: ModelContext, surprise: float | None = None) -> Cycle:
    """A cycle whose challenger was kept; what it came to is known where a surprise is."""
    with context.shared.ledger.begin() as conn:
        cycle = replace(cycles.open_cycle(conn, "m", Trigger("regret", "why"), 2, 0, 0.0), stage=Stage.EVALUATE)
        found = {"forecast": forecast(0.01, 0.01, 100, 1000, "regret").to_json()}
        cycles.stage_finished(conn, cycles.stage_started(conn, cycle, 0.0), Outcome("ok", found), 0.0)
        cycles.save(conn, replace(cycle, state=CycleState.KEPT), 1.0)
        if surprise is not None:
            forecasts.record(conn, [{"cycle": cycle.id, "difference": 0.02, "rows": 9, "surprise": surprise}])
    return cycle


def asked(context: ModelContext, trigger: str) -> EvaluateRequest:
    """The request of a cycle that was opened for this, at its evaluate stage."""
    with context.shared.ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger(trigger, "why"), 3, 0, 0.0)
        prepared = Outcome("ok", {"train": "train.parquet", "holdout": "holdout.parquet"})
        cycles.stage_finished(conn, cycles.stage_started(conn, cycle, 0.0), prepared, 0.0)
        told = stage_request(context, conn, replace(cycle, stage=Stage.EVALUATE), declared_schema(context.settings))
        cycles.save(conn, replace(cycle, state=CycleState.FAILED), 1.0)
    assert isinstance(told, EvaluateRequest)
    return told


def test_the_gate_is_told_why_the_cycle_was_opened_and_what_earlier_forecasts_came_to(context: ModelContext) -> None:
    """The surprises of cycles whose difference is known, oldest first, with their intervals, and why this one opened."""
    known = [finished(context, surprise) for surprise in (-0.5, 1.5)]
    finished(context)
    told = asked(context, "growth")
    assert (told.trigger, told.past) == ("growth", [-0.5, 1.5])
    assert [one["cycle"] for one in told.earlier] == [cycle.id for cycle in known]
    assert told.earlier[0]["realised"] == 0.02 and told.earlier[0]["low"] < told.earlier[0]["high"]


def test_the_gate_is_told_of_tries_before_a_first_model_and_of_a_damaged_champion_after_it(
    context: ModelContext,
) -> None:
    """Tries at a first model count as long as there is none; a champion whose files are gone is one: what replaces it
    is no first model."""
    finished(context)
    told = asked(context, "first_model")
    assert (told.tries, told.champion) == (1, None)
    with context.shared.ledger.begin() as conn:
        promotions.record(conn, "m", deployments.for_version(conn, "m", CHAMPION, 0.0), "promote", "why", 0.0)
    told = asked(context, "manual")
    assert told.champion is not None and (told.tries, told.champion.newest) == (0, CHAMPION)
