"""Events of a folder are hints: they say where to look first, and nothing else."""

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bare_model import bare_model

from daemon.intake.files import Intake
from daemon.intake.taking import Taken, Taking
from daemon.runtime.context import ModelContext

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
FILES = ["a.csv", "b.csv", "sub/c.csv"]
ROUNDS = 6


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model whose folder has three files; no service."""
    with bare_model(tmp_path, CONFIG) as made:
        for name in FILES:
            (made.data_dir / name).parent.mkdir(exist_ok=True)
            (made.data_dir / name).write_text(name)
        yield made


@pytest.mark.parametrize(
    "hints",
    [[], FILES, FILES * 5, [None, None], ["gone.csv", None, *FILES], FILES[:1]],
    ids=["lost", "once", "repeated", "of folders", "of what is gone", "some lost"],
)
def test_lost_and_repeated_hints_change_nothing_but_the_time(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch, hints: list[str | None]
) -> None:
    """Whatever events come, before and after a file is taken in: each is taken once, at the latest by a rescan."""
    intake, taken = Intake(context), []

    async def take(_context: ModelContext, taking: Taking) -> Taken:  # the analyst's part: how often is asked here
        taken.append(taking.path)
        return Taken.ACCEPTED

    async def rounds() -> None:
        intake._rescan_due_s = math.inf
        for number in range(ROUNDS):
            if number == ROUNDS // 2:
                intake._look_at_all()  # the time of a rescan has come
            for hint in hints:
                intake._hint(None if hint is None else str(context.data_dir / hint))
            await intake._round()
            intake.pending = {path: replace(one, due_s=0.0) for path, one in intake.pending.items()}  # time goes by

    monkeypatch.setattr("daemon.intake.files.take_file", take)
    asyncio.run(rounds())
    assert sorted(taken) == FILES
