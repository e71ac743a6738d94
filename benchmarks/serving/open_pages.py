"""Pages that are open in browsers, as the server sees them: a stream of events each, the page asked for again after
each change as its script does it, and all of it anew now and then. Raw sockets, one process.

`python -m benchmarks.serving.open_pages HOST PORT --pages N`: until standard input closes; then prints JSON."""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = ("/", "/m/m", "/log")
PACE_S, SHARE, ANEW_S, ANSWER_S = 2.0, 10.0, 20.0, 30.0
"""As drift/report/static/page.js: updates come so far apart at least, and so many times as long as one took; how long
a page stays until it is loaded anew, and an answer may take."""


class OpenPages:
    """So many, in a process of their own."""

    def __init__(self, port: int, pages: int) -> None:
        command = [sys.executable, "-m", "benchmarks.serving.open_pages", "127.0.0.1", str(port), "--pages", str(pages)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()  # all are open

    def close(self) -> dict[str, int]:
        """Leave them; how many pages were sent, changes told, and what failed."""
        told, _ = self._process.communicate("")
        found: dict[str, int] = json.loads(told)
        return found


class _Page:
    """One tab."""

    def __init__(self, host: str, port: int, path: str, counts: Counter[str]) -> None:
        self._host, self._port, self._path, self._counts = host, port, path, counts
        self._wanted = asyncio.Event()

    async def stay(self, opened: asyncio.Event) -> None:
        """Be loaded, follow, be loaded anew."""
        draw = random.Random(id(self))
        while True:
            await self._get()
            following = asyncio.create_task(self._follow(opened))
            try:
                async with asyncio.timeout(ANEW_S * (0.5 + draw.random())):
                    await self._update()
            except TimeoutError:
                following.cancel()

    async def _update(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            begun = time.monotonic()
            await self._get()
            await asyncio.sleep(max(PACE_S, SHARE * (time.monotonic() - begun)))

    async def _get(self) -> None:
        """The page, by a connection of its own: a browser's are shared by few."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await self._ask(self._path, "close")
                status = await _status(reader)
                await reader.read()
                writer.close()
            self._counts["pages" if status == 200 else f"status {status}"] += 1
        except (OSError, EOFError, TimeoutError) as error:
            self._counts[repr(error)] += 1

    async def _follow(self, opened: asyncio.Event) -> None:
        """The stream of events, for as long as the tab is there."""
        try:
            reader, writer = await self._ask("/api/events", "keep-alive")
        except OSError as error:
            self._counts[repr(error)] += 1
            return
        try:
            if (status := await _status(reader)) != 200:
                self._counts[f"stream: status {status}"] += 1
            while line := await reader.readline():
                if line.startswith(b"event: changed"):
                    self._counts["changes"] += 1
                    self._wanted.set()
                    opened.set()
        finally:
            writer.close()

    async def _ask(self, path: str, connection: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        head = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept-Encoding: gzip\r\nConnection: {connection}\r\n\r\n"
        writer.write(head.encode())
        return reader, writer


async def _status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])


async def _stay(host: str, port: int, count: int, counts: Counter[str]) -> None:
    opened = [asyncio.Event() for _ in range(count)]
    tasks = [
        asyncio.create_task(_Page(host, port, PATHS[at % len(PATHS)], counts).stay(event))
        for at, event in enumerate(opened)
    ]
    await asyncio.gather(*(event.wait() for event in opened))
    counts.clear()
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()


def main() -> None:
    """Stay until told to leave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.open_pages", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--pages", type=int, required=True)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    asyncio.run(_stay(args.host, args.port, args.pages, counts))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
