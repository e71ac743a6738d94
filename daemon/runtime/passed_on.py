"""Warnings and errors of servers and of the page on their way to control, which keeps and notifies them."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

LEVELS = ("warning", "error")
OF_CLIENTS = ("input_rejected",)
"""What whoever reaches the port can cause as often as he likes stays in the log."""
EVERY_S = 60.0
"""Of one event of a model at most one is passed on in so long, the newest; `times` says how many there were."""


class PassedOn:
    """What a process logged and has not passed on yet."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._waiting: dict[tuple[str, str], tuple[dict[str, Any], int]] = {}
        self._again_s: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def add(self, entry: Mapping[str, Any]) -> None:
        """An event, from any thread."""
        if entry["level"] not in LEVELS or entry["event"] in OF_CLIENTS:
            return
        key = str(entry["event"]), str(entry.get("model"))
        with self._lock:
            _, times = self._waiting.get(key, (None, 0))
            self._waiting[key] = dict(entry), times + 1

    def messages(self) -> list[dict[str, Any]]:
        """What is to be passed on now, as messages to control."""
        now_s = self._now_s()
        with self._lock:
            due = [key for key in self._waiting if now_s >= self._again_s.get(key, -inf)]
            self._again_s |= dict.fromkeys(due, now_s + EVERY_S)
            found = [self._waiting.pop(key) for key in due]
        return [{"event": "logged", "entry": _told(entry, times)} for entry, times in found]


def _told(entry: dict[str, Any], times: int) -> dict[str, Any]:
    """The event as JSON holds it, with its number unless it has one of its own."""
    told: dict[str, Any] = json.loads(json.dumps(entry, default=str))
    return ({"times": times} if times > 1 else {}) | told
