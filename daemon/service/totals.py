"""What all server processes counted and how they stand, added up by their parent and told to each of them: a scrape of
any of them sees all, and a sum outlives the process that counted.

Every server answers with the same totals, those that it was told last, so that a counter never falls from one scrape to
the next; what a killed server had counted since its last message is lost, less than two seconds' worth."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from daemon.runtime.numbers import Key, LoggedCounts, Numbers, in_lines, together, understood

TELL_S = 0.5
"""News are told so often at most; servers send a heartbeat each second, on which they are told."""
Send = Callable[[dict[str, Any]], None]


@dataclass
class Listener:
    """A server process: how to tell it, how it stands, and what it was told of the others."""

    send: Send
    gauges: Numbers = field(default_factory=dict)
    others: Numbers = field(default_factory=dict)


class Totals:
    """Of one service; `logged` counts what this process logs."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.logged = LoggedCounts()
        self._counts: Numbers = {}
        self._listeners: dict[int | None, Listener] = {}
        self._changed: set[Key] = set()
        self._moved = False
        self._told_s = float("-inf")

    def join(self, pid: int | None, send: Send) -> None:
        """A server began: it is told all."""
        listener = self._listeners[pid] = Listener(send)
        _tell(listener, "counts", self._counts)
        self._tell_others(listener, pid)

    def leave(self, pid: int | None) -> None:
        """A server ended: what it counted stays."""
        self._moved |= self._listeners.pop(pid, None) is not None

    def receive(self, pid: int | None, message: dict[str, Any]) -> None:
        """Any message of a server: what it counted is added, and all are told what is new."""
        listener = self._listeners.get(pid)
        if message["event"] == "counted" and listener is not None:
            self._add(understood(message.get("counts", ())))
            for key, _ in understood(message.get("gone", ())):
                listener.gauges.pop(key, None)
            listener.gauges.update(understood(message.get("gauges", ())))
            self._moved |= "gauges" in message or "gone" in message
        if self._monotonic() - self._told_s >= TELL_S:
            self._tell_all()

    def _add(self, counted: Iterable[tuple[Key, float]]) -> None:
        for key, by in counted:
            self._counts[key] = self._counts.get(key, 0.0) + by
            self._changed.add(key)

    def _tell_all(self) -> None:
        self._add(self.logged.take().items())
        news, self._changed = {key: self._counts[key] for key in self._changed}, set()
        moved, self._moved = self._moved, False
        for pid, listener in self._listeners.items():
            _tell(listener, "counts", news)
            if moved:
                self._tell_others(listener, pid)
        self._told_s = self._monotonic()

    def _tell_others(self, listener: Listener, pid: int | None) -> None:
        """What is new of how the others stand."""
        now = together(*(one.gauges for other, one in self._listeners.items() if other != pid))
        _tell(listener, "gone", dict.fromkeys(listener.others.keys() - now.keys(), 0.0))
        _tell(listener, "gauges", {key: value for key, value in now.items() if listener.others.get(key) != value})
        listener.others = now


def _tell(listener: Listener, kind: str, numbers: Numbers) -> None:
    for part in in_lines(numbers):
        listener.send({"op": "totals", kind: part})
