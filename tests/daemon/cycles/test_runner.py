"""Intents before acts: what the runner commits, and when."""

import asyncio
import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from bare_model import bare_model
from helpers import PATIENCE_S
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from daemon.cycles.runner import CycleRunner, _with_verdict
from daemon.ledger import cycles, due, models, tables
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import Worker, WorkerError
from retrain import durable
from retrain.operations import StageRequest
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.planner_state import PlannerState
from retrain.records.trigger import Trigger

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
[models.m.columns]
x = "number"
y = "category"
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model without a service around it."""
    with bare_model(tmp_path, CONFIG) as made:
        yield made


def runner(context: ModelContext) -> CycleRunner:
    """Of a model with nothing left to take in."""
    return CycleRunner(context, lambda: 0, lambda: None)


def test_a_stage_is_committed_as_begun_before_its_worker_is_asked(context: ModelContext) -> None:
    """Who is killed while the trainer works finds in the ledger what was under way; its end is committed after it."""
    ledger, during = context.shared.ledger, []
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 0, 0.0)

    def states() -> list[tuple[str, str]]:
        with ledger.connect() as conn:
            return [(row.stage, row.state) for row in cycles.stages_of(conn, cycle.id)]

    class Trainer:
        async def call(self, request: StageRequest, _timeout_s: float, _limit: str = "") -> Any:
            during.append((type(request).__name__, states()))
            raise WorkerError("retry", "it was killed")

    after = asyncio.run(runner(context)._stage(cycle, Trainer()))  # type: ignore[arg-type]
    assert during == [("PrepareRequest", [("prepare", "started")])]
    assert states() == [("prepare", "retry")] and after.attempt == 1


@pytest.mark.parametrize("failing", [1, 2])
def test_the_planners_state_is_committed_with_the_cycle_or_not_at_all(context: ModelContext, failing: int) -> None:
    """Whichever commit the disk fails at, neither is there without the other; asked again, it is opened once."""
    ledger, commits = context.shared.ledger, itertools.count(1)
    with ledger.begin() as conn:
        due.add(conn, "m", "manual", 0.0)

    def found() -> tuple[int, bool]:
        with ledger.connect() as conn:
            opened = conn.scalar(select(func.count()).select_from(tables.cycles)) or 0  # a number may be passed over
            return opened, models.load_planner(conn, "m") != PlannerState()

    def full(point: str) -> None:
        if point == "ledger.before_commit" and next(commits) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    durable.install_hook(full)
    try:
        with contextlib.suppress(OperationalError):
            runner(context).decide()
    finally:
        durable.install_hook(None)
    assert found() == ((0, False) if failing == 1 else (1, True))
    for _ in range(2):
        runner(context).decide()
    assert found() == (1, True)


@pytest.mark.parametrize(("turn_s", "expected"), [(0.0, "ababab"), (3600.0, "aaabbb")])
def test_models_take_turns_at_training(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch, turn_s: float, expected: str
) -> None:
    """One whose stages take minutes holds up others for one of them, and its trainer's memory is given back meanwhile;
    what takes seconds is done in one."""
    monkeypatch.setattr("daemon.cycles.runner.TURN_S", turn_s)
    order: list[str] = []
    closed: list[str] = []

    def named(name: str) -> CycleRunner:
        made = runner(context)

        async def stage(cycle: Cycle, trainer: Worker) -> Cycle:
            order.append(name)
            close_it = trainer.close

            async def close() -> None:
                closed.append(name)
                await close_it()

            trainer.close = close  # type: ignore[method-assign]
            await asyncio.sleep(0)
            return replace(cycle, state=CycleState.KEPT if order.count(name) == 3 else CycleState.OPEN)

        made._stage = stage  # type: ignore[method-assign]
        return made

    async def story() -> None:
        with context.shared.ledger.begin() as conn:
            cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 0, 0.0)
        await asyncio.gather(*(named(name)._work_off(cycle) for name in "ab"))

    asyncio.run(story())
    assert "".join(order) == expected and closed.count("a") >= (2 if turn_s == 0 else 1)


def test_a_trainer_that_waits_for_its_next_attempt_gives_its_memory_back(context: ModelContext) -> None:
    """Also where nobody else wants to train yet."""
    closed: list[bool] = []

    class Trainer:
        def is_here(self, _: Cycle) -> bool:
            return True

        async def close(self) -> None:
            closed.append(True)

    async def story() -> None:
        with context.shared.ledger.begin() as conn:
            cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 0, 0.0)
        made = runner(context)

        async def stage(cycle: Cycle, _: Worker) -> Cycle:
            return replace(cycle, attempt=1, not_before=context.now() + 3600)

        made._stage = stage  # type: ignore[method-assign]
        await made._turn(cycle, cast(Worker, Trainer()))

    asyncio.run(story())
    assert closed == [True]


def test_a_stage_that_waits_for_its_next_attempt_lets_others_train(context: ModelContext) -> None:
    """However long it waits."""

    async def story() -> None:
        with context.shared.ledger.begin() as conn:
            cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 1, 0, 0.0)
        waiting = replace(cycle, attempt=1, not_before=context.now() + 3600)
        task = asyncio.create_task(runner(context)._work_off(waiting))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S), context.shared.training_turn:
            assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_a_promotion_that_an_error_delayed_is_for_the_gates_reason(context: ModelContext) -> None:
    """It is read from the evaluation; one that nothing delayed has it already."""
    with context.shared.ledger.begin() as conn:
        cycle = replace(cycles.open_cycle(conn, "m", Trigger("drift", "why"), 1, 1, 0.0), stage=Stage.EVALUATE)
        cycles.stage_finished(conn, cycles.stage_started(conn, cycle, 1.0), Outcome("ok", {"reason": "better"}), 2.0)
        delayed = replace(cycle, stage=Stage.PROMOTE, attempt=1, reason="disk full")
        assert _with_verdict(conn, delayed, Outcome("ok", {})).reason == "better"
        assert _with_verdict(conn, replace(delayed, attempt=0), Outcome("ok", {})).reason == ""
