"""Numbers for Prometheus on their way: by metric and labels, as lines of JSON between processes, and as the file beside
the ledger in which control keeps what it read there (`numbers.jsonl`), whose time says when it looked last."""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from daemon.config.events import EVENTS
from daemon.config.metrics import BY_NAME, STATE
from daemon.config.paths import StatePaths
from retrain import durable

Key = tuple[str, tuple[str, ...]]
"""A metric's name and the values of its labels. Of a histogram NAME has, by the upper bound as a last label, how many
fell between it and the one below, and NAME_sum their sum."""
Numbers = dict[Key, float]
Told = list[tuple[str, Sequence[str], float]]
"""The same as JSON has it."""
AT_ONCE = 200
"""Numbers in a line between processes: each line stays below the 64 KB that its reader takes."""
MOST_BYTES = 16 * 2**20
"""Of the file; 300 models have less than one of these 16 MB."""
EVENTS_METRIC, HELD, REFUSED = "driftd_events_total", "driftd_held_files_total", "driftd_refused_files_total"
OF_FILES = {"file_held": HELD, "file_refused": REFUSED}
OF_STATE = frozenset(metric.name for metric in STATE)
MERGE: dict[str, Callable[[float, float], float]] = {"sum": lambda a, b: a + b, "min": min, "max": max}
LEVELS = {event.name: event.level for event in EVENTS if event.level in ("warning", "error")}
"""Of the events that are counted."""


def told(numbers: Mapping[Key, float]) -> Told:
    """As JSON values."""
    return [(name, labels, value) for (name, labels), value in numbers.items()]


def understood(entries: Iterable[Any]) -> Iterator[tuple[Key, float]]:
    """The inverse, without what no metric of this version is.

    >>> dict(understood([["driftd_paused", ["m"], 1], ["driftd_paused", [], 1], ["else", [], 2], 7]))
    {('driftd_paused', ('m',)): 1.0}
    """
    for entry in entries:
        match entry:
            case [str(name), [*labels], int() | float() as value] if _is_whole(name, labels, value):
                yield (name, tuple(labels)), float(value)


def _is_whole(name: str, labels: list[Any], value: float) -> bool:
    """Whether it is a finite number of a metric, with a label for each of its labels; a histogram's has one more."""
    metric = BY_NAME.get(name.removesuffix("_sum"))
    if metric is None or not all(isinstance(label, str) for label in labels) or not math.isfinite(value):
        return False
    more = metric.kind == "histogram" and name == metric.name
    return len(labels) == len(metric.labels) + more


def in_lines(numbers: Mapping[Key, float]) -> Iterator[Told]:
    """In parts that each fit a line."""
    rest = iter(told(numbers))
    while part := list(islice(rest, AT_ONCE)):
        yield part


def together(*parts: Numbers) -> Numbers:
    """How several processes stand, each gauge by its rule.

    >>> one, other = {("driftd_servers", ()): 1.0}, {("driftd_servers", ()): 2.0}
    >>> together(one, other)
    {('driftd_servers', ()): 3.0}
    """
    merged: Numbers = {}
    for part in parts:
        for key, value in part.items():
            merged[key] = MERGE[BY_NAME[key[0]].together](merged[key], value) if key in merged else value
    return merged


class LoggedCounts:
    """Counts the warnings and errors that a process logs, from any thread, and by model the files that are held or
    refused."""

    def __init__(self) -> None:
        self._counts: Numbers = {}
        self._lock = threading.Lock()

    def add(self, entry: Mapping[str, Any]) -> None:
        """An event."""
        event, model = entry["event"], entry.get("model")
        level = LEVELS.get(event)
        if level is None:
            return
        with self._lock:
            self._count(EVENTS_METRIC, event, level)
            if event in OF_FILES and isinstance(model, str):
                self._count(OF_FILES[event], model)

    def take(self) -> Numbers:
        """What was counted since the last time."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def _count(self, name: str, *labels: str) -> None:
        self._counts[name, labels] = self._counts.get((name, labels), 0.0) + 1


def write_numbers(paths: StatePaths, numbers: Mapping[Key, float], at: float) -> None:
    """Write down what was read of the ledger at a moment (Unix seconds), whole or not at all; OSError. The first line
    is that moment, by which a reader sees whether the second one is news."""
    lines = msgspec.json.encode(at), msgspec.json.encode(told(numbers))
    durable.replace_file(paths.numbers, b"\n".join(lines), "numbers")
    renew_numbers(paths, at)


def renew_numbers(paths: StatePaths, at: float) -> None:
    """Say that they are the same at a later moment; OSError."""
    durable.set_time(paths.numbers, at, "numbers")


class NumbersFile:
    """What the file said when it was looked at last: its `numbers`, and the moment `at` of which they are; None before
    there is one."""

    def __init__(self, paths: StatePaths) -> None:
        self._path = paths.numbers
        self._made = b""
        self.numbers: Numbers = {}
        self.at: float | None = None

    def look(self) -> None:
        """Read what is new. What cannot be understood says nothing; OSError where the file cannot be read now."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            made, at = file.readline(MOST_BYTES), os.fstat(file.fileno()).st_mtime
            if made != self._made:
                self.numbers = _decoded(file.read(MOST_BYTES + 1))
        self._made, self.at = made, at


def _decoded(content: bytes) -> Numbers:
    try:
        entries = msgspec.json.decode(content) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return {}
    found = understood(entries) if isinstance(entries, list) else ()
    return {key: value for key, value in found if key[0] in OF_STATE}
