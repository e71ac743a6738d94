"""A daemon with two versions, one promoted in the place of the other again and again from a thread."""

import contextlib
import threading
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from benchmarks.serving.data import BODY_SEED, sample
from benchmarks.serving.formats import DRIFTD
from benchmarks.serving.own import Own
from benchmarks.serving.wrk import write_bodies

DIFFERENT = 32
AFTER_S = 0.5  # what a swap may still disturb once it is told


def one_row_bodies(folder: Path) -> Path:
    """Requests of one row each."""
    rows = sample(DIFFERENT, BODY_SEED + 1)
    return write_bodies(folder / "one-row.txt", [DRIFTD.encode([row]) for row in rows])


@contextlib.contextmanager
def two_versions(files: tuple[Path, Path], folder: Path) -> Iterator[tuple[Own, list[str]]]:
    """A daemon that serves the second of two versions, with the names of both."""
    daemon = Own(folder / "driftd")
    try:
        daemon.start()
        names = [daemon.learn(files[0], "first.csv"), daemon.learn(files[1], "second.csv", ask=True)]
        yield daemon, names
    finally:
        daemon.close()


class Swapper:
    """While it is entered, a swap begins every `every_s` seconds; `spans` tells when each was under way."""

    def __init__(self, daemon: Own, versions: list[str], every_s: float) -> None:
        self._daemon, self._versions, self._every_s = daemon, versions, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | AssertionError | None = None
        self.spans: list[tuple[float, float]] = []

    def __enter__(self) -> "Swapper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        for version in cycle(self._versions):
            if self._stop.wait(self._every_s):
                return
            try:
                begun, ended = self._daemon.swap(version)
            except (AssertionError, OSError) as error:
                self._error = error
                return
            self.spans.append((begun, ended + AFTER_S))
