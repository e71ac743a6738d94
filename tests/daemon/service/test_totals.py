"""What servers counted is kept by their parent: real child processes in the place of servers."""

import asyncio
import contextlib
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import until

from daemon.service.servers import ServerProcess
from daemon.service.totals import Totals

COUNTS = """#!{python}
import socket, sys
control = socket.socket(fileno=int(sys.argv[sys.argv.index("--control-fd") + 1]))
control.sendall(b'{{"event": "counted", "counts": [["driftd_posted_events_total", ["m"], 2]], "gauges": [["driftd_servers", [], 1]]}}\\n')
control.sendall(b'{{"event": "heartbeat"}}\\n')
control.recv(100)
if b"{last}" != b"yes": sys.exit(1)
control.recv(10_000)
"""
"""Counts two events, waits to be told of them, and dies."""


def known(totals: Totals) -> dict[tuple[str, str], float]:
    """What a server that begins now is told."""
    said: list[dict[str, Any]] = []
    totals.join(0, said.append)
    totals.leave(0)
    return {
        (kind, name): value for one in said for kind in ("counts", "gauges") for name, _, value in one.get(kind, ())
    }


def test_what_servers_counted_outlives_them_and_how_they_stood_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through deaths and restarts, and where the parent stops listening before the process is gone."""
    program, python = tmp_path / "counts", sys.executable
    program.write_text(COUNTS.format(python=python, last="no"))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    seen: list[dict[str, Any]] = []
    totals = Totals(lambda: 0.0)

    async def story() -> None:
        with socket.socket() as listener:
            server = ServerProcess(listener, tmp_path, tmp_path / "config.toml", seen.append, totals=totals)
            task = asyncio.create_task(server.run())
            await until(lambda: len(seen) >= 1)
            program.write_text(COUNTS.format(python=python, last="yes"))
            await until(lambda: len(seen) >= 2)
            assert known(totals)["gauges", "driftd_servers"] == 1
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await server.stop()

    asyncio.run(story())
    deaths = len({message["pid"] for message in seen})
    assert deaths >= 2 and known(totals) == {("counts", "driftd_posted_events_total"): 2.0 * deaths}
