"""A worker answers, refuses, dies and is replaced: real child processes."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.worker.process import Limits, Worker, WorkerError


def with_worker(use: Callable[[Worker], Awaitable[Any]]) -> Any:
    """Run a coroutine with a worker that is closed afterwards."""

    async def run() -> Any:
        worker = Worker("analyst", Limits(nice=0))
        try:
            return await use(worker)
        finally:
            await worker.close()

    return asyncio.run(run())


def test_a_worker_answers_with_a_result(tmp_path: Path) -> None:
    """A request comes back as JSON; the name of the file may be any bytes."""
    path = tmp_path / "a\nb \U0001f600 \udcff.csv"
    path.write_bytes(b"x")

    async def use(worker: Worker) -> Any:
        return await worker.call("digest", {"path": str(path)})

    assert with_worker(use)["sha256"].startswith("2d711642b726b044")


def test_an_error_names_its_cause_and_the_worker_lives_on(tmp_path: Path) -> None:
    """A failing operation is an answer, not a death."""

    async def use(worker: Worker) -> tuple[str, bool]:
        with pytest.raises(WorkerError) as caught:
            await worker.call("digest", {"path": str(tmp_path / "missing")})
        before = worker.pid
        await worker.call("warm", {"modules": []})
        return caught.value.message, worker.pid == before

    message, same = with_worker(use)
    assert "missing" in message and same


def test_a_killed_worker_fails_its_call_and_is_replaced() -> None:
    """The death of a child is an error of that call only."""

    async def use(worker: Worker) -> str:
        await worker.call("warm", {"modules": []})
        assert worker.pid is not None
        os.kill(worker.pid, 9)
        with pytest.raises(WorkerError, match="killed by signal 9"):
            await worker.call("warm", {"modules": []})
        await worker.call("warm", {"modules": []})
        return "alive"

    assert with_worker(use) == "alive"


def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """A hanging operation ends at its time limit, and the next call works."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def use(worker: Worker) -> None:
        await worker.call("warm", {"modules": ["daemon.ingest.digest"]})
        with pytest.raises(WorkerError, match="longer than"):
            await worker.call("digest", {"path": str(fifo)}, timeout_s=0.3)
        await worker.call("warm", {"modules": []})

    with_worker(use)
