"""What a service does while another host leads: its servers follow, its state folder is kept a copy of what the ledger
names, so that little is to be fetched when it takes over, commands that its page kept go into the ledger, and what it
acknowledged while it led goes to the one that leads."""

import asyncio
import contextlib
import shutil
import threading
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, followed_ledger, waiting_ledger
from daemon.ledger.references import References, references_of
from daemon.runtime.kept_commands import queue_kept
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import supervise
from daemon.runtime.stored_state import StoredState
from daemon.service.handing_over import HandingOver
from daemon.service.servers import Servers
from daemon.service.serving_file import Serving
from daemon.service.serving_host import ServingHost, make_room
from retrain.records.errors import Retry

log = get_logger()
COPY_S = 30.0
"""Between the end of a look for what is to be copied and the next one, where the ledger changed meanwhile."""
COMMANDS_S = 1.0
HAND_OVER_S = 2.0
FAILURE_PAUSE_S = 2.0


class StandBy:
    """Begun by `start`, ended by `stop`; its `servers` listen at `address`."""

    def __init__(
        self, config: Config, url: str | None, stored: StoredState, servers: Servers, serving: Serving, address: str
    ) -> None:
        self._config, self._paths, self._min_free = config, config.paths, config.service.min_free
        self._servers = servers
        self._stored = stored
        self._ledger = followed_ledger(config.state_dir, url)
        self._commands: Ledger = waiting_ledger(config.state_dir, url)
        self._turn, self._copying = threading.Lock(), threading.Lock()
        self._handing_over = HandingOver(self._paths, config.models, self._ledger)
        self._host = ServingHost(config, self._ledger, stored, servers, serving, address, keeps=self._turn)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns once what is promoted is described, if that can be had now."""
        make_room(self._config)
        self._servers.write_to(uploads=True)
        await self._stored.beside(self._host.first_look)
        parts = *self._host.parts(), self._copy, self._queue, self._hand_over
        self._tasks = [asyncio.create_task(supervise(part, log, FAILURE_PAUSE_S)) for part in parts]

    def receive(self, message: dict[str, Any]) -> None:
        """A server's report."""
        self._host.receive(message)

    @property
    def reaches_store(self) -> bool:
        """Whether this host could go on with the files of the one that leads."""
        return self._host.reaches_store

    async def stop(self) -> None:
        """Returns once no file of the folder is changed any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._host.end()
        await self._stored.beside(self._end)

    def _end(self) -> None:
        self._stored.close()
        self._handing_over.close()
        with self._copying, self._turn:
            self._ledger.close()
            self._commands.close()

    async def _copy(self) -> None:
        while True:
            await self._stored.beside(self._copy_once)
            await asyncio.sleep(COPY_S)

    def _copy_once(self) -> None:
        if (free := shutil.disk_usage(self._paths.state).free) < self._min_free:
            self._stored.failed(
                f"{self._paths.state} has {free:,} free bytes; [service] min_free is {self._min_free:,}"
            )
            return
        try:
            with self._copying:
                self._stored.follow(self._ledger.place, self._named, self._turn)
        except (OSError, Retry) as error:
            self._stored.failed(str(error))
        except SQLAlchemyError:
            return  # who follows tells it
        else:
            self._stored.reached()

    def _named(self) -> References:
        with self._ledger.connect() as conn:
            return references_of(conn)

    async def _queue(self) -> None:
        while True:
            if self._paths.commands.is_dir():
                await self._stored.beside(self._queue_kept)
            await asyncio.sleep(COMMANDS_S)

    async def _hand_over(self) -> None:
        while True:
            with contextlib.suppress(SQLAlchemyError):  # who follows tells it
                await self._stored.beside(self._handing_over.look)
            await asyncio.sleep(HAND_OVER_S)

    def _queue_kept(self) -> None:
        try:
            queue_kept(self._paths, self._commands)
        except (SQLAlchemyError, OSError):
            return  # kept on
