"""What a host does beside its servers while another one leads: it follows the ledger, uploads what they wrote down, and
says of itself how it is. Its servers need none of this to answer."""

import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from daemon.config.config import Config
from daemon.config.uploads import KINDS
from daemon.ledger import Ledger
from daemon.runtime.stored_state import StoredState
from daemon.runtime.within import within
from daemon.service.following import Following
from daemon.service.heartbeat import Heartbeat
from daemon.service.servers import Servers
from daemon.service.serving_file import Serving
from daemon.service.uploading import Uploading
from retrain import durable

END_S = 5.0
"""So long an end waits for the store; what is not in it then goes there at the next start."""


class ServingHost:
    """Of the servers of one state folder, which listen at `url`; `serving` is what they said, `keeps` as of
    `Following`."""

    def __init__(
        self, config: Config, ledger: Ledger, stored: StoredState, servers: Servers, serving: Serving, url: str,
        keeps: "threading.Lock | None" = None,
    ) -> None:  # fmt: skip
        self._stored, self._serving = stored, serving
        self._following = Following(config, ledger, stored, servers.follow, keeps)
        self._uploading = Uploading(config.paths, config.models, stored)
        self._heartbeat = Heartbeat(config, stored, lambda: self._serving.of(servers.pids()), url)

    def parts(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What is begun again where it fails."""
        return self._following.run, self._uploading.run, self._heartbeat.run

    def first_look(self) -> str:
        """Have what is promoted now, if that can be had; why the store cannot be used in a way that does not mend
        itself, else empty."""
        self._following.look()
        return self._following.hopeless

    def receive(self, message: dict[str, Any]) -> None:
        """A server's report."""
        self._serving.receive(message)
        if message["event"] == "trial_seen":
            self._uploading.note_trial(message)

    @property
    def reaches_store(self) -> bool:
        """Whether the store answers this host, as far as that is known."""
        return self._heartbeat.is_heard

    def reload(self, config: Config) -> None:
        """Follow these models from here on."""
        self._following.config = self._heartbeat.config = config

    async def end(self) -> None:
        """Upload what the servers closed at their end, and take leave."""
        with contextlib.suppress(TimeoutError):
            await within(self._stored.beside(self._end), END_S)

    def _end(self) -> None:
        if self._uploading.upload():
            self._heartbeat.leave()
        self._uploading.close()


def make_room(config: Config) -> None:
    """What servers need in a state folder that follows."""
    for kind in KINDS:
        durable.make_folder(config.paths.uploads / kind, "follow.folder")
