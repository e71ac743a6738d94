"""Has the service do what a person asks from the page: kept as a file, as commands are while the ledger is locked, from
which control makes the same command that the command line writes. The page never writes to the ledger.

What was asked has a name, by which one sees what became of it; asking for that changes nothing."""

import asyncio
import os
import re
import time
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import commands
from daemon.page.actions import Action
from daemon.page.answers import Refusal
from daemon.page.reading import Reading
from daemon.runtime.kept_commands import KEPT, keep_command
from daemon.runtime.lock import is_held
from daemon.server.pools import Pool
from retrain.records.errors import Refused, Retry

MOST_KEPT = 1_000
"""So many may wait to be done."""
ANSWER_S, POLL_S = 4.0, 0.2
KEEP_S = 10.0
NAME = re.compile(r"\d{1,20}-\d{1,10}\.json")
LATER = {
    True: "asked; the service does it as soon as it can",
    False: "kept; the service does it when it runs again",
}
"""By whether a service runs."""


@dataclass(frozen=True)
class Outcome:
    """What became of what was asked: `state` is `kept`, `queued`, `done` or `refused`; `asked` its name, `command` its
    number in the ledger once it has one."""

    asked: str
    state: str
    message: str
    command: int | None = None
    name: str = ""
    model: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in ("kept", "queued")

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class Acting:
    """Keeps what is asked, one at a time, and looks what became of it."""

    def __init__(self, config: Config, reading: Reading) -> None:
        self._config, self._reading = config, reading
        self.pool = Pool("keeping what was asked", 1, KEEP_S)
        self.leaving = False
        """Whether nobody is to wait any more for what becomes of what was asked."""

    async def ask(self, action: Action, args: dict[str, Any], who: str) -> Outcome:
        """It is durable on return; waits a moment for what becomes of it. Refusal 507 where it cannot be kept."""
        asked = await self.pool.run(self._keep, action.name, args, who)
        until_s = time.monotonic() + ANSWER_S
        while True:
            outcome = await self.look(asked)
            if not outcome.is_open or self.leaving or time.monotonic() >= until_s:
                return outcome
            await asyncio.sleep(POLL_S)

    async def look(self, asked: str) -> Outcome:
        """What became of it; Refusal 404 where nothing of that name was asked."""
        return await self.pool.run(self._look, asked)

    def _keep(self, name: str, args: dict[str, Any], who: str) -> str:
        folder = self._config.paths.commands
        try:
            if folder.is_dir() and sum(1 for _ in os.scandir(folder)) >= MOST_KEPT:
                raise Refusal(503, f"{MOST_KEPT:,} things wait to be done already", (("retry-after", "10"),))
            return keep_command(self._config.paths, name, args, who)
        except OSError as error:
            raise Refusal(507, f"it cannot be kept: {error.strerror or error}") from None

    def _look(self, asked: str) -> Outcome:
        """In the ledger, else among what is kept: it leaves there only when it is in the ledger."""
        if not NAME.fullmatch(asked):
            raise Refusal(404, "nothing of that name was asked")
        later = LATER[is_held(self._config.state_dir)]
        waits = (self._config.paths.commands / asked).exists()
        try:
            with self._reading.ledger().connect() as conn:
                row = commands.kept(conn, KEPT, asked)
        except (Refused, Retry, SQLAlchemyError, OSError):
            self._reading.close()
            if not waits:
                raise Refusal(503, "the ledger cannot be read now", (("retry-after", "2"),)) from None
            return Outcome(asked, "kept", later)
        if row is not None:
            return Outcome(asked, row.state, row.message or later, row.id, row.name, row.args.get("model"))
        if not waits:
            raise Refusal(404, "nothing of that name was asked, or so long ago that it is forgotten")
        return Outcome(asked, "kept", later)
