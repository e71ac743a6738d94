"""A real receiver of webhooks for tests: keeps what it was sent, and answers as it is told to."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request: its headers in lower case, its body, and whether it was acknowledged."""

    headers: dict[str, str]
    body: bytes
    accepted: bool
    path: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers with `status`, or with what `judge` says of a body; holds each request until `may_answer` is set."""

    port: int = 0
    status: int = 204
    received: list[Received] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    judge: Callable[[Any], int] | None = None
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?team=ops"

    @property
    def arrived(self) -> list[Any]:
        """The messages that it acknowledged, without repeats: as a receiver does, by their key."""
        return list({one.headers["idempotency-key"]: one.json for one in self.received if one.accepted}.values())

    def about(self, event: str) -> list[Any]:
        """Data of the messages of one event."""
        return [one["data"] for one in self.arrived if one["data"]["event"] == event]


@contextlib.contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs until the end."""
    told = Receiver()
    told.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.may_answer.wait(30)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = told.status if told.judge is None else told.judge(json.loads(body))
            told.received.append(Received(headers, body, status < 300, self.path))
            self.send_response(status)
            for name, value in told.answer_headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.may_answer.set()
        server.shutdown()
        server.server_close()
