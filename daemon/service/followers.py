"""What hosts without control say of themselves, as control hears it: written down for `driftd status`."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from daemon.config.paths import StatePaths
from daemon.config.uploads import HOSTS
from daemon.runtime.log import get_logger
from daemon.runtime.stored_state import StoredState
from retrain import durable
from retrain.store.backends.any_names import Stored

log = get_logger()
SILENT_S = 60.0
FORGOTTEN_S = 86400.0


class Followers:
    """When each said something last is by the clock here, since theirs and the store's may be others."""

    def __init__(self, paths: StatePaths, stored: StoredState, clock: Callable[[], float] = time.time) -> None:
        self._paths, self._stored, self._clock = paths, stored, clock
        self._said: dict[str, float] = {}
        self._hosts: dict[str, dict[str, Any]] = {}
        self._silent: set[str] = set()
        self._written = b""

    def look(self, there: Mapping[str, Stored]) -> None:
        """Hear those of the store's objects that are news; in a thread. StoreFailed."""
        now, store = self._clock(), self._stored.store
        found = {name: one.at for name, one in there.items() if name.startswith(HOSTS)}
        for name, at in found.items():
            if self._said.get(name) != at:
                seen_at = now if name in self._said else min(now, at)
                try:
                    self._hosts[name] = {**json.loads(store.read(name)), "seen_at": seen_at}
                except (FileNotFoundError, ValueError, TypeError):
                    continue
                self._said[name] = at
        gone = [name for name in found if name in self._hosts and now - self._hosts[name]["seen_at"] > FORGOTTEN_S]
        store.delete(gone)
        for name in {*(self._hosts.keys() - found.keys()), *gone}:
            self._hosts.pop(name)
            self._said.pop(name, None)
        self._log_silent(now)
        self._write()

    def _log_silent(self, now: float) -> None:
        silent = {name for name, one in self._hosts.items() if now - one["seen_at"] > SILENT_S}
        for name in sorted(silent - self._silent):
            one = self._hosts[name]
            log.warning("follower_silent", host=one["host"], url=one["url"], seconds=round(now - one["seen_at"]))
        for name in sorted((self._silent - silent) & self._hosts.keys()):
            log.info("follower_heard", host=self._hosts[name]["host"], url=self._hosts[name]["url"])
        self._silent = silent

    def _write(self) -> None:
        text = json.dumps(sorted(self._hosts.values(), key=lambda one: (one["host"], one["url"]))).encode()
        if text != self._written:
            durable.replace_file(self._paths.followers, text, "followers")
            self._written = text
