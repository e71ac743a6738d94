"""Control: all that works with the ledger, for as long as this service leads. It is made anew for each such time, since
what it knew may be over by then."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from daemon.config.config import Config
from daemon.cycles.tidying import clear_cycles, clear_holds, clear_intake
from daemon.ledger import Ledger
from daemon.runtime.context import Shared, TrainingTurn
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import supervise
from daemon.runtime.stored_state import StoredState
from daemon.runtime.systemd_notify import Notifier
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.process import Limits
from daemon.server.tokens import Tokens
from daemon.service.background import FAILURE_PAUSE_S, Background
from daemon.service.hooks import Hooks
from daemon.service.keepers import Keepers
from daemon.service.ledger_events import EventBuffer
from daemon.service.ledger_writes import PendingWrites
from daemon.service.notifying import Notifying
from daemon.service.receiving import clear_received
from daemon.service.reload import Reloader
from daemon.service.server_messages import ServerMessages
from daemon.service.servers import Servers
from daemon.service.serving_file import Serving
from daemon.service.unlogged import log_unlogged

log = get_logger()
ENDED_S = 10.0
"""So long their end waits for parts that are in the middle of something."""


class Control:
    """The parts, around one open ledger and its `store`, if there is one; `training` is the control group of workers,
    `serving` what the servers said, `stops` says whether the service was told to stop. They work from `start` to
    `stop`."""

    def __init__(
        self, config: Config, environment: dict[str, str], ledger: Ledger, store: StoredState | None,
        training: Path | None, events: EventBuffer, serving: Serving, stops: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._environment, self._events = environment, events
        self.ledger, self.store = ledger, store
        self._forks = Forks(training)
        analyst = Analysts(Limits(group=training), lambda: clear_intake(config.paths), self._forks)
        self.shared = Shared(config, ledger, analyst, TrainingTurn(), training, self._forks, store)
        self.pending = PendingWrites(ledger)
        self.keepers = Keepers(self.shared, self.pending, self._follow)
        rests = lambda: self.keepers.resting  # noqa: E731
        self.notifying = Notifying(lambda: self.shared.config, ledger, self.pending, environment, rests, time.time)
        self.hooks = Hooks(lambda: self.shared.config, ledger, self.pending, environment, rests, stops)
        self.messages = ServerMessages(self.keepers, self.pending, serving, events.add)
        self._tasks: list[asyncio.Task[None]] = []

    def meet(self, servers: Servers, tokens: Tokens, notifier: Notifier, status: Callable[[], str]) -> None:
        """Know the servers, which outlive it."""
        self._servers = servers
        self.reloader = Reloader(
            self.shared, self._environment, tokens, self.keepers, servers, notifier, status, self.hooks.wake
        )
        self.background = Background(
            self.shared, self.keepers, servers, self._events, self.pending, self.messages.trials,
            self.reloader.reload, self.messages.serving, self.notifying, self.hooks,
        )  # fmt: skip

    def start(self, announce: Callable[[], Coroutine[Any, Any, None]]) -> "list[asyncio.Task[None]]":
        """Begin to work; the tasks end only where something ends the service."""
        config = self.shared.config
        clear_intake(config.paths)
        if self.store is not None:
            clear_received(config.paths)
        clear_holds(config.paths)
        clear_cycles(self.ledger, config.paths)
        log_unlogged(self.ledger)
        self.keepers.schedule.start()
        for name in config.models:
            self.keepers.make_room(name)
            self.keepers.start(name)
        self._servers.write_to(uploads=False)
        self.messages.take_over()
        supervised = (announce, *self.background.parts())
        parts = (*(supervise(part, log, FAILURE_PAUSE_S) for part in supervised), self.background.watch_state())
        self._tasks = [asyncio.create_task(part) for part in parts]
        return self._tasks

    async def stop(self) -> None:
        """End all that works, with its processes; what waits to be written still can be, by `background.write`."""
        self.keepers.schedule.stop()
        for task in self._tasks:
            task.cancel()
        await self.keepers.stop_all()
        await self.shared.analyst.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ENDED_S)
        await self._forks.close()

    def close(self) -> None:
        """Nothing is written any more."""
        self.background.close()
        self.shared.describing.close()
        if self.store is not None:
            self.store.close()
        self.ledger.close()

    def _follow(self) -> None:
        self.background.describe()
        self.hooks.wake()
