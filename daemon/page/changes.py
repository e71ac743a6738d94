"""What is new, for pages that are open: one stream of server-sent events for each, fed by one look at the ledger.

While nobody listens, nothing is looked at. Who falls behind, or comes again after a break, gets what he missed by the
number of the last event that he had, as browsers send it (Last-Event-ID; the HTML standard, server-sent events)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Version, events
from daemon.page.answers import Refusal, encoded
from daemon.page.reading import Reading
from daemon.runtime.log import get_logger
from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest
from retrain.records.errors import Refused, Retry

log = get_logger()
LOOK_S, QUIET_S, LONGEST_S = 1.0, 15.0, 3600.0
"""How often the ledger is looked at, after how long a silent stream has a word, and how long a stream lasts: the
browser begins another by itself, and is judged anew."""
MOST_STREAMS, MOST_MISSED, MOST_WAITING = 512, 200, 64
AGAIN = b"retry: 2000\n\n"
WORD = b": nothing new\n\n"
CHANGED = b"event: changed\ndata: {}\n\n"


class Changes:
    """All streams of the page process."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.pool = Pool("looking what is new", 1, 10.0)
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._version: Version = -1
        self._newest = -1
        self._failed = ""

    def listen(self, last_id: str) -> AsyncIterator[bytes]:
        """The pieces of a stream, from the event after `last_id` on, else from now on; Refusal 503 where too many
        listen."""
        if len(self._listeners) >= MOST_STREAMS:
            raise Refusal(503, "too many pages are open at once", (("retry-after", "10"),))
        last = int(last_id) if last_id.isascii() and last_id.isdigit() and len(last_id) < 16 else None
        return self._pieces(last)

    async def _pieces(self, last: int | None) -> AsyncIterator[bytes]:
        """It begins with a change: something may have happened since the page was made."""
        until_s = time.monotonic() + LONGEST_S
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield AGAIN + CHANGED
            if last is not None and (missed := await self._after(last)):
                yield _told(missed)
            while time.monotonic() < until_s:
                try:
                    async with asyncio.timeout(QUIET_S):
                        piece = await queue.get()
                except TimeoutError:
                    piece = WORD
                if piece is None:  # it fell behind: it comes again with its last number
                    return
                yield piece
        finally:
            self._listeners.discard(queue)

    async def _look(self) -> None:
        """Tell all what is new, until nobody listens any more; what goes wrong ends no stream, and is logged once."""
        self._version = self._newest = -1
        while self._listeners:
            try:
                if found := await self.pool.run(self._new):
                    for queue in list(self._listeners):
                        self._tell(queue, found)
            except BadRequest:
                pass  # the pool is busy: the next look tells it
            except Exception as error:
                self._log(repr(error))
            await asyncio.sleep(LOOK_S)

    def _log(self, error: str) -> None:
        if error != self._failed:
            self._failed = error
            log.error("request_failed", path="/api/events", error=error)

    def _tell(self, queue: "asyncio.Queue[bytes | None]", piece: bytes) -> None:
        if queue.full():
            self._listeners.discard(queue)
            queue.get_nowait()
            queue.put_nowait(None)
        else:
            queue.put_nowait(piece)

    def _new(self) -> bytes:
        """What was committed since the last look; nothing the first time, and while the ledger cannot be read."""
        try:
            ledger = self._reading.ledger()
            version, before = ledger.data_version(), self._version
            if version == before:
                return b""
            with ledger.connect() as conn:
                found = [] if self._newest < 0 else events.after(conn, self._newest, MOST_MISSED)
                self._newest = events.newest_id(conn)
            self._version = version
            return b"" if before == -1 else _told(found) + CHANGED
        except (Refused, Retry, SQLAlchemyError, OSError):
            self._reading.close()
            return b""

    async def _after(self, last: int) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._reading.ledger().connect() as conn:
                return events.after(conn, last, MOST_MISSED)

        with contextlib.suppress(BadRequest, Refused, Retry, SQLAlchemyError, OSError):
            return await self.pool.run(read)
        return ()


def _told(rows: Sequence[Any]) -> bytes:
    """Events of the log as server-sent events: JSON has no line ends, whatever a name holds."""
    pieces = []
    for row in rows:
        told = {"event": row.event, "level": row.level, "at": row.at, "model": row.model, "fields": row.fields}
        pieces.append(b"id: %d\nevent: logged\ndata: %s\n\n" % (row.id, encoded(told)))
    return b"".join(pieces)
