"""The prepare stage of a recommendation: accepted files to one log of events, of which the newest of a fifth of the
users are held out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.notation import counted, date, percent
from retrain.operations import PreparedRows, PrepareRequest, PrepareResult
from retrain.recommendation.contest import NEWEST
from retrain.recommendation.evaluation import HELD_OUT, held_out
from retrain.recommendation.learning import POSTED
from retrain.recommendation.log import EventLog, read_log
from retrain.records.errors import Refused
from retrain.records.settings import WindowSettings
from retrain.stages.recommendation.prepared import PreparedLog, write_log

FURTHEST = 32
"""Units that events are held out of, at most, where the newest have few."""
LEARNED = 0.25
"""The share of the log, the oldest, that nothing is held out of then."""


def prepare(request: PrepareRequest) -> PrepareResult:
    """Read the files' events, hold some out, and write `work`/train.parquet, which has both. Refused where there is too
    little to train on or to compare with."""
    log = read_log(request.files, request.schema, request.settings)
    events = log.events
    if not len(events):
        raise Refused("there are no events to train on", "drop files of events into the data folder")
    held, since_ms = newest_held(log, request.settings.window.holdout_min_rows)
    inside, described = in_window(log, request.settings.window)
    trains = inside & ~held
    if not (trains & (events.weight > 0)).any():
        raise Refused("no event teaches anything", "look at `positive` and `event_weights`")
    path = request.work / "train.parquet"
    write_log(PreparedLog(events, held, trains), path)
    rows = _summary(request, log, held, trains, since_ms)
    return PrepareResult(train=path, holdout=path, window=described, **rows)


def newest_held(log: EventLog, fewest: int) -> tuple[NDArray[np.bool_], int]:
    """Which events (n,) are held out, and since when: those of a fifth of the users in the newest two units of the log,
    or in more where these are fewer than so many events that teach. Refused where they never are enough."""
    events, available = log.events, 0
    for since_ms in _starts(log):
        held = held_out(events, events.time_ms > since_ms)
        available = int((held & (events.weight > 0)).sum())
        if available >= fewest:
            return held, since_ms
    raise Refused(
        f"{counted(available, 'event')} of a fifth of the users can be held out; {fewest:,} are needed to "
        "compare (window.holdout_min_rows)",
        "drop more events",
    )


def _starts(log: EventLog) -> Iterator[int]:
    """Since when events may be held out: of the newest units by time, then of as many of the newest events as twice,
    four times … as many units have on average: a few events may be much newer than all others. The first LEARNED of the
    log remain to learn from."""
    events, units = log.events, NEWEST
    yield events.newest_ms - round(units * log.unit_ms)
    newest = np.sort(events.time_ms)
    while units < FURTHEST and newest[-1] > newest[0]:
        units *= 2
        place = max(len(newest) - round(units * log.events_of_unit), round(LEARNED * len(newest)))
        yield int(newest[place]) - 1
        if place <= LEARNED * len(newest):
            return


def in_window(log: EventLog, window: WindowSettings) -> tuple[NDArray[np.bool_], str]:
    """Which events (n,) train as configured, and that in words. By itself a recommendation trains on all: what is new
    is followed by the counters."""
    events = log.events
    if window.kind == "files" and window.files is not None:
        newest = [span.seq for span in log.spans][-window.files :]
        return log.brought_by(newest), f"events of the newest {counted(len(newest), 'file')}"
    if window.kind == "last" and window.last is not None:
        since_ms = events.newest_ms - round(1000 * window.last)
        return events.time_ms >= since_ms, f"events since {date(since_ms / 1000)}"
    return np.ones(len(events), bool), "all events"


def _summary(
    request: PrepareRequest, log: EventLog, held: NDArray[np.bool_], trains: NDArray[np.bool_], since_ms: int
) -> dict[str, Any]:
    events, spans = log.events, {span.seq: span for span in log.spans}
    of_rows = [file for file in request.files if file.kind == "rows"]
    reserved = [one.digest for one in of_rows if one.seq in spans and spans[one.seq].last_ms > since_ms]
    used = set(np.unique(log.seq[trains]).tolist())
    cut = float(events.time_ms[trains].max()) / 1000
    rows = PreparedRows(
        train_rows=int(trains.sum()), holdout_rows=int(held.sum()),
        known_rows=sum(one.rows for one in of_rows) + request.rows_before,
        snapshots=[one.digest for one in of_rows if one.seq in used], holdout_snapshots=reserved,
        reserved_snapshots=reserved, cut=cut, cut_time=cut, held_out=_described(since_ms, len(events.users)),
        notes=_notes(log, sum(one.rows for one in of_rows)), unit_ms=log.unit_ms, held_since_ms=since_ms,
        posted=bool(of_rows) and max(of_rows, key=lambda one: one.seq).source == POSTED,
    )  # fmt: skip
    return {name: getattr(rows, name) for name in PreparedRows.__struct_fields__ if name != "window"}


def _described(since_ms: int, users: int) -> str:
    return f"held out are events since {date(since_ms / 1000)} of one in {HELD_OUT} users, by name (of {users:,})"


def _notes(log: EventLog, rows: int) -> list[str]:
    notes, events = list(log.notes), log.events
    again = rows - len(events)
    if again > 0:
        notes.append(f"{again:,} of {rows:,} rows repeat an event (same user, item and time) and count once")
    if idle := float((events.weight == 0).mean()):
        notes.append(f"{percent(idle)} of the events teach nothing: their value or type does not count")
    return notes
