"""`python -m daemon.page`: started by control with a listening Unix socket and a channel to it. Servers ask it what the
status page is to show; it reads the ledger and never writes there, and gives way to whoever needs the processor."""

import argparse
import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop

from daemon.config.config import Config, load_config
from daemon.page.answers import Answer
from daemon.page.app import App
from daemon.page.reading import Reading
from daemon.page.rights import Rights
from daemon.page.traffic import Traffic
from daemon.runtime import faults, page_wire
from daemon.runtime.log import configure, get_logger, log_dropped
from daemon.runtime.page_wire import Head, Request
from daemon.runtime.parent import end_with_parent
from daemon.runtime.passed_on import PassedOn
from daemon.server.bodies import compressed
from daemon.server.pools import Pool
from daemon.server.tokens import load_tokens

log = get_logger()
BEAT_S, ARRIVE_S, READ_S, HUNG_S = 1.0, 10.0, 30.0, 240.0
"""How often it gives a sign of life, how long a request's body may arrive and a stream not be read, and when what is
made never ends."""
OWED_S = 6.0
"""How long it still answers when it is to stop: longer than somebody waits for what becomes of an action."""
NICE = 5
TOO_LARGE = "the answer is larger than 2 MB: ask for fewer entries (?last=, ?entries=), or accept compression (gzip)"


class PageServer:
    """The page process."""

    def __init__(
        self,
        config: Config,
        loopback: bool,
        listener: socket.socket,
        channel: socket.socket,
        passed_on: PassedOn,
    ) -> None:
        tokens = load_tokens(config, os.environ)
        self._traffic = Traffic()
        reading = Reading(config, self._traffic)
        self._app = App(config, reading, Rights(tokens, loopback and config.service.page_acts))
        self._compressing = Pool("compressing the page", 1, ARRIVE_S)
        self._listener, self._channel, self._passed_on = listener, channel, passed_on
        self._writer: asyncio.StreamWriter | None = None
        self._owing: set[asyncio.Task[None] | None] = set()
        self._stopping = False

    async def run(self) -> None:
        """Answer until control says stop or is gone, and then what was asked before."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        server = await asyncio.start_unix_server(self._serve, sock=self._listener, limit=page_wire.MOST_LINE)
        self._report({"event": "ready"})
        beating = asyncio.create_task(self._beat())
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                message = json.loads(line)
                if message["op"] == "totals":
                    self._traffic.receive(message)
                elif message["op"] == "stop":
                    break
        beating.cancel()
        self._stopping = self._app.acting.leaving = True
        server.close()
        if owing := [task for task in self._owing if task is not None]:
            await asyncio.wait(owing, timeout=OWED_S)
        for pool in (*self._app.pools, self._compressing):
            pool.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests one after another, until the server ends it or a stream took it. It owes an answer
        from its beginning on, and from each later request on."""
        task = asyncio.current_task()
        self._owing.add(task)
        try:
            goes_on = page_wire.is_own_user(writer.get_extra_info("socket"))
            while goes_on:
                request = await page_wire.read(reader, Request)
                self._owing.add(task)
                async with asyncio.timeout(ARRIVE_S):
                    body = await reader.readexactly(min(request.body_bytes, page_wire.MOST_BODY))
                goes_on = await self._send(request, await self._app.answer(request, body), writer)
                goes_on = goes_on and not self._stopping
                self._owing.discard(task)
        except (OSError, EOFError, ValueError, TimeoutError):
            pass  # the server is gone, and its client was told
        finally:
            self._owing.discard(task)
            writer.close()

    async def _send(self, request: Request, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        """Whether another request may follow."""
        if answer.pieces is not None:
            self._owing.discard(asyncio.current_task())
            await self._stream(answer, answer.pieces, writer)
            return False
        headers = {name.encode("latin-1"): value.encode("latin-1") for name, value in request.headers}
        body, encoding = await compressed(answer.body, headers, self._compressing)
        if len(body) > page_wire.MOST_ANSWER:
            answer, encoding = self._app.refused(request, 400, TOO_LARGE), None
            body = answer.body
        fields = answer.fields()
        if encoding is not None:
            fields += [("content-encoding", encoding), ("vary", "accept-encoding")]
        writer.write(page_wire.line(Head(answer.status, fields, len(body))) + body)
        await writer.drain()
        return request.body_bytes <= page_wire.MOST_BODY

    async def _stream(self, answer: Answer, pieces: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
        """Until either side ends; one that does not read for long is let go."""
        async with contextlib.aclosing(pieces):  # type: ignore[type-var]
            writer.write(page_wire.line(Head(answer.status, answer.fields(), None)))
            async for piece in pieces:
                writer.write(piece)
                async with asyncio.timeout(READ_S):
                    await writer.drain()

    async def _beat(self) -> None:
        while True:
            if max(pool.longest_s() for pool in self._app.pools) < HUNG_S:
                for message in ({"event": "heartbeat"}, *self._passed_on.messages()):
                    self._report(message)
            self._traffic.look()
            log_dropped()
            await asyncio.sleep(BEAT_S)

    def _report(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write((json.dumps(message) + "\n").encode())


def main() -> None:
    """Show the page."""
    parser = argparse.ArgumentParser(prog="daemon.page")
    for name in ("--state-dir", "--config"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--loopback", action="store_true")
    for number in ("--listen-fd", "--control-fd", "--parent"):
        parser.add_argument(number, type=int, required=True)
    options = parser.parse_args()
    end_with_parent(options.parent, signal.SIGTERM)
    for ignored in (signal.SIGHUP, signal.SIGINT):  # both are control's affair
        signal.signal(ignored, signal.SIG_IGN)
    faulthandler.enable()
    faults.install(os.environ, "page")
    with contextlib.suppress(OSError):
        os.nice(NICE)
    config = load_config(options.config)
    passed_on = PassedOn()
    configure(config.service.log_level, config.service.log_format, tap=passed_on.add, file=config.log_file)
    listener, channel = (socket.socket(fileno=number) for number in (options.listen_fd, options.control_fd))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(PageServer(config, options.loopback, listener, channel, passed_on).run())


if __name__ == "__main__":
    main()
