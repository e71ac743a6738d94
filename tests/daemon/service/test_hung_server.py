"""A server whose process lives and says nothing any more: a real child process in the place of a server."""

import asyncio
import contextlib
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers import until
from structlog.testing import capture_logs

from daemon.service.servers import ServerProcess, Servers
from retrain.records.errors import Refused

HUNG = """#!{python}
import socket, sys
control = socket.socket(fileno=int(sys.argv[sys.argv.index("--control-fd") + 1]))
control.sendall(b'{{"event": "heartbeat"}}\\n')
control.recv(100)
"""
"""Says that it lives once; only the word to stop ends it."""


def test_a_hung_server_is_ended_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its heartbeats stop, though no signal stopped it: control ends it, and starts another one on the same socket."""
    program = tmp_path / "hung"
    program.write_text(HUNG.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    seen: list[dict[str, Any]] = []

    async def story() -> None:
        with socket.socket() as listener:
            server = ServerProcess(listener, tmp_path, tmp_path / "config.toml", seen.append, hung_s=0.1)
            task = asyncio.create_task(server.run())
            await until(lambda: len({message["pid"] for message in seen}) >= 2)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await server.stop()

    with capture_logs() as told:
        asyncio.run(story())
    first = seen[0]["pid"]
    hung = [event for event in told if event["event"] in ("server_hung", "server_died")]
    assert (hung[0]["event"], hung[0]["pid"]) == ("server_hung", first)
    assert hung[1]["event"] == "server_died" and hung[1]["status"] is not None


def test_a_reload_does_not_wait_for_servers_that_others_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a host that leads from now on may take minutes on a busy machine; a reload is refused in its own time."""
    program = tmp_path / "hung"
    program.write_text(HUNG.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    async def story() -> None:
        with socket.socket() as listener:
            make = partial(ServerProcess, listener, tmp_path, tmp_path / "config.toml", lambda _: None, hung_s=60.0)
            servers = Servers(1, make)
            changing = asyncio.create_task(servers.replace(60.0))
            await asyncio.sleep(0)
            with pytest.raises(Refused, match="others"):
                await servers.replace(0.05)
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
            await servers.stop()

    asyncio.run(story())
