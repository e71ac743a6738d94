"""A seeded status page at an address: the real application with its real headers, without a service behind it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from page_states import NOW

from daemon.config.config import Config
from daemon.page.answers import Answer
from daemon.page.app import App
from daemon.page.reading import Reading
from daemon.page.rights import Rights
from daemon.runtime.page_wire import Request
from daemon.server.bodies import compressed
from daemon.server.tokens import Tokens


@contextmanager
def served(config: Config, now: Callable[[], float] = lambda: NOW) -> Iterator[str]:
    """Where it is; whoever comes may act. What is asked is kept, and nobody does it."""
    loop = asyncio.new_event_loop()
    turning = threading.Thread(target=loop.run_forever, daemon=True)
    turning.start()
    app = App(config, Reading(config), Rights(Tokens((), ()), open_acts=True), now)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asyncio.run_coroutine_threadsafe(_told(app, self, body), loop).result()

        do_POST = do_GET  # noqa: N815 (the name that the library calls)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
            loop.call_soon_threadsafe(loop.stop)
            turning.join()
            for pool in app.pools:
                pool.close()


async def _told(app: App, handler: Any, body: bytes) -> None:
    """What a server sends of an answer: whole and compressed, or a stream piece by piece."""
    address = urlsplit(handler.path)
    headers = [(name.lower(), value) for name, value in handler.headers.items()]
    asked = Request(handler.command, address.path, address.query, headers, "127.0.0.1", len(body))
    answer = await app.answer(asked, body)
    given = {name.encode("latin-1"): value.encode("latin-1", "replace") for name, value in headers}
    text, encoding = await compressed(answer.body, given, app.rendering)
    handler.send_response(answer.status)
    for name, value in answer.fields():
        handler.send_header(name, value)
    if encoding is not None:
        handler.send_header("content-encoding", encoding)
    handler.send_header(*(("connection", "close") if answer.pieces else ("content-length", str(len(text)))))
    handler.end_headers()
    try:
        handler.wfile.write(text)
        await _streamed(answer, handler)
    except OSError:
        handler.close_connection = True  # the browser left


async def _streamed(answer: Answer, handler: Any) -> None:
    if answer.pieces is not None:
        async for piece in answer.pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
