"""A program of the user's, run in a thread: bounded in time and in what is kept of its output."""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT_BYTES = 2_000
"""The end of the output, which says why something failed."""
GRACE_S = 5.0
"""So long after SIGTERM what is left is killed."""
STOP_GRACE_S = 3.0
"""The same where the service stops, which has its own time to keep."""
LOOK_S = 0.05
STOPPED = "the service stopped"
NICE = 5
CHUNK = 65_536


@dataclass(frozen=True)
class Ended:
    """How it ended: `status` of its exit, negative by a signal, None where it never began; `reason` why that is no
    success; the end of what it wrote, and the seconds that it took."""

    status: int | None
    reason: str
    output: str
    seconds: float


class Output:
    """The end of an output, and how long it was."""

    def __init__(self) -> None:
        self._kept, self._bytes = b"", 0

    def add(self, chunk: bytes) -> None:
        """More of it."""
        self._kept, self._bytes = (self._kept + chunk)[-KEPT_BYTES:], self._bytes + len(chunk)

    @property
    def text(self) -> str:
        """What is kept, and how much is not."""
        dropped = self._bytes - len(self._kept)
        before = f"({dropped:,} bytes before) … " if dropped else ""
        return before + self._kept.decode("utf-8", "replace").strip()


class BoundedCommand:
    """One run of a program, with `given` on its standard input, in a process group of its own, nicer than the
    service."""

    def __init__(
        self, words: Sequence[str], given: bytes, environment: Mapping[str, str], folder: Path, limit_s: float
    ) -> None:
        self._words, self._given, self._environment, self._folder = words, given, environment, folder
        self._limit_s, self._output = limit_s, Output()
        self._to_end = threading.Event()

    def end(self) -> None:
        """Have it end soon, from any thread: by SIGTERM, and after STOP_GRACE_S by SIGKILL."""
        self._to_end.set()

    def run(self) -> Ended:
        """Run it to its end; what it leaves behind in its process group ends with it."""
        started_s = time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603 - of the configuration, without a shell
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=dict(self._environment), cwd=self._folder, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = f"it cannot be run: {getattr(error, 'strerror', None) or error}"
            return Ended(None, reason, "", time.monotonic() - started_s)
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, process.pid, NICE)
        threading.Thread(target=self._give, args=(process,), name="input of a hook", daemon=True).start()
        try:
            late = self._wait(process, started_s + self._limit_s)
        finally:  # also where it cannot be followed: what is begun again must not run twice
            _signal(process, signal.SIGKILL)
            status = process.wait()
        self._drain(process)
        return Ended(status, late or _why(status), self._output.text, time.monotonic() - started_s)

    def _give(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        with suppress(OSError), process.stdin:
            process.stdin.write(self._given)

    def _wait(self, process: "subprocess.Popen[bytes]", until_s: float) -> str:
        """Read until its process ended; why it had to be, if so. It is not reaped: its group keeps its number."""
        reason = ""
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self._read(process, LOOK_S)
            now_s, stops = time.monotonic(), self._to_end.is_set()
            if now_s < until_s and (reason or not stops):
                continue
            if reason:
                return reason
            reason = STOPPED if stops else f"it took longer than {self._limit_s:g} s (on_promotion_timeout)"
            until_s = now_s + (STOP_GRACE_S if stops else GRACE_S)
            _signal(process, signal.SIGTERM)
        return reason

    def _read(self, process: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
        """Read what there is; whether there may be more."""
        assert process.stdout is not None
        if process.stdout.closed:
            time.sleep(timeout_s)
            return False
        ready = select.poll()  # select.select refuses numbers from 1024 on, which a busy service has
        ready.register(process.stdout, select.POLLIN)
        if not ready.poll(timeout_s * 1_000):
            return False
        chunk = os.read(process.stdout.fileno(), CHUNK)
        self._output.add(chunk)
        if not chunk:
            process.stdout.close()
        return bool(chunk)

    def _drain(self, process: "subprocess.Popen[bytes]") -> None:
        """What is left in the pipe: of the group nobody writes any more."""
        assert process.stdout is not None
        for _ in range(CHUNK):
            if process.stdout.closed or not self._read(process, 0.0):
                break
        process.stdout.close()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _why(status: int) -> str:
    """Why an exit is no success.

    >>> _why(0), _why(3), _why(-9)
    ('', 'it ended with status 3', 'it was killed by signal 9')
    """
    if status == 0:
        return ""
    return f"it ended with status {status}" if status > 0 else f"it was killed by signal {-status}"
