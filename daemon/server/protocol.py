"""uvicorn's HTTP protocol with limits that it lacks: on the time a request may take to arrive, and on its headers.

What cannot be parsed is answered in JSON like any other mistake."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 64 * 1024
SWEEP_S = 1.0


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `begun_s` is when the request that is arriving began, None while nothing is due."""

    begun_s: float | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A fresh connection owes a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.begun_s = self.loop.time()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.begun_s = self.loop.time()
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, as long as they are not too many."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes <= MOST_HEADER_BYTES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse what had too many."""
        if self._header_bytes > MOST_HEADER_BYTES:
            self.refuse(431, f"the headers are larger than {MOST_HEADER_BYTES:,} bytes")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Nothing more of what was refused."""
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self.begun_s = None
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; a header that never ends is cut off."""
        super().data_received(data)
        if self.cycle is None and self.begun_s is not None:
            self._header_bytes += len(data)
            if self._header_bytes > 2 * MOST_HEADER_BYTES and not self.transport.is_closing():
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
        """Answer and close."""
        body = msgspec.json.encode({"error": reason})
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.begun_s = None
        self.transport.write(head.encode() + body)
        self.transport.close()


async def close_overdue(connections: set[Any], time_s: float) -> None:
    """Until cancelled: close connections whose request did not arrive within `time_s`."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(SWEEP_S, time_s))
        for connection in list(connections):
            begun_s = connection.begun_s
            if begun_s is not None and loop.time() - begun_s > time_s and not connection.transport.is_closing():
                connection.refuse(408, f"the request did not arrive within {time_s:g} s")
