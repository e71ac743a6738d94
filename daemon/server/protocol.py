"""uvicorn's HTTP protocol with limits that it lacks: on the time a request may take to arrive, on its headers, on
requests sent before their answers, and on connections.

What cannot be parsed is answered in JSON like any other mistake."""

import asyncio
import resource
import time
from collections import Counter
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from daemon.runtime.log import get_logger

log = get_logger()
MOST_HEADER_BYTES = 64 * 1024
MOST_PIPELINED = 16
SWEEP_S = 1.0
QUIET_S = 60.0
MOST_CONNECTIONS = 16_384
ABORT = "driftd.abort"
"""In the scope of a request: ends its connection at once, and drops what was not read of it."""
KEPT_DESCRIPTORS = 128
"""Open files that a server needs besides its connections."""


def limit_connections() -> None:
    """Have as many connections as the process may have open files, at most MOST_CONNECTIONS, less what it needs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + KEPT_DESCRIPTORS
    soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    LimitedProtocol.most_connections = max(soft - KEPT_DESCRIPTORS, soft // 2)


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `begun_s` is when the request that is arriving began, None while nothing is due."""

    most_connections: ClassVar[int] = MOST_CONNECTIONS
    refused: ClassVar[int] = 0
    logged_s: ClassVar[float] = float("-inf")
    begun_s: float | None = None
    _header_bytes = 0
    _unread = 0
    """Bytes since the last ones that were part of a body, or ended a request's headers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A fresh connection owes a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.begun_s = self.loop.time()
        if len(self.connections) > self.most_connections:
            self._refuse_connection()

    def _abort(self) -> None:
        self.transport.abort()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope[ABORT] = self._abort  # type: ignore[literal-required]
        self.begun_s = self.loop.time()
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, as long as they are not too many."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes <= MOST_HEADER_BYTES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse what had too many, or came long before its turn."""
        self._unread = 0
        if self._header_bytes > MOST_HEADER_BYTES:
            self.refuse(431, f"the headers are larger than {MOST_HEADER_BYTES:,} bytes")
            return
        if len(self.pipeline) >= MOST_PIPELINED:
            self.transport.close()  # an answer now would be taken for that of an earlier request
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Nothing more of what was refused."""
        self._unread = 0
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self.begun_s = None
        self._unread = 0
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; an address, a header, a chunk's length or a trailer that never ends is cut off."""
        if self.transport.is_closing():
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > 2 * MOST_HEADER_BYTES and not self.transport.is_closing():
            self.refuse(431, f"the headers are larger than {MOST_HEADER_BYTES:,} bytes")

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that sent its request and says that it sends no more still gets its answer."""
        pending = self.cycle is not None and not self.cycle.response_complete and self.begun_s is None
        if pending:
            self.cycle.keep_alive = False
        return pending

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - always the same
        """What is no HTTP."""
        self.refuse(400, "this is no valid request of HTTP/1.1")

    def refuse(self, status: int, reason: str) -> None:
        """Answer, unless an answer has begun, and close."""
        body = msgspec.json.encode({"error": reason})
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.begun_s = None
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _refuse_connection(self) -> None:
        kind = LimitedProtocol
        kind.refused += 1
        self.refuse(503, f"{self.most_connections} connections are open already")
        if time.monotonic() - kind.logged_s >= QUIET_S:
            log.warning("connections_refused", connections=self.most_connections, refused=kind.refused)
            kind.logged_s, kind.refused = time.monotonic(), 0


async def close_overdue(connections: set[Any], time_s: float) -> None:
    """Until cancelled: close connections whose request did not arrive within `time_s`."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(SWEEP_S, time_s))
        for connection in overdue(list(connections), loop.time() - time_s, LimitedProtocol.most_connections // 2):
            connection.refuse(408, f"the request did not arrive within {time_s:g} s")


def overdue(connections: list[Any], before_s: float, share: int) -> list[Any]:
    """Connections that owe a request since before a moment, and, of an address with more than its `share` of those
    that owe one, the oldest beyond it: one client cannot have all the room."""
    owing = [one for one in connections if one.begun_s is not None and not one.transport.is_closing()]
    late = [one for one in owing if one.begun_s < before_s]
    if len(owing) <= share:
        return late
    (address, count), *_ = Counter(one.client and one.client[0] for one in owing).most_common(1)
    theirs = sorted((one for one in owing if one.client and one.client[0] == address), key=lambda one: one.begun_s)
    return list(dict.fromkeys([*late, *theirs[: max(0, count - share)]]))
