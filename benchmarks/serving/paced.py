"""A steady load: requests sent at their times, whether or not earlier ones were answered; raw sockets, one process.

`python -m benchmarks.serving.paced HOST PORT PATH BODIES --rate N`: until standard input closes; then prints JSON."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
ANSWER_S = 30.0
LONGEST_S = 3_600.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Answers:
    """When each request was sent (seconds of the epoch), its latency in ms, and what failed."""

    sent: np.ndarray
    ms: np.ndarray
    failures: list[str]

    def p99_ms(self, spans: list[tuple[float, float]] | None = None) -> float:
        """Of all, or of those that were under way within any of the spans."""
        chosen = self.ms if spans is None else self.ms[self.within(spans)]
        return float(np.percentile(chosen, 99)) if len(chosen) else float("nan")

    @property
    def per_s(self) -> float:
        """Answers a second, from the first request to the last answer."""
        if not len(self.ms):
            return 0.0
        return len(self.ms) / float((self.sent + self.ms / 1000).max() - self.sent.min())

    def within(self, spans: list[tuple[float, float]]) -> np.ndarray:
        """Which requests were under way within any of the spans."""
        done = self.sent + self.ms / 1000
        touched = np.zeros(len(self.sent), dtype=bool)
        for begin, end in spans:
            touched |= (self.sent < end) & (done > begin)
        return touched


class Paced:
    """The load in a process of its own, so that nothing here delays it."""

    def __init__(self, port: int, path: str, bodies: Path, rate: float) -> None:
        where = ["127.0.0.1", str(port), path, str(bodies)]
        command = [sys.executable, "-m", "benchmarks.serving.paced", *where, "--rate", str(rate)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )  # fmt: skip

    def end(self) -> Answers:
        """Stop sending and wait for the last answers."""
        told = json.loads(self._process.communicate(timeout=2 * ANSWER_S)[0])
        return Answers(np.array(told["sent"]), np.array(told["ms"]), told["failures"])


def during(seconds: float, port: int, path: str, bodies: Path, rate: float) -> Answers:
    """The load for some seconds."""
    load = Paced(port, path, bodies, rate)
    time.sleep(seconds)
    return load.end()


class _Client:
    """Connections are kept and taken again, the last one first; as many as the answers under way need."""

    def __init__(self, host: str, port: int, path: str, bodies: list[bytes]) -> None:
        self._host, self._port = host, port
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
        self._requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
        self._idle: deque[Connection] = deque()
        self.sent: list[float] = []
        self.ms: list[float] = []
        self.failures: list[str] = []

    async def ask(self, number: int) -> None:
        """Send one request and note its latency, or why it failed."""
        wall, begun = time.time(), time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S):
                status = await self._exchange(self._requests[number % len(self._requests)])
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.failures.append(repr(error))
            return
        if status != 200:
            self.failures.append(f"status {status}")
            return
        self.sent.append(wall)
        self.ms.append((time.perf_counter() - begun) * 1000)

    async def _exchange(self, request: bytes) -> int:
        reader, writer = await self._connection()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").lower()
        status, _, headers = head.partition("\r\n")
        fields = dict(line.split(": ", 1) for line in headers.split("\r\n") if line)
        await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(status.split()[1])

    async def _connection(self) -> Connection:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


async def _send(client: _Client, rate: float) -> None:
    stopped = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    begun, tasks = time.perf_counter(), set()
    for number in range(int(rate * LONGEST_S)):
        wait_s = begun + number / rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if stopped.done():
            break
        task = asyncio.create_task(client.ask(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def main() -> None:
    """Send until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.paced", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("bodies", type=Path, help="one JSON document a line")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    args = parser.parse_args()
    client = _Client(args.host, args.port, args.path, args.bodies.read_bytes().splitlines())
    asyncio.run(_send(client, args.rate))
    print(json.dumps({"sent": client.sent, "ms": client.ms, "failures": client.failures}))


if __name__ == "__main__":
    main()
