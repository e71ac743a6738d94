"""A worker answers, refuses, dies and is replaced: real child processes."""

import asyncio
import io
import json
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import PATIENCE_S
from structlog.testing import capture_logs

from daemon.reading.operations import DigestRequest
from daemon.runtime.worker import child, process
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from retrain.operations import Done, PromoteRequest
from retrain.records.settings import ModelSettings

NOTHING = WarmRequest(modules=())


def with_worker(use: Callable[[Worker], Awaitable[Any]]) -> Any:
    """Run a coroutine with a worker that is closed afterwards."""

    async def run() -> Any:
        worker = Worker("analyst", Limits(nice=0))
        try:
            return await use(worker)
        finally:
            await worker.close()

    return asyncio.run(run())


def test_an_answer_tells_the_cpu_that_it_took_also_where_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since the answer before, the first since the start of the process: of results and of errors; times of children
    count."""
    clock = iter([(1.0, 0.5, 0.25, 0.25, 9.0), (2.0, 0.5, 1.25, 0.25, 9.0)])
    monkeypatch.setattr(child.os, "times", lambda: next(clock))
    answers = io.StringIO()
    asked = [{"op": "warm", "args": {"modules": []}, "beat": None}, {"op": "nonsense", "args": {}, "beat": None}]
    child.serve(io.StringIO("".join(json.dumps(one) + "\n" for one in asked)), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first["ok"]["cpu_s"] == 2.0 and second["error"]["cpu_s"] == 2.0


def test_an_analyst_that_has_grown_is_replaced_between_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it is old, nor where it holds little; what it answered last is answered."""

    async def use(worker: Worker) -> list[int | None]:
        pids = []
        for age_s, size in ((3600.0, 1), (0.0, 10**12), (0.0, 1)):
            monkeypatch.setattr(process, "RENEWED_AFTER_S", age_s)
            monkeypatch.setattr(process, "RENEWED_ABOVE", size)
            assert isinstance(await worker.call(NOTHING), Done)
            pids.append(worker.pid)
        assert isinstance(await worker.call(NOTHING), Done)
        return pids

    with capture_logs() as told:
        first, second, third = with_worker(use)
    assert first == second is not None and third is None
    assert [event["event"] for event in told] == ["worker_renewed"] * 2 and told[0]["resident_mb"] > 5


def test_a_worker_answers_with_a_result(tmp_path: Path) -> None:
    """A request comes back as JSON; the name of the file may be any bytes."""
    path = tmp_path / "a\nb \U0001f600 \udcff.csv"
    path.write_bytes(b"x")

    async def use(worker: Worker) -> Any:
        return await worker.call(DigestRequest(path=path))

    assert with_worker(use).sha256.startswith("2d711642b726b044")


def test_an_error_names_its_cause_and_the_worker_lives_on(tmp_path: Path) -> None:
    """A failing operation is an answer, not a death."""

    async def use(worker: Worker) -> tuple[str, bool]:
        with pytest.raises(WorkerError) as caught:
            await worker.call(DigestRequest(path=tmp_path / "missing"))
        before = worker.pid
        await worker.call(NOTHING)
        return caught.value.message, worker.pid == before

    message, same = with_worker(use)
    assert "missing" in message and same


def test_a_killed_worker_fails_its_call_and_is_replaced() -> None:
    """The death of a child is an error of that call only."""

    async def use(worker: Worker) -> str:
        await worker.call(NOTHING)
        assert worker.pid is not None
        os.kill(worker.pid, 9)
        with pytest.raises(WorkerError, match="killed by signal 9"):
            await worker.call(NOTHING)
        await worker.call(NOTHING)
        return "alive"

    assert with_worker(use) == "alive"


def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """A hanging operation ends at its time limit, and the next call works."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def use(worker: Worker) -> None:
        await worker.call(WarmRequest(modules=("daemon.reading.digest",)))
        with pytest.raises(WorkerError, match="longer than"):
            await worker.call(DigestRequest(path=fifo), timeout_s=0.3)
        await worker.call(NOTHING)

    with_worker(use)


def test_nobody_waits_for_a_worker_that_cannot_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that reads from a dead mount: it is left alone, and another one answers."""
    monkeypatch.setattr("daemon.runtime.worker.process.END_S", 0.01)

    async def use(worker: Worker) -> None:
        await worker.call(NOTHING)
        left, pid = worker._process, worker.pid
        assert left is not None and pid is not None
        with monkeypatch.context() as patched:
            patched.setattr(left, "kill", lambda: None)
            await worker.close()
        assert left.returncode is None
        await worker.call(NOTHING)
        assert worker.pid != pid
        os.kill(pid, signal.SIGKILL)
        await left.wait()
        left._transport.close()  # type: ignore[attr-defined]

    with_worker(use)


def test_a_hung_worker_is_ended_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was stopped takes a request and gives no sign of life; also one that is too long for the pipe."""
    monkeypatch.setattr("daemon.runtime.worker.process.LOOK_S", 0.02)

    async def use(worker: Worker) -> None:
        for request in (NOTHING, WarmRequest(modules=("daemon",) * 100_000)):
            monkeypatch.setattr("daemon.runtime.worker.process.SILENT_LOOKS", 10**6)
            await worker.call(NOTHING)
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGSTOP)
            monkeypatch.setattr("daemon.runtime.worker.process.SILENT_LOOKS", 5)
            with pytest.raises(WorkerError, match="no sign of life") as caught:
                await worker.call(request)
            assert caught.value.kind == "died" and worker.pid is None

    with capture_logs() as told:
        with_worker(use)
    assert [(event["event"], event["op"]) for event in told] == [("worker_hung", "warm")] * 2


def test_long_work_is_not_ended_while_it_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for a sign of life at each look, and it may take as many looks as it needs."""
    fifo, beats = tmp_path / "fifo", 0
    os.mkfifo(fifo)
    monkeypatch.setattr("daemon.runtime.worker.process.BEAT_S", 0.01)
    real = json.loads

    def seen(line: bytes) -> Any:
        nonlocal beats
        value = real(line)
        beats += "alive" in value
        if beats == 20:
            with fifo.open("wb"):  # the digest waits for somebody who opens it
                beats += 1
        return value

    async def use(worker: Worker) -> Any:
        monkeypatch.setattr("daemon.runtime.worker.process.json.loads", seen)
        return await worker.call(DigestRequest(path=fifo))

    assert with_worker(use).sha256.startswith("e3b0c442") and beats > 20


def test_looks_are_counted_from_the_last_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is silent when that many looks in a row heard nothing, not when they add up."""
    monkeypatch.setattr("daemon.runtime.worker.process.SILENT_LOOKS", 3)
    heard: list[bytes | None] = [None, None, b'{"alive": true}', None, None, b'{"ok": {}}', None, None, None]

    class Pipe:
        """Both ends of a worker that is not there."""

        stdin = stdout = property(lambda self: self)
        returncode, pid = 0, 1

        def write(self, _data: bytes) -> None:
            """What it is asked."""

        async def drain(self) -> None:
            """Taken at once."""

        async def readline(self) -> bytes:
            """The next of what is heard; None is a look at which nothing was."""
            line = heard.pop(0)
            if line is None:
                raise TimeoutError
            return line

    worker = Worker("analyst", Limits())

    async def start() -> Any:
        worker._process = Pipe()  # type: ignore[assignment]
        return worker._process

    worker._start = start  # type: ignore[method-assign]
    assert asyncio.run(worker.call(NOTHING)) == Done()
    with capture_logs() as told, pytest.raises(WorkerError, match="no sign of life"):
        asyncio.run(worker.call(NOTHING))
    assert not heard and [event["event"] for event in told] == ["worker_hung"]


@pytest.mark.parametrize("beat", [0.001, None])
def test_a_child_beats_while_it_works_if_it_is_asked_to(beat: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines, and none after the answer."""
    beaten = threading.Event()

    class Answers(io.StringIO):
        """Notes a beat."""

        def write(self, text: str) -> int:
            beaten.set()
            return super().write(text)

    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    def work(_op: str, _args: dict[str, Any]) -> dict[str, Any]:
        return {"ok": {"beaten": beat is not None and beaten.wait(PATIENCE_S), "thread": "heartbeat" in names()}}

    monkeypatch.setattr(child, "answer", work)
    answers = Answers()
    child.serve(io.StringIO(json.dumps({"op": "work", "args": {}, "beat": beat}) + "\n"), answers)
    *beats, answered = map(json.loads, answers.getvalue().splitlines())
    beating = beat is not None
    assert answered["ok"] | {"cpu_s": 0.0} == {"beaten": beating, "thread": beating, "cpu_s": 0.0}
    assert "heartbeat" not in names()
    assert bool(beats) is beating and all(line == {"alive": True} for line in beats)


@pytest.mark.parametrize("limit", [2 * 10**8, 4 * 10**8])
def test_a_trainer_with_less_memory_than_its_libraries_take_says_so(limit: int) -> None:
    """It is refused with what it needs; under such a limit loading them would never end."""

    settings = ModelSettings(data_dir="d", task="regression", target="y")
    request = PromoteRequest(model="m", cycle=1, number=1, settings=settings, work=Path("w"), versions=Path("v"))

    async def run() -> str:
        worker = Worker("trainer", Limits(nice=0, max_memory=limit))
        try:
            with pytest.raises(WorkerError) as caught:
                await worker.call(request, timeout_s=120.0)
            assert caught.value.kind == "refused"
            return caught.value.message
        finally:
            await worker.close()

    told = asyncio.run(run())
    assert f"limits.train_memory is {limit / 1e9:.1f} GB" in told and "GB at least" in told


def test_what_the_code_raises_is_told_from_what_the_world_did(tmp_path: Path) -> None:
    """The first comes again the next time; the second may not."""

    async def use(worker: Worker) -> list[bool]:
        found = []
        for request in (WarmRequest(modules=("no_such_module",)), DigestRequest(path=tmp_path / "missing")):
            with pytest.raises(WorkerError) as caught:
                await worker.call(request)
            found.append(caught.value.raised)
        return found

    assert with_worker(use) == [True, False]
