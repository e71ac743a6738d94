"""Which stored files nobody needs any more: neither the window that trains, nor the recent checks, nor a kept version.
Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from retrain.records.settings import ModelSettings

DAY_S, LEAST_PAUSE_S = 86_400.0, 60.0
PARTS = 4
NEWEST = 100
"""So many of the newest files are looked back over by checks, assessments and doubts."""


@dataclass(frozen=True)
class StoredFile:
    """An accepted or held file of rows: `newest` is its newest event time, else when it came."""

    id: int
    seq: int
    sha256: str
    at: float
    newest: float
    rows: int
    labelled_rows: int
    bytes: int = 0


def pause_s(*ages: float | None) -> float:
    """Seconds from one sweep to the next: a fourth of the shortest age, so that nothing stays much longer than it is
    said to; at least a minute and at most a day.

    >>> pause_s(365 * 86_400.0, None), pause_s(365 * 86_400.0, 3_600.0)
    (86400.0, 900.0)
    """
    shortest = min(age for age in ages if age is not None)
    return min(max(shortest / PARTS, LEAST_PAUSE_S), DAY_S)


def expirable(
    files: Iterable[StoredFile], settings: ModelSettings, used: Collection[str], now: float
) -> Iterator[StoredFile]:
    """Of files, the newest first, those beyond retention.snapshots or snapshots_size that nobody needs. `used` are the
    digests of files that a kept version was made of."""
    kept = settings.retention
    newest_time: float | None = None
    places = teaching = size = 0
    for file in files:
        newest_time = file.newest if newest_time is None else max(newest_time, file.newest)
        places, size = places + 1, size + file.bytes
        teaches = file.labelled_rows or (file.rows if settings.id_column is not None else 0)
        old = now - file.at > kept.snapshots or (kept.snapshots_size is not None and size > kept.snapshots_size)
        recent = places <= NEWEST or file.newest >= newest_time - settings.check_window
        age = newest_time - file.newest
        wanted = (bool(teaches) and _in_window(settings, places, age, teaching)) or _unsettled(settings, places, age)
        teaching += teaches
        if old and not recent and not wanted and file.sha256 not in used:
            yield file


def _unsettled(settings: ModelSettings, places: int, age: float) -> bool:
    """Whether labels of a file are still waited for, and then have the newest files to be judged in."""
    maturity = settings.labels.maturity
    if maturity is None:
        return False
    return age <= (maturity.seconds or 0.0) or places <= (maturity.files or 0) + NEWEST


def _in_window(settings: ModelSettings, places: int, age: float, teaching: int) -> bool:
    """Whether a file may still teach, where `teaching` rows are newer."""
    window = settings.window
    if window.kind == "files":
        return places <= (window.files or 0)
    if window.kind == "last":
        return age <= (window.last or 0.0)
    return teaching < window.max_rows
