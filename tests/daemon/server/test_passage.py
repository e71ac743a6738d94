"""The way from the prediction server to the page: what a client leaves unread is bounded in number, size and time."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from page_states import configured

from daemon.page.__main__ import PageServer
from daemon.page.answers import Answer
from daemon.runtime import page_wire
from daemon.runtime.page_wire import Head, Request, address_of, page_listener
from daemon.runtime.passed_on import PassedOn
from daemon.server import passage
from daemon.server.passage import PIECE, Passage
from daemon.server.protocol import ABORT

BODY = b"x" * (3 * PIECE + 1)


class Client:
    """One request; it takes what it is sent while `reads` is set, and is told apart from others by what it got."""

    def __init__(self, path: str = "/log") -> None:
        self.reads, self.gone, self.begun = asyncio.Event(), False, asyncio.Event()
        self.messages: list[dict[str, Any]] = []
        self._asked = False
        self.scope = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
                      "client": ("127.0.0.1", 1), ABORT: self._abort}  # fmt: skip

    def _abort(self) -> None:
        self.gone = True
        self.reads.set()

    async def receive(self) -> dict[str, Any]:
        """The request, and then nothing."""
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        """As uvicorn does: wait until it may be written, and drop it when the client is gone."""
        self.begun.set()
        await self.reads.wait()
        if not self.gone:
            self.messages.append(message)

    async def ask(self, way: Passage) -> tuple[int, bytes]:
        """The status, and the body."""
        await way(self.scope, self.receive, self.send)
        return (self.messages or [{}])[0].get("status", 0), b"".join(one.get("body", b"") for one in self.messages)


def with_page(story: Callable[[Passage], Awaitable[None]], head: Head) -> None:
    """Run a story beside a page that answers BODY to all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await page_wire.read(reader, Request)
        writer.write(page_wire.line(head) + BODY)
        writer.close()

    async def run() -> None:
        listener = page_listener()
        async with await asyncio.start_unix_server(serve, sock=listener):
            await story(Passage(address_of(listener)))

    asyncio.run(run())


def test_an_answer_that_is_not_read_keeps_its_place_and_goes_in_pieces(monkeypatch):
    """Only so many answers are held; the place is free again when the client has the whole."""
    monkeypatch.setattr(passage, "MOST_WAITING", 1)

    async def story(way: Passage) -> None:
        slow, other, later = Client(), Client(), Client()
        first = asyncio.create_task(slow.ask(way))
        await slow.begun.wait()
        other.reads.set()
        assert (await other.ask(way))[0] == 503
        slow.reads.set()
        assert await first == (200, BODY)
        assert max(len(one.get("body", b"")) for one in slow.messages) == PIECE
        later.reads.set()
        assert await later.ask(way) == (200, BODY)

    with_page(story, Head(200, [], len(BODY)))


@pytest.mark.parametrize(("path", "size"), [("/log", len(BODY)), ("/api/events", None)])
def test_a_client_that_never_reads_loses_its_connection(monkeypatch, path, size):
    """Pages and streams alike."""
    monkeypatch.setattr(passage, "TAKEN_S", 0.0)

    async def story(way: Passage) -> None:
        client = Client(path)
        if size is None:  # it takes the head of the stream, and no more
            client.reads.set()
            taken = client.send

            async def send(message: dict[str, Any]) -> None:
                await taken(message)
                if not client.gone:
                    client.reads.clear()

            client.send = send  # type: ignore[method-assign]
        await client.ask(way)
        assert client.gone and BODY not in b"".join(one.get("body", b"") for one in client.messages)

    with_page(story, Head(200, [], size))


def test_a_connection_serves_one_request_after_another_while_the_page_lives():
    """One that the page ended, before or within an answer, is replaced by a new one, and nobody notices."""
    opened: list[asyncio.StreamWriter] = []
    told = [len(BODY), len(BODY), len(BODY) + 1, len(BODY), len(BODY)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        with contextlib.suppress(EOFError):
            while True:
                await page_wire.read(reader, Request)
                writer.write(page_wire.line(Head(200, [], told.pop(0))) + BODY)
                if len(told) == 2:
                    break  # in the middle of an answer
        writer.close()

    async def ask(way: Passage) -> tuple[int, bytes]:
        client = Client()
        client.reads.set()
        return await client.ask(way)

    async def run() -> None:
        listener = page_listener()
        async with await asyncio.start_unix_server(serve, sock=listener):
            way = Passage(address_of(listener))
            assert [await ask(way) for _ in range(2)] == [(200, BODY)] * 2 and len(opened) == 1
            assert await ask(way) == (200, BODY) and len(opened) == 2  # asked again: the first one ended within
            opened[1].close()
            assert await ask(way) == (200, BODY) and len(opened) == 3
            opened[2].close()

    asyncio.run(run())


def test_a_stream_is_one_with_a_slash_at_its_end_too():
    """As the page understands the address."""

    async def story(way: Passage) -> None:
        client = Client("/api/events/")
        client.reads.set()
        assert await client.ask(way) == (200, BODY)

    with_page(story, Head(200, [], None))


def test_a_stream_that_is_refused_ends_with_its_answer():
    """The page keeps the connection for another request, so its end is no sign."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await page_wire.read(reader, Request)
        writer.write(page_wire.line(Head(401, [], len(BODY))) + BODY)
        await reader.read()  # until the server ends it
        writer.close()

    async def run() -> None:
        listener = page_listener()
        async with await asyncio.start_unix_server(serve, sock=listener):
            client = Client("/api/events")
            client.reads.set()
            async with asyncio.timeout(passage.SILENT_S / 2):
                assert await client.ask(Passage(address_of(listener))) == (401, BODY)

    asyncio.run(run())


def test_an_answer_larger_than_any_is_told_with_the_way_out(monkeypatch, tmp_path: Path):
    """By the page, in place of the answer."""
    monkeypatch.setattr(page_wire, "MOST_ANSWER", 2_000)

    async def story() -> None:
        ours, theirs = socket.socketpair()
        listener = page_listener()
        page = PageServer(configured(tmp_path, {"flights": "auto"}), True, listener, theirs, PassedOn())
        running = asyncio.create_task(page.run())
        reader, writer = await asyncio.open_connection(sock=ours)
        await reader.readline()  # ready
        client = Client("/static/page.css")
        client.reads.set()
        status, body = await client.ask(Passage(address_of(listener)))
        assert status == 400 and b"ask for fewer" in body
        writer.close()
        await running

    asyncio.run(story())


def test_a_page_process_that_is_to_stop_still_answers_what_it_was_asked(monkeypatch, tmp_path: Path):
    """As when somebody asks for a reload, by which the page's process is replaced while he waits for its outcome."""

    async def story() -> None:
        ours, theirs = socket.socketpair()
        listener = page_listener()
        page = PageServer(configured(tmp_path, {"flights": "auto"}), True, listener, theirs, PassedOn())
        begun, goes_on, answer = asyncio.Event(), asyncio.Event(), page._app.answer

        async def slow(request: Request, body: bytes) -> Answer:
            begun.set()
            await goes_on.wait()
            return await answer(request, body)

        monkeypatch.setattr(page._app, "answer", slow)
        running = asyncio.create_task(page.run())
        reader, writer = await asyncio.open_connection(sock=ours)
        await reader.readline()  # ready
        client = Client("/static/page.css")
        client.reads.set()
        asked = asyncio.create_task(client.ask(Passage(address_of(listener))))
        await begun.wait()
        writer.write(b'{"op": "stop"}\n')
        while not page._stopping:
            await asyncio.sleep(0)
        goes_on.set()
        assert (await asked)[0] == 200
        await running
        writer.close()

    asyncio.run(story())
