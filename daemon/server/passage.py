"""Passes requests for the status page to the page's process, and its answers back: bounded in number, size and time, so
that a page process that hangs, dies or floods keeps no prediction waiting."""

import asyncio
import contextlib
import html
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from daemon.runtime import page_wire
from daemon.runtime.page_wire import Head, Request
from daemon.server.protocol import ABORT
from daemon.server.refusal import BadRequest

AT_ONCE, MOST_WAITING, MOST_STREAMS = 8, 64, 128
"""Requests that the page works on at once, that wait for their turn or whose answer is not taken yet, and streams of
events, of one server process."""
ANSWER_S, SILENT_S = 15.0, 60.0
"""How long an answer may take, with the wait for its turn, and a stream be silent: the page sends a word oftener."""
TAKEN_S = 30.0
"""How long a client may leave a piece of an answer unread."""
MOST_ANSWER, PIECE = page_wire.MOST_ANSWER, 64 * 1024
FOLDERS = ("m", "api", "asked", "badge", "static")
PLACES = ("/", "/api", "/log", "/doctor", "/login", "/logout")
METHODS = ("GET", "HEAD", "POST")
STREAM = "/api/events"
DOWN = "the status page does not answer; predictions do. Try again in a moment: driftd starts the page anew"
FULL = "too many ask for the status page at once; try again in a moment"
END = {"type": "http.response.body", "body": b""}
Fields = list[tuple[str, str]]
Answered = tuple[int, Fields, bytes]
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def is_page(path: str) -> bool:
    """Whether a path is the page's.

    >>> [is_page(path) for path in ("/", "/m/churn", "/api/log", "/v2", "/models/m/predict", "/metrics", "/mm")]
    [True, True, True, False, False, False, False]
    """
    return path in PLACES or (path[1:].partition("/")[0] in FOLDERS and path.count("/") > 1)


class Passage:
    """The way to the page process at `address`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._streams: set[asyncio.Task[None]] = set()
        self._kept: list[Ends] = []
        self.draining = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; whatever goes wrong is 503 with a word."""
        with contextlib.ExitStack() as held:
            try:
                if scope["method"] not in METHODS:
                    allowed = {"allow": ", ".join(METHODS)}
                    raise BadRequest(f"{scope['method']} is not for this address", 405, allowed)
                body = await _body(receive)
                if scope["path"].removesuffix("/") == STREAM and scope["method"] == "GET":
                    await self._stream(scope, _request(scope, body), receive, send)
                    return
                held.enter_context(self._place())
                status, headers, answer = await self._ask(_request(scope, body), body)
            except BadRequest as error:
                status, headers, answer = _refusal(scope, str(error), error.status, error.headers)
            except (OSError, EOFError, ValueError, TimeoutError):
                status, headers, answer = _refusal(scope, DOWN, 503, {"retry-after": "2"})
            await self._send(scope, status, headers, answer, send)

    def drain(self) -> None:
        """End the streams, which would never end by themselves."""
        self.draining = True
        for task in self._streams:
            task.cancel()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places of those that are answered, until the client has its answer: together they bound the memory
        of answers that nobody reads. BadRequest 503 where there is none."""
        if self._waiting >= MOST_WAITING:
            raise BadRequest(FULL, 503, {"retry-after": "1"})
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _ask(self, request: Request, body: bytes) -> Answered:
        """The whole answer."""
        async with asyncio.timeout(ANSWER_S), self._turns:
            if request.method != "POST":  # which is not sent twice
                with contextlib.suppress(OSError, EOFError):  # the page ended a connection as it was used again
                    if self._kept:
                        return await self._exchange(*self._kept.pop(), request, body)
            return await self._exchange(*await page_wire.connect(self._address), request, body)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, body: bytes
    ) -> Answered:
        """Ask and read the whole answer; then the connection is kept for the next."""
        try:
            writer.write(page_wire.line(request) + body)
            head = await page_wire.read(reader, Head)
            size = MOST_ANSWER + 1 if head.body_bytes is None else head.body_bytes
            if size > MOST_ANSWER:
                raise ValueError("an answer of more bytes than any page has")
            answer = await reader.readexactly(size)
        except BaseException:
            writer.close()
            raise
        self._kept.append((reader, writer))
        return head.status, head.headers, answer

    async def _stream(self, scope: Any, request: Request, receive: Any, send: Any) -> None:
        """Send on what comes, until either side ends."""
        if self.draining or len(self._streams) >= MOST_STREAMS:
            raise BadRequest("it ends" if self.draining else FULL, 503, {"retry-after": "5"})
        task = asyncio.ensure_future(self._send_on(scope, request, send))
        self._streams.add(task)
        left = asyncio.ensure_future(receive())
        try:
            await asyncio.wait([task, left], return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            task.cancel()
            left.cancel()
            self._streams.discard(task)

    async def _send_on(self, scope: Any, request: Request, send: Any) -> None:
        begun = False
        try:
            async with _connected(self._address) as (reader, writer):
                writer.write(page_wire.line(request))
                async with asyncio.timeout(ANSWER_S):
                    head = await page_wire.read(reader, Head)
                await send({"type": "http.response.start", "status": head.status, "headers": _encoded(head.headers)})
                begun = True
                left = head.body_bytes  # of a refusal; a stream has no end of its own
                while left != 0 and (piece := await _piece(reader)):
                    await _taken(scope, send, {"type": "http.response.body", "body": piece, "more_body": True})
                    left = None if left is None else max(0, left - len(piece))
        except (OSError, EOFError, ValueError, TimeoutError):
            if not begun:
                raise
        finally:
            if begun:
                with contextlib.suppress(RuntimeError):  # the client is gone
                    await send(END)

    async def _send(self, scope: Any, status: int, headers: Fields, body: bytes, send: Any) -> None:
        """In pieces, each when the one before was taken; a client that does not read loses its connection."""
        fields = [*_encoded(headers), (b"content-length", str(len(body)).encode())]
        if self.draining:
            fields.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": status, "headers": fields}
        pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]
        bodies = [{"type": "http.response.body", "body": piece, "more_body": True} for piece in pieces]
        with contextlib.suppress(RuntimeError, OSError):  # the client is gone
            await _taken(scope, send, start, bodies[0])
            for message in bodies[1:]:
                await _taken(scope, send, message)
            await _taken(scope, send, END)


async def _taken(scope: Any, send: Any, *messages: dict[str, Any]) -> None:
    """Send when what was sent before is taken; a client that leaves it for long loses its connection: OSError."""
    try:
        async with asyncio.timeout(TAKEN_S):
            for message in messages:
                await send(message)
    except TimeoutError:
        scope[ABORT]()
        await send(END)  # comes back when the connection is gone
        raise ConnectionAbortedError("the client does not read its answer") from None


@contextlib.asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Ends]:
    reader, writer = await page_wire.connect(address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _piece(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SILENT_S):
        return await reader.read(PIECE)


async def _body(receive: Any) -> bytes:
    """The body; BadRequest 413 where it is larger than any that the page takes."""
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client went away")
        pieces.append(message["body"])
        size, more = size + len(message["body"]), message["more_body"]
        if size > page_wire.MOST_BODY:
            reason = f"the body is larger than {page_wire.MOST_BODY:,} bytes"
            raise BadRequest(reason, 413, {"connection": "close"})
    return b"".join(pieces)


def _request(scope: Any, body: bytes) -> Request:
    client = scope["client"]
    return Request(
        scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"),
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        client[0] if client else "", len(body),
    )  # fmt: skip


def _encoded(headers: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _refusal(scope: Any, reason: str, status: int, headers: dict[str, str]) -> Answered:
    """As JSON where JSON was asked for, else as a page of one sentence."""
    fields = [*headers.items(), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    if scope["path"].startswith("/api/"):
        return status, [*fields, ("content-type", "application/json")], msgspec.json.encode({"error": reason})
    page = f'<!doctype html><html lang="en"><title>driftd</title><p>{html.escape(reason)}</p></html>'
    fields += [("content-type", "text/html; charset=utf-8"), ("content-security-policy", "default-src 'none'")]
    return status, fields, page.encode()
