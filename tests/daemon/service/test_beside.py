"""A test of notifications keeps no other command waiting."""

import asyncio
from pathlib import Path

import pytest
from bare_model import bare_model
from helpers import until

from daemon.ledger import commands
from daemon.service.commands import Commander
from retrain.records.errors import Refused


def test_a_receiver_that_hangs_keeps_no_command_waiting(tmp_path: Path) -> None:
    """The test is begun once, its row is finished when it ends; what a stop cancels stays queued, and an error of the
    ledger is told, and the command done again."""
    may_end, begun, errors = asyncio.Event(), [], [OSError("disk")]

    async def notify_test(name: str | None) -> str:
        begun.append(name)
        if name == "broken" and errors:
            raise errors.pop()
        await may_end.wait()
        raise Refused("ops: no answer")

    async def nothing() -> str:
        return ""

    with bare_model(tmp_path) as context:
        ledger = context.shared.ledger
        commander = Commander({"m": context}, lambda _name: None, nothing, notify_test, notify_test, notify_test)

        def ask(name: str, args: dict[str, str]) -> int:
            with ledger.begin() as conn:
                return commands.enqueue(conn, name, args, "ada", 0.0)

        def state(command: int) -> str:
            with ledger.connect() as conn:
                return str(commands.get(conn, command).state)

        async def story() -> None:
            tested, paused = ask("notify_test", {"destination": "ops"}), ask("pause", {"model": "m"})
            await commander.apply_all()
            await commander.apply_all()
            await until(lambda: begun)
            assert (state(tested), state(paused), begun) == ("queued", "done", ["ops"])
            await commander.beside.cancel()
            assert state(tested) == "queued"
            may_end.set()
            await commander.apply_all()
            await until(lambda: state(tested) == "refused")
            broken = ask("notify_test", {"destination": "broken"})
            await commander.apply_all()
            await until(lambda: commander.beside.has_failed)
            with pytest.raises(OSError, match="disk"):
                await commander.apply_all()
            await commander.apply_all()
            await until(lambda: state(broken) == "refused")
            assert begun == ["ops", "ops", "broken", "broken"]

        asyncio.run(story())
