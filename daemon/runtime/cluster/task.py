"""What a worker of the cluster runs: `run`, a text to a text. The work is done in a process of its own (see
`daemon.runtime.cluster.attempt`), which ends with this one, and when nobody waits for it any more.

Only Python's own library is imported here: what a stage needs, its process loads."""

import json
import os
import platform
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Any

LOOK_S = 0.2
END_S = 15.0
"""For so long an attempt that is not wanted may clear away what it made."""
ALIKE = ("driftd", "scikit-learn", "numpy", "scipy")
"""Packages that a worker has to have in the versions that control has: others would train other models."""
RUNNING = ("running", "paused", "closing_gracefully")
WORKED_ON = ("executing", "long-running")
Process = subprocess.Popen[bytes]
_free: list[Process] = []
_turn = threading.Lock()


class Unwanted(Exception):
    """Nobody waits for the attempt any more."""


def run(text: str) -> str:
    """The answer of an attempt, as `daemon.runtime.cluster.parcel: Answer`; what it died of where it has none."""
    line, wanted = text.encode() + b"\n", _wanted()
    while (process := _kept()) is not None:
        if answer := _asked(process, line, wanted):
            return answer
    process = _started()
    return _asked(process, line, wanted) or _died(process)


def _asked(process: Process, line: bytes, wanted: Callable[[], bool]) -> str:
    """Its answer; "" where it ended without one. It is kept for the next where it lives."""
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(line)
        process.stdin.flush()
        answer = _line(process.stdout, wanted)
    except BrokenPipeError:
        answer = b""
    except BaseException:
        _end(process)
        raise
    if not answer.endswith(b"\n"):
        _end(process)
        return ""
    with _turn:
        _free.append(process)
    return answer.decode()


def _line(stream: IO[bytes], wanted: Callable[[], bool]) -> bytes:
    """A line, or what there was until the end; Unwanted."""
    found = b""
    while not found.endswith(b"\n"):
        if not wanted():
            raise Unwanted(f"{_where()}: nobody waits for this attempt any more")
        if select.select([stream], [], [], LOOK_S)[0]:
            part = os.read(stream.fileno(), 2**16)
            found += part
            if not part:
                break
    return found


def _kept() -> Process | None:
    """One that waits for its next attempt."""
    with _turn:
        while _free:
            process = _free.pop()
            if process.poll() is None:
                return process
            _end(process)
    return None


def _started() -> Process:
    command = [sys.executable, "-m", "daemon.runtime.cluster.attempt", "--parent", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603 - ours


def _died(process: Process) -> str:
    code = process.wait()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    return json.dumps({"error": {"kind": "died", "message": f"the attempt on {_where()} {how}"}})


def _end(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def about() -> dict[str, str]:
    """What has to be alike on control and on a worker: versions of packages, Python's, and the kind of processor."""
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "machine": platform.machine()}
    for name in ALIKE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def has_begun(key: str, dask_worker: Any) -> bool:
    """Whether this worker works on a task; one that it has may wait for others."""
    task = dask_worker.state.tasks.get(key)
    return task is not None and task.state in WORKED_ON


def _wanted() -> Callable[[], bool]:
    """Says whether the scheduler still wants this task of this worker: not once it was cancelled, its client is gone,
    or the worker is about to end. Dask itself lets what it cancels run on."""
    try:
        from distributed import get_worker

        worker = get_worker()
        key = worker.get_current_task()
    except (ImportError, ValueError):  # called by hand
        return lambda: True

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in WORKED_ON and worker.status.name in RUNNING

    return wanted


def _where() -> str:
    return f"{platform.node()} (process {os.getpid()})"
