"""The keepers of all models and their schedule: started, woken and stopped alone or together."""

import asyncio
from collections.abc import Callable

from structlog.contextvars import bound_contextvars

from daemon.ledger import due, models
from daemon.runtime.context import ModelContext, Shared, make_folders
from daemon.service.keeper import ModelKeeper
from daemon.service.ledger_writes import PendingWrites
from daemon.service.schedule import Schedule
from retrain.records.errors import Refused


class Keepers:
    """By a model's name; `follow` has the servers look for a new champion. They rest while the state folder is lost."""

    def __init__(self, shared: Shared, pending: PendingWrites, follow: Callable[[], None]) -> None:
        self._shared, self._pending, self._follow = shared, pending, follow
        self.by_name: dict[str, ModelKeeper] = {}
        self.resting = False
        self.schedule = Schedule(shared.config.service.timezone, self.due)

    def make_room(self, name: str) -> None:
        """What a model needs in the state folder before it is started."""
        make_folders(self._shared.config.paths.model(name))
        with self._shared.ledger.begin() as conn:
            models.ensure(conn, name)

    def start(self, name: str) -> None:
        """Keep a model as the configuration has it now."""
        context = ModelContext(name, self._shared.config.models[name], self._shared)
        self.by_name[name] = ModelKeeper(context, lambda: self.promoted(name))
        self.by_name[name].start()
        self.schedule.set_model(name, context.settings)

    async def remove(self, name: str) -> None:
        """Keep a model no longer."""
        await self.by_name.pop(name).stop()
        self.schedule.set_model(name, None)

    async def stop_all(self) -> None:
        """End all work."""
        await asyncio.gather(*(keeper.stop() for keeper in self.by_name.values()))

    async def rest(self) -> None:
        """End all work until `resume`."""
        self.resting = True
        await self.stop_all()

    def resume(self) -> None:
        """Begin anew with all models."""
        self.resting = False
        for name in list(self.by_name):
            self.make_room(name)
            self.start(name)

    def due(self, name: str, kind: str, due_at: float) -> None:
        """A check or a retrain is due: written to the ledger, then its keeper looks."""
        self._pending.write(
            lambda conn: due.add(conn, name, kind, due_at),
            lambda: self.by_name[name].wake(kind) if name in self.by_name else None,
        )

    def promoted(self, name: str) -> None:
        """A model has another champion."""
        self._follow()
        self.by_name[name].after_promotion()

    async def pull(self, name: str) -> str:
        """Pull a model's new rows now; what came of it."""
        if name not in self.by_name:
            raise Refused(f"no model {name!r} in the running configuration")
        with bound_contextvars(model=name):  # also for what is logged by parts that know no model
            return await self.by_name[name].pull()

    async def take_posted(self, name: str) -> bool:
        """Take in the events that servers wrote for a model that recommends; no where it is to be tried again."""
        return name in self.by_name and await self.by_name[name].events.roll()

    def decide_again(self, name: str) -> None:
        """Have a model, if it is kept, decide anew."""
        if name in self.by_name:
            self.by_name[name].context.decision_needed.set()

    def queues(self) -> dict[str, int]:
        """By model, how many files wait to be taken in."""
        return {name: keeper.intake.waiting() for name, keeper in self.by_name.items()}

    def silences(self, now_s: float) -> dict[str, float]:
        """Seconds of silence of all parts of all keepers, unless they rest."""
        keepers = () if self.resting else self.by_name.values()
        return {part: silent_s for keeper in keepers for part, silent_s in keeper.silences(now_s).items()}
