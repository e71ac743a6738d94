"""People are forgotten without a service around it: asked for, killed on the way, and looked for afterwards."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.parquet as pq
from bare_model import AnalystHere

from daemon.config.config import load_config
from daemon.cycles.tidying import clear_intake
from daemon.intake.events import EventIntake
from daemon.intake.labels import take_segments
from daemon.ledger import Ledger, commands, files, open_ledger
from daemon.runtime.context import ModelContext, Shared, TrainingTurn
from daemon.runtime.worker.process import Limits
from daemon.service.forgetting import Forgetting
from daemon.tools.forgotten import POSTED_USER, marks_told, search
from retrain import durable


class Killed(BaseException):
    """What a kill looks like from inside."""


@contextmanager
def killed_at(nth: int) -> Iterator[None]:
    """The process dies as it passes its n-th step."""
    left = nth

    def hook(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    durable.install_hook(hook)
    try:
        yield
    finally:
        durable.install_hook(None)


def forgetting(context: ModelContext, asked: list[Any]) -> Forgetting:
    """With an intake that takes labels and events in as the service does."""

    async def hand_over() -> None:
        if context.settings.task != "recommendation":
            asked.append(asyncio.ensure_future(take_segments(context, lambda _: True)))

    async def take_posted(_: str) -> bool:
        return await EventIntake(context, lambda _: True).roll()

    return Forgetting(context.shared, lambda: {"m": context}, hand_over, take_posted, lambda: None)


def ask(ledger: Ledger, ids: list[str], **more: Any) -> None:
    """Queue the command that forgets them."""
    with ledger.begin(durable=True) as conn:
        commands.enqueue(conn, "forget_people", {"model": "m", "column": None, "ids": ids, **more}, "me", time.time())


async def work_off(context: ModelContext) -> str:
    """What is queued, as the service does."""
    answer = ""
    with context.shared.ledger.connect() as conn:
        queued = commands.queued(conn)
    for command in queued:
        answer = await done(context, command)
        with context.shared.ledger.begin(durable=True) as conn:
            commands.finish(conn, command.id, "done", answer, time.time())
    return answer


async def done(context: ModelContext, command: Any) -> str:
    """One command, until it is done or something beside it was killed."""
    asked: list[Any] = []
    work = asyncio.ensure_future(forgetting(context, asked).forget(command))
    while not work.done():
        await asyncio.wait({work, *asked}, return_when=asyncio.FIRST_EXCEPTION, timeout=0.05)
        if any(one.done() and one.exception() is not None for one in asked):
            work.cancel()
            await asyncio.gather(work, *asked, return_exceptions=True)
            raise Killed
    await asyncio.gather(*asked)
    return await work


def reopened(context: ModelContext) -> ModelContext:
    """As the next start finds it."""
    context.shared.ledger.close()
    config = load_config(context.shared.config.path)
    clear_intake(config.paths)
    shared = Shared(config, open_ledger(config.state_dir), AnalystHere("analyst", Limits()), TrainingTurn())
    return ModelContext("m", config.models["m"], shared)


def left(context: ModelContext, ids: list[str]) -> list[tuple[str, str]]:
    """Where ids stand in the state folder."""
    who = context.settings.user_column or context.settings.id_column
    return list(search(context.shared.config.state_dir, ids, {str(who), POSTED_USER}))


def forgotten_over_a_kill(context: ModelContext, ids: list[str], nth: int) -> ModelContext:
    """They are forgotten, though all dies at the n-th step; the context of the start that ends it."""
    ask(context.shared.ledger, ids)
    with killed_at(nth):
        try:
            asyncio.run(work_off(context))
        except Killed:
            context = reopened(context)
    asyncio.run(work_off(context))
    return context


def assert_told_as_it_is(context: ModelContext) -> None:
    """The ledger says how many rows each snapshot holds, and `doctor --forgotten` finds nobody."""
    with context.shared.ledger.connect() as conn:
        rows = [row for row in files.listed(conn, "m") if row.state == "accepted"]
    for row in rows:
        assert pq.read_metadata(context.folders.state / row.snapshot).num_rows == row.rows
    assert {told[0] for told in marks_told(context.shared.config)} == {"ok"}
