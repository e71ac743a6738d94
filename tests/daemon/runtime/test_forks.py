"""Workers that are forked behave as those that are started: real processes, one fork server for most tests."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers import PATIENCE_S, until, wait_for
from structlog.testing import capture_logs

from daemon.reading.operations import DigestRequest
from daemon.runtime.faults import VARIABLE
from daemon.runtime.worker import analysts, forks
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from retrain.operations import Done, PromoteRequest
from retrain.records.settings import ModelSettings

NOTHING = WarmRequest(modules=())
ROOT = Path(__file__).resolve().parents[3]
TOLD = """\
import json, os, random, resource, signal, sys, tempfile
from pathlib import Path
import numpy, threadpoolctl
path = Path(os.environ["TELL"])
found = {
    "pid": os.getpid(), "random": [random.random(), numpy.random.random(), next(tempfile._get_candidate_names())],
    "environment": dict(os.environ), "threads": [one["num_threads"] for one in threadpoolctl.threadpool_info()],
    "nice": os.nice(0), "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "oom": int(Path("/proc/self/oom_score_adj").read_text()),
    "descriptors": sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                          if os.path.exists(f"/proc/self/fd/{n}")),
    "ignored": [signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)],
    "tasks": len(os.listdir("/proc/self/task")), "arguments": sys.argv[1:],
}
with path.open("a") as file:
    file.write(json.dumps(found) + "\\n")
"""
"""A module that writes down how the process is that imports it."""


def with_forks(story: Callable[[Forks], Awaitable[Any]]) -> Any:
    """Tell a story with a fork server, which is ended afterwards."""

    async def run() -> Any:
        made = Forks()
        try:
            return await asyncio.wait_for(story(made), 2 * PATIENCE_S)
        finally:
            await made.close()

    return asyncio.run(run())


def exists(pid: int) -> bool:
    """Whether the process is there, and has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def asked(made: Forks, request: Any = NOTHING, limits: Limits | None = None, role: Any = "analyst") -> Worker:
    """A new worker that has answered, and is forked."""
    worker = Worker(role, limits or Limits(), forks=made)
    await worker.call(request)
    assert worker.is_forked
    return worker


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What workers wrote down that imported the module `told`."""
    (tmp_path / "told.py").write_text(TOLD)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")
    monkeypatch.setenv("TELL", str(tmp_path / "told"))
    return lambda: [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]


TELL = WarmRequest(modules=("told",))


def test_a_forked_worker_answers_at_once_and_is_found_by_its_command_line(tmp_path: Path) -> None:
    """It has its libraries; ps shows it as a worker of its role, and the server as one."""
    path = tmp_path / "a"
    path.write_bytes(b"x")

    async def story(made: Forks) -> None:
        assert await made.start()
        worker = await asked(made, DigestRequest(path=path))
        assert worker.pid is not None and made.pid is not None
        words = psutil.Process(worker.pid).cmdline()
        assert words[1:5] == ["-m", "daemon.runtime.worker.child", "--role", "analyst"]
        assert "daemon.runtime.worker.fork_server" in psutil.Process(made.pid).cmdline()
        libraries = Path(f"/proc/{worker.pid}/maps").read_text()
        assert "duckdb" in libraries and "sklearn" in libraries
        await worker.close()

    with_forks(story)


def test_no_two_forks_are_alike(told: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of random numbers and temporary names none comes twice; the environment, threads and limits are those of the
    request; what the server or another fork holds is not open, and no thread came along."""

    async def story(made: Forks) -> None:
        workers = [await asked(made, TELL)]
        monkeypatch.setenv("ONLY_NOW", "a secret \udcff")
        workers.append(await asked(made, TELL, Limits(nice=7, threads=2, oom_score=300)))
        monkeypatch.delenv("ONLY_NOW")
        workers.append(await asked(made, TELL))
        for worker in workers:
            await worker.close()

    with_forks(story)
    first, second, third = told()
    assert len({first["pid"], second["pid"], third["pid"]}) == 3
    for one, other in ((first, second), (first, third), (second, third)):
        assert not set(one["random"]) & set(other["random"])
    assert second["environment"]["ONLY_NOW"] == "a secret \udcff"
    assert "ONLY_NOW" not in first["environment"] and first["environment"] == third["environment"]
    assert first["environment"]["TELL"] == os.environ["TELL"]
    assert forks.NO_HELPERS.keys().isdisjoint(first["environment"])
    assert second["environment"]["OMP_NUM_THREADS"] == "2" and first["environment"]["OMP_NUM_THREADS"] == "1"
    assert set(first["threads"]) == {1} and set(second["threads"]) <= {2, min(2, os.cpu_count() or 1)}
    own = os.nice(0)
    assert (first["nice"], second["nice"]) == (min(19, own + 5), min(19, own + 7))
    assert (first["oom"], second["oom"]) == (0, 300)
    assert second["arguments"][:4] == ["--role", "analyst", "--nice", "7"]
    for one in (first, second, third):
        assert one["ignored"] == [True, True, False]
        kinds = [name.partition(":")[0] for name in one["descriptors"]]
        # standard input and answers are one socket; what is printed, by Python or not, goes to one pipe
        assert kinds.count("socket") == 2 and kinds.count("pipe") == 2 and "anon_inode" not in kinds, one["descriptors"]


def test_the_end_of_a_worker_is_told_as_that_of_a_started_one() -> None:
    """By the signal that killed it; another one answers after it."""

    async def story(made: Forks) -> None:
        worker = await asked(made)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match=r"killed by signal 9 \(out of memory\?\) during warm") as caught:
            await worker.call(NOTHING)
        assert caught.value.kind == "died"
        await worker.call(NOTHING)
        assert worker.pid is not None and worker.is_forked
        os.kill(worker.pid, signal.SIGTERM)
        with pytest.raises(WorkerError, match="killed by signal 15"):
            await worker.call(NOTHING)
        await worker.close()

    with capture_logs() as logged:
        with_forks(story)
    assert [event["how"] for event in logged if event["event"] == "worker_died"] == [
        "was killed by signal 9 (out of memory?)", "was killed by signal 15",
    ]  # fmt: skip


def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """By its time limit; the process is gone, and the next call works."""
    os.mkfifo(tmp_path / "fifo")

    async def story(made: Forks) -> None:
        worker = await asked(made)
        pid = worker.pid
        with pytest.raises(WorkerError, match="longer than") as caught:
            await worker.call(DigestRequest(path=tmp_path / "fifo"), timeout_s=0.3)
        assert caught.value.kind == "late" and pid is not None and not exists(pid)
        await worker.call(NOTHING)
        await worker.close()

    with_forks(story)


def test_a_question_that_is_given_up_leaves_no_process() -> None:
    """Also where it is given up before its worker has begun: the server, which was stopped then, forks it in vain."""

    async def story(made: Forks) -> None:
        assert await made.start() and made.pid is not None
        server = psutil.Process(made.pid)
        server.suspend()
        worker = Worker("analyst", Limits(), forks=made)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.call(NOTHING), 0.3)
        assert worker.pid is None
        server.resume()
        await asked(made)
        await until(lambda: len(server.children()) == 1)

    with_forks(story)


def test_after_the_end_of_the_server_the_next_worker_has_another(tmp_path: Path) -> None:
    """What it had forked ends with it, as by a kill; that is told once."""
    os.mkfifo(tmp_path / "fifo")

    async def story(made: Forks) -> None:
        worker = await asked(made)
        first, orphan = made.pid, worker.pid
        assert first is not None and orphan is not None
        asking = asyncio.create_task(worker.call(DigestRequest(path=tmp_path / "fifo")))
        await until(lambda: worker.busy is not None)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorkerError, match="killed by signal 9"):
            await asking
        assert not exists(orphan)
        await worker.call(NOTHING)
        assert worker.is_forked and made.pid not in (None, first)
        await worker.close()

    with capture_logs() as logged:
        with_forks(story)
    failed = [event for event in logged if event["event"] == "fork_failed"]
    assert [event["reason"] for event in failed] == ["it was killed by signal 9"]


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped one is ended; the worker is started as a process of its own, and the next server is tried later."""
    monkeypatch.setattr(forks, "FORKED_S", 0.3)

    async def story(made: Forks) -> None:
        assert await made.start() and made.pid is not None
        stopped = made.pid
        os.kill(stopped, signal.SIGSTOP)
        worker = Worker("analyst", Limits(), forks=made)
        assert await worker.call(NOTHING) and not worker.is_forked
        await until(lambda: not exists(stopped))
        await worker.close()
        monkeypatch.setattr(made, "_not_before_s", 0.0)
        monkeypatch.setattr(forks, "FORKED_S", 60.0)
        await (await asked(made)).close()

    with capture_logs() as logged:
        with_forks(story)
    (failed,) = (event for event in logged if event["event"] == "fork_failed")
    assert "did not fork within 0.3 s" in failed["reason"]


def test_servers_that_end_when_they_are_asked_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two the worker is started as a process of its own, and another server is tried later."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('fork_server' in word for word in sys.orig_argv):\n    os.fork = lambda: os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")

    async def story(made: Forks) -> None:
        worker = Worker("analyst", Limits(), forks=made)
        assert isinstance(await worker.call(NOTHING), Done) and not worker.is_forked
        await worker.close()

    with capture_logs() as logged:
        with_forks(story)
    failed = [event["reason"] for event in logged if event["event"] == "fork_failed"]
    assert failed == ["it ended with status 3"] * 2


@pytest.mark.parametrize("lacking", ["socket", "program"])
def test_where_there_is_no_server_workers_are_started(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket cannot be made, or the server ends before it is ready: one event says why."""

    def refuse(*_: Any) -> Any:
        raise OSError(24, "Too many open files")

    async def story(made: Forks) -> None:
        if lacking == "socket":
            monkeypatch.setattr(socket, "socketpair", refuse)
        else:
            monkeypatch.setattr(forks, "ONE_THREAD", {"PYTHONHOME": "/nowhere"})
        assert not await made.start()
        monkeypatch.undo()
        for _ in range(2):
            worker = Worker("analyst", Limits(), forks=made)
            assert isinstance(await worker.call(NOTHING), Done) and not worker.is_forked
            await worker.close()

    with capture_logs() as logged:
        with_forks(story)
    (failed,) = (event for event in logged if event["event"] == "fork_failed")
    assert ("Too many open files" if lacking == "socket" else "it ended with status 1") in failed["reason"]


def test_no_server_forks_while_it_has_a_second_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so and ends: a lock of the other would stay locked in the fork."""
    monkeypatch.setattr(forks, "NO_HELPERS", {"JE_ARROW_MALLOC_CONF": "background_thread:true"})
    with capture_logs() as logged:
        assert not with_forks(lambda made: made.start())
    (failed,) = (event for event in logged if event["event"] == "fork_failed")
    assert failed["reason"].startswith("it ended with status 1: 2 threads are alive")


def test_a_forked_trainer_has_the_memory_of_a_started_one(told: Callable[[], list[dict[str, Any]]]) -> None:
    """What the server imported besides is not counted; less than the libraries take is refused with what it needs."""
    settings = ModelSettings(data_dir="d", task="regression", target="y")
    request = PromoteRequest(model="m", cycle=1, number=1, settings=settings, work=Path("w"), versions=Path("v"))

    async def story(made: Forks) -> list[str]:
        said = []
        for with_forks_of in (made, None):
            worker = Worker("trainer", Limits(max_memory=4 * 10**8), forks=with_forks_of)
            with pytest.raises(WorkerError, match="GB at least") as caught:
                await worker.call(request, timeout_s=PATIENCE_S)
            said.append(caught.value.message)
            await worker.close()
        limited = await asked(made, TELL, Limits(max_memory=2 * 10**9))
        await limited.close()
        return said

    forked, started = with_forks(story)
    needed = [float(words.rpartition("raise it to ")[2].split()[0]) for words in (forked, started)]
    assert abs(needed[0] - needed[1]) <= 0.1001, (forked, started)
    assert 2 * 10**9 <= told()[0]["memory"] < 3 * 10**9


def test_fifty_forks_leave_no_descriptor_and_no_process() -> None:
    """Neither in control nor in the server."""

    def held(pid: int) -> int:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))

    async def story(made: Forks) -> None:
        await (await asked(made)).close()
        assert made.pid is not None
        server = psutil.Process(made.pid)
        await until(lambda: not server.children())
        before = held(os.getpid()), held(made.pid)
        for _ in range(50):
            await (await asked(made)).close()
        await until(lambda: not server.children())
        # Fewer may be left: control may not have heard of the first one's end, nor closed what earlier tests dropped.
        await until(lambda: held(os.getpid()) <= before[0] and held(server.pid) <= before[1])

    with_forks(story)


def test_crash_points_of_a_fork_go_by_its_own_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial of crashes finds the workers that it finds where they are started."""
    (tmp_path / "plan").write_text("")
    (tmp_path / "passed").mkdir()
    (tmp_path / "passes.py").write_text("from retrain import durable\ndurable.crash_point('test.here')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")

    async def story(made: Forks) -> None:
        assert await made.start()  # which obeys no plan itself
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        worker = await asked(made, WarmRequest(modules=("passes",)))
        await worker.close()
        (tmp_path / "plan").write_text("analyst test.here 2 1 KILL")
        with pytest.raises(WorkerError, match="killed by signal 9"):
            await Worker("analyst", Limits(), forks=made).call(WarmRequest(modules=("passes",)))
        await (await asked(made, WarmRequest(modules=("passes",)))).close()

    with_forks(story)
    assert (tmp_path / "passed" / "analyst test.here").read_bytes() == b"..."


CONTROL = """\
import asyncio, sys
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import Limits, Worker

async def main():
    forks = Forks()
    worker = Worker("analyst", Limits(), forks=forks)
    await worker.call(WarmRequest(modules=()))
    print(forks.pid, worker.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_of_a_killed_control_nothing_remains(stopped: bool) -> None:
    """Neither the server nor what it forked, also where these are stopped."""
    with subprocess.Popen([sys.executable, "-c", CONTROL], stdout=subprocess.PIPE, text=True, cwd=ROOT) as control:
        assert control.stdout is not None
        pids = [int(pid) for pid in control.stdout.readline().split()]
        assert len(pids) == 2 and all(exists(pid) for pid in pids)
        if stopped:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        control.kill()
    wait_for(lambda: not any(map(exists, pids)), what="the end of its processes")


def test_an_idle_analyst_that_is_a_fork_ends_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first; one that was started stays, since another would load its libraries anew."""

    async def story(made: Forks) -> None:
        both = Analysts(Limits(), forks=made)
        await both.call(NOTHING)
        kept = both.first.pid
        monkeypatch.setattr(analysts, "IDLE_S", 0.0)
        await both.call(NOTHING)
        await until(lambda: both.first.pid is None)
        await both.call(NOTHING)
        await both.close()
        assert kept is not None and not exists(kept)
        started = Analysts(Limits())
        await started.call(NOTHING)
        assert not started._idle and started.first.pid is not None
        await started.close()

    with_forks(story)
