"""Events that came through the server: finished segments of its spool become data files, each event in one of them.

Segments move into a folder of their own, their lines become one file there, and the file is taken in like a dropped
one. Its content decides whether it was taken in before: a kill at any point leads to the same file, once. The folder
goes when the ledger has it and servers can know that, and until then these count its segments."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from daemon.config.uploads import POSTED as KIND
from daemon.config.uploads import is_uploaded, of_files
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import uploads
from daemon.reading.look import Problem, look
from daemon.runtime.context import ModelContext
from daemon.runtime.spool import CLOSED, TAKING, begun_at, finished_segments, taking_folders
from retrain import durable
from retrain.recommendation.posted import PostedEvent, events_of
from retrain.records.settings import ModelSettings

LOOK_S = 2.0
CLOCK_SKEW_S = 60.0
MOST_BYTES = 32 * 2**20
"""Of segments of one data file; more do not wait for `every`."""
ROWS = "events.jsonl"
POSTED = "events"
"""Where these files come from, as the ledger has it."""
REFUSED = "refused-"
"""How the folder of a refused file is called from then on: nothing that was acknowledged is removed."""


@dataclass
class EventIntake:
    """One model's posted events; `run` until cancelled."""

    context: ModelContext
    has_disk: Callable[[str], bool]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Make a data file whenever the oldest event has waited for `every`, or many wait."""
        later = not await self._finish()
        while True:
            if later or self._is_due(finished_segments(self.context.folders.spool)):
                later = not await self.roll()
            await asyncio.sleep(LOOK_S * self.context.shared.pace)

    async def roll(self) -> bool:
        """Take in all finished segments; no where some are to be tried again later."""
        async with self._turn:
            if not await self._finish_folders():
                return False
            while segments := _first(finished_segments(self.context.folders.spool)):
                await asyncio.to_thread(set_apart, self.context.folders.spool, segments)
                if not await self._finish_folders():
                    return False
        return True

    async def _finish(self) -> bool:
        async with self._turn:
            return await self._finish_folders()

    async def _finish_folders(self) -> bool:
        """Take in what was set apart, the oldest first; no where it is to be tried again."""
        for folder in taking_folders(self.context.folders.spool):
            if not await self._take(folder):
                return False
        return True

    async def _take(self, folder: Path) -> bool:
        path = await asyncio.to_thread(rows_file, folder, self.context.settings)
        if path is not None:
            name, seen = data_file_name(folder), look(path)
            if isinstance(seen, Problem) or not self.has_disk(name):
                return False
            also = partial(uploads.record, segments=of_files(KIND, self.context.name, _segments(folder)))
            taken = await take_file(self.context, Taking(name, seen, POSTED, also, at=path))
            if taken in (Taken.LATER, Taken.UNFINISHED):
                return False
            if taken is Taken.REFUSED:
                aside = folder.with_name(folder.name.replace(TAKING, REFUSED, 1))
                durable.rename(folder, aside, "events.set_aside")
                return True
            await asyncio.to_thread(self.context.shared.describing.count, self.context.name)
            self.context.decision_needed.set()
        elif uploaded := of_files(KIND, self.context.name, _segments(folder)):
            await self.context.shared.writable()
            with self.context.shared.ledger.begin() as conn:
                uploads.record(conn, uploaded)
        durable.remove(folder, "events.remove_taken")
        return True

    def _is_due(self, segments: list[Path]) -> bool:
        if not segments:
            return False
        age_s = self.context.now() - begun_at(segments[0])
        is_old = age_s < -CLOCK_SKEW_S or age_s >= self.context.settings.recommendation.every
        return is_old or sum(path.stat().st_size for path in segments) >= MOST_BYTES


def _first(segments: list[Path]) -> list[Path]:
    """The oldest ones, as many as make one file; what other hosts uploaded apart, for a service that begins again has
    it brought anew."""
    chosen, size = [], 0
    for path in segments:
        if size >= MOST_BYTES:
            break
        if is_uploaded(path.name) != is_uploaded(segments[0].name):
            continue
        chosen.append(path)
        size += path.stat().st_size
    return chosen


def set_apart(spool: Path, segments: list[Path]) -> None:
    """Move segments into a folder that is called after the first one."""
    folder = spool / f"{TAKING}{segments[0].stem}"
    durable.make_folder(folder, "events.folder", parents=False)
    for path in segments:
        durable.move(path, folder / path.name, "events.set_apart")


def _segments(folder: Path) -> list[str]:
    """The names of those of a folder."""
    return sorted(one.name for one in folder.glob(f"*{CLOSED}") if one.name != ROWS)


def rows_file(folder: Path, settings: ModelSettings) -> Path | None:
    """The file of all rows of a folder of segments, made once; None where they hold no event."""
    path = folder / ROWS
    if path.exists():
        return path
    segments = _segments(folder)
    events = [event for one in segments for event in events_of((folder / one).read_bytes().splitlines())]
    if not events:
        return None
    rows = b"".join(msgspec.json.encode(row_of(event, settings)) + b"\n" for event in events)
    durable.write_file(path, rows, "events.rows")
    return path


def data_file_name(folder: Path) -> str:
    """What the file is called among the data files: by when its first event came, and by the server's process.

    >>> data_file_name(Path("state/spool/m/taking-1735689600500000000-4711-1"))
    'events/2025-01-01T000000.500000Z-4711-1'
    """
    name = folder.name.removeprefix(TAKING)
    begun = datetime.fromtimestamp(int(name.partition("-")[0]) / 1e9, UTC)
    return f"events/{begun.strftime('%Y-%m-%dT%H%M%S.%fZ')}-{name.partition('-')[2]}"


def row_of(event: PostedEvent, settings: ModelSettings) -> dict[str, Any]:
    """The row of a data file that says the same, by the columns' names."""
    moment = datetime.fromtimestamp(event.time // 1000, UTC).replace(microsecond=event.time % 1000 * 1000)
    row: dict[str, Any] = {
        str(settings.user_column): event.user,
        str(settings.item_column): event.item,
        str(settings.time_column): moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if settings.value_column is not None:
        row[settings.value_column] = event.value
    if settings.event_column is not None:
        row[settings.event_column] = event.type
    return row
