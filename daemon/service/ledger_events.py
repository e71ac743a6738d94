"""Log events on their way to the ledger, where `driftd history` finds them."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import Ledger, events
from daemon.service.status_line import StatusLine

MOST_UNWRITTEN = 10_000
Rows = Sequence[dict[str, Any]]


class EventBuffer:
    """What was logged since the last writing, the newest ten thousand; `status` follows what was written."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_UNWRITTEN)
        self.status = StatusLine()

    def add(self, entry: dict[str, Any]) -> None:
        """An event, from any thread."""
        self._waiting.append(entry)

    def clear(self) -> None:
        """Forget what waits: it was logged while another service led, who wrote down what happened."""
        self._waiting.clear()

    def write(self, ledger: Ledger, route: Callable[[Connection, Rows], object] = lambda _conn, _rows: None) -> None:
        """All that waits, in one transaction with what `route` writes of it; what cannot be written goes on waiting."""
        waiting = list(self._waiting)
        if not waiting:
            return
        rows = [as_row(entry) for entry in waiting]
        with ledger.begin() as conn:
            events.append(conn, rows)
            route(conn, rows)
        for _ in range(min(len(waiting), len(self._waiting))):
            self.status.update(self._waiting.popleft())


def as_row(entry: dict[str, Any]) -> dict[str, Any]:
    """A logged event as a row of the ledger."""
    fields = json.loads(json.dumps(entry, default=str))
    event, level, model = fields.pop("event"), fields.pop("level"), fields.pop("model", None)
    at = datetime.fromisoformat(fields.pop("timestamp")).timestamp()
    return {"at": at, "event": event, "level": level, "model": model, "fields": fields}
