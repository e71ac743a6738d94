"""The server's end of the prediction log: answered rows are noted on the event loop, chosen and written beside it.

A note costs the request an append to a list. A thread turns the notes into lines of a spool about every second, durable
with each turn. Memory and disk are bounded: rows beyond them are dropped, counted and logged, never waited for."""

import json
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from daemon.runtime.log import get_logger
from daemon.runtime.spool import Spool, spooled_bytes
from daemon.server.exploration import Explored
from daemon.server.served import ServedDeployment
from daemon.server.sticky import position
from retrain import durable
from retrain.records.predictions import Predictions
from retrain.records.settings import PredictionLogSettings
from retrain.rows.cells import word

log = get_logger()
SALT = "log"
MOST_BYTES = 64 * 10**6
CELL_BYTES = 64
"""What a cell takes in memory at most, besides the text that came with the request."""
LONGEST_TEXT = 1_000
"""Characters of a category: a row with a longer one is not kept."""
LINE_ROWS, LINE_BYTES = 200, 2**20
WRITE_BYTES = 8 * 2**20
BREATHS = 2.0
"""After each line the thread rests so many times as long as the line took: the event loop needs the interpreter too."""
CLOSE_AFTER_S = 5.0
MAX_SEGMENT = 32 * 2**20
QUIET_S = 60.0
TOLD_IDS = 20
Role = Literal["answer", "shadow"]
NOTE = "of these ids no features are kept: such a label joins only a row of a dropped data file"


class Note(NamedTuple):
    """An answered request: `rows` are tuples in the order of the version's features, `ids` has one entry a row; it
    came in `size` bytes, and takes `weight` bytes of memory."""

    at: float
    served: ServedDeployment
    rows: Sequence[Sequence[Any]]
    ids: Sequence[Any]
    predictions: Predictions
    role: Role
    size: int
    weight: int
    explored: Explored | None = None


@dataclass(eq=False)
class _Line:
    """Rows of one deployment and role on their way into a line."""

    served: ServedDeployment
    role: Role
    at: list[float] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    probabilities: list[Any] = field(default_factory=list)
    greedy: list[Any] = field(default_factory=list)
    explored: list[bool] = field(default_factory=list)
    propensity: list[float] = field(default_factory=list)
    share: float = 0.0
    classes: tuple[str, ...] | None = None
    size: int = 0

    def add(self, note: Note, chosen: list[int] | None) -> None:
        """The chosen rows of a note, or all of them."""
        ids, rows, predictions, explored = note.ids, note.rows, note.predictions, note.explored
        if chosen is not None:
            ids, rows = [ids[k] for k in chosen], [rows[k] for k in chosen]
            predictions = predictions.take(np.array(chosen))
            explored = None if explored is None else explored.take(chosen)
        self.size += note.size
        self.at.extend([note.at] * len(rows))
        self.ids.extend(map(_name, ids))
        self.rows.extend(rows)
        self.values.extend(predictions.values.tolist())
        self.classes = predictions.classes
        if predictions.probabilities is not None:
            self.probabilities.extend(predictions.probabilities.tolist())
        if explored is not None:
            self.greedy.extend(explored.greedy.tolist())
            self.explored.extend(explored.rows.tolist())
            self.propensity.extend(explored.propensity.tolist())
            self.share = explored.share

    def takes(self, note: Note) -> bool:
        """Whether the note's rows may be in it."""
        has_room = len(self.at) < LINE_ROWS and self.size < LINE_BYTES
        alike = self.served is note.served and self.role == note.role
        return alike and has_room and (note.explored is not None) == bool(self.explored)

    def encode(self) -> bytes:
        """One line of JSON; what is no finite number is null."""
        columns = [column.name for column in self.served.schema.features]
        value: dict[str, Any] = {
            "version": self.served.name, "role": self.role, "columns": columns, "classes": self.classes,
            "at": self.at, "ids": self.ids, "rows": self.rows, "values": self.values,
            "probabilities": self.probabilities or None,
        }  # fmt: skip
        if self.explored:
            value |= {"greedy": self.greedy, "explored": self.explored, "propensity": self.propensity}
            value["explore_share"] = self.share
        try:
            return msgspec.json.encode(value, enc_hook=_plain)
        except (UnicodeError, OverflowError, msgspec.MsgspecError):
            return json.dumps(value, default=_plain).encode()


class PredictionLog:
    """One model's log in one server process: `record` on the event loop, `flush` and `close` in a thread."""

    def __init__(self, model: str, folder: Path, settings: PredictionLogSettings, min_free: int = 0) -> None:
        self._model, self._folder, self._min_free = model, folder, min_free
        self._share, self._keep = settings.share, settings.keep
        self._spool = Spool(folder, CLOSE_AFTER_S, CLOSE_AFTER_S, MAX_SEGMENT)
        self._notes: deque[Note] = deque()
        self._turn = threading.Lock()
        self._noted = self._written = 0  # bytes of memory; each counted in one thread only
        self._overflown = self._lost = self._logged = 0  # rows; the first counted on the event loop only
        self._logged_s = float("-inf")
        self._nameless = 0
        self._reason = ""

    # --- on the event loop ----------------------------------------------------------------------------------

    def record(
        self, served: ServedDeployment, rows: Sequence[Sequence[Any]], ids: Sequence[Any], predictions: Predictions,
        role: Role = "answer", size: int = 0, explored: Explored | None = None,
    ) -> None:  # fmt: skip
        """Note what was answered to a request of `size` bytes, and what of it was drawn at random; rows that find no
        room in memory are dropped and counted."""
        if not self._share or not rows:
            return
        weight = size + CELL_BYTES * len(rows) * (len(rows[0]) + 4)
        waiting = self._noted - self._written
        if waiting and waiting + weight > MOST_BYTES:
            self._overflown += len(rows)
            return
        self._noted += weight
        self._notes.append(Note(time.time(), served, rows, ids, predictions, role, size, weight, explored))

    def not_kept(self, ids: Iterable[Any]) -> list[Any]:
        """Those of the ids whose rows the log does not choose, whichever process answers them."""
        return [key for key in ids if not self._chooses(key)]

    # --- in a thread ----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was noted, durable on return, and hand an old segment over."""
        with self._turn:
            notes = [self._notes.popleft() for _ in range(len(self._notes))]
            if notes:
                self._write(notes)
                self._written += sum(note.weight for note in notes)
            self._spool.close_old()
            self._log_dropped()

    def move_to(self, folder: Path) -> None:
        """Write what is noted from here on into another folder, and hand the open segment over; OSError where that
        fails."""
        with self._turn:
            self._folder = folder
            self._spool.move_to(folder)

    def close(self) -> None:
        """Write the rest and hand it over."""
        self.flush()
        self._spool.close_old(at_once=True)

    @property
    def dropped(self) -> int:
        """Rows that were chosen or might have been, and found no room."""
        return self._overflown + self._lost

    def _write(self, notes: list[Note]) -> None:
        """Whatever goes wrong costs these rows, and neither the server nor later ones."""
        rows = sum(len(note.ids) for note in notes)
        try:
            for lines, count in self._encoded(notes):
                self._refuse_where_full()
                self._spool.append_lines(lines)
                self._spool.close_old()
                rows -= count
        except Exception as error:
            self._lost += rows
            self._reason = (error.strerror or str(error)) if isinstance(error, OSError) else repr(error)

    def _encoded(self, notes: list[Note]) -> Iterator[tuple[list[bytes], int]]:
        """Lines of about WRITE_BYTES together, and how many rows they have."""
        encoded, rows, started_s = [], 0, time.perf_counter()
        for line in self._lines(notes):
            encoded.append(line.encode())
            rows += len(line.at)
            time.sleep(BREATHS * (time.perf_counter() - started_s))
            if sum(map(len, encoded)) > WRITE_BYTES:
                yield encoded, rows
                encoded, rows = [], 0
            started_s = time.perf_counter()
        if encoded:
            yield encoded, rows

    def _refuse_where_full(self) -> None:
        if spooled_bytes(self._folder) > self._keep:
            raise OSError(f"{self._keep:,} bytes wait to be taken in (prediction_log.keep)")
        durable.make_folder(self._folder, "spool.folder", parents=False)
        if shutil.disk_usage(self._folder).free < self._min_free:
            raise OSError("less than [service] min_free is left on the disk")

    def _lines(self, notes: list[Note]) -> Iterator[_Line]:
        """The chosen rows, about LINE_ROWS a line, each line of one deployment and role."""
        line: _Line | None = None
        for note in notes:
            chosen = None if self._share >= 1 else [k for k, key in enumerate(note.ids) if self._chooses(key)]
            if note.size > LONGEST_TEXT:
                chosen = self._without_long_texts(note, chosen)
            if chosen == []:
                continue
            if line is not None and not line.takes(note):
                yield line
                line = None
            line = line or _Line(note.served, note.role)
            line.add(note, chosen)
        if line is not None:
            yield line

    def _without_long_texts(self, note: Note, chosen: list[int] | None) -> list[int] | None:
        """The chosen rows but for those that are dropped and counted for a text that is no category's."""
        places = range(len(note.rows)) if chosen is None else chosen
        short = [k for k in places if not any(isinstance(v, str) and len(v) > LONGEST_TEXT for v in note.rows[k])]
        if len(short) == len(places):
            return chosen
        self._lost += len(places) - len(short)
        self._reason = f"a category of more than {LONGEST_TEXT:,} characters"
        return short

    def _chooses(self, key: Any) -> bool:
        """Rows with an id by the id, the same in every process; others by counting."""
        share = self._share
        if share in (0, 1):
            return share == 1
        name = _name(key)
        if name is not None:
            return position(SALT, name) < share
        self._nameless += 1
        return int(self._nameless * share) > int((self._nameless - 1) * share)

    def _log_dropped(self) -> None:
        """At most one line a minute."""
        dropped, now_s = self.dropped, time.monotonic()
        if dropped > self._logged and now_s - self._logged_s >= QUIET_S:
            reason = self._reason or "more rows came than could be written"
            log.warning("predictions_dropped", model=self._model, rows=dropped - self._logged, reason=reason)
            self._logged, self._logged_s, self._reason = dropped, now_s, ""


def feedback_note(missing: Sequence[Any]) -> dict[str, Any]:
    """What the answer to feedback says of ids whose rows are not kept; nothing where there are none."""
    if not missing:
        return {}
    return {"not_kept": list(missing[:TOLD_IDS]), "not_kept_count": len(missing), "note": NOTE}


def _name(key: Any) -> str | None:
    """An id as text; None for what is no id."""
    return (word(key) or None) if isinstance(key, str | int) else None


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's; anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)
