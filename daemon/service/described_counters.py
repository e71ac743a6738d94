"""Keeps the description of the files that recommenders' counters are made of, beside the ledger."""

import time
from collections.abc import Callable

from daemon.config.config import Config, items_name
from daemon.ledger import Ledger, Version, Watch
from daemon.runtime.counted import Counted, counted, describe_counted

RESTS = 20.0
"""After descriptions were made it rests so many times as long as the processor worked on them."""


class CountedDescriptions:
    """Writes what changed, of models that recommend; called in a thread, one call after the other."""

    def __init__(self, config: Callable[[], Config], ledger: Ledger) -> None:
        self._config, self._ledger = config, ledger
        self._described: dict[str, Counted] = {}
        self._watch: Watch | None = None
        self._seen: tuple[Version, tuple[str, ...]] | None = None
        self._rests_until_s = 0.0

    def write(self) -> None:
        """Look if the ledger changed; OSError, or an error of the ledger's: then it is done the next time."""
        config, begun_s = self._config(), time.thread_time()
        models = tuple(name for name, model in config.models.items() if model.task == "recommendation")
        if not models or time.monotonic() < self._rests_until_s:
            return
        mark = self._version(), models
        if mark == self._seen:
            return
        for model in models:
            self._describe(config, model)
        self._seen = mark
        self._rests_until_s = time.monotonic() + RESTS * (time.thread_time() - begun_s)

    def _version(self) -> Version:
        """Changes with each commit of the ledger; on a connection of its own, for the event loop asks on another."""
        if self._watch is None:
            self._watch = self._ledger.watch()
        return self._watch.version()

    def _describe(self, config: Config, model: str) -> None:
        with self._ledger.connect() as conn:
            found = counted(conn, model, items_name(config, model))
        if found != self._described.get(model):
            describe_counted(config.paths, model, found)
            self._described[model] = found
