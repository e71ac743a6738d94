"""A server in a process of its own: started, asked until it answers, weighed with its children, ended."""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

START_S = 120.0
LOOK_S = 0.25
END_S = 20.0
ASK_S = 30.0
SETTLE_S, RESTING = 30.0, 0.1


class NoAnswer(Exception):
    """A server did not start, or answers otherwise than with 200; says how."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Process:
    """A command in its own process group, not in a session of its own: schedulers may weigh sessions apart."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, folder: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
                process_group=0,
            )  # fmt: skip
        self.pid = self._process.pid

    def wait_for(self, url: str, body: Any) -> None:
        """Until it answers, or NoAnswer with the end of its log."""
        deadline, last = time.monotonic() + START_S, "no answer"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NoAnswer(f"ended with {self._process.returncode}: {self._tail()}")
            try:
                ask(url, body)
                return
            except (NoAnswer, OSError) as error:
                last = str(error)
            time.sleep(LOOK_S)
        raise NoAnswer(f"not ready within {START_S:g} s, {last}: {self._tail()}")

    def end(self) -> None:
        """SIGTERM to the group, SIGKILL where that is not enough."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)

    def _tail(self) -> str:
        return " | ".join(self.log.read_text("utf-8", "replace").splitlines()[-5:])


def ask(url: str, body: Any) -> Any:
    """The JSON answer to a JSON body; NoAnswer where its status is not 200."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=ASK_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        text = error.read(500).decode("utf-8", "replace")
        raise NoAnswer(f"{error.code} {text}", error.code) from None


def pss_mb(pid: int, children: bool = True) -> float:
    """Proportional memory of a process in MB (10⁶ bytes), with all below it unless told otherwise."""
    total = 0
    for each in _tree(pid) if children else (psutil.Process(pid),):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().pss
    return total / 1e6


def settle(pid: int) -> None:
    """Wait until a process and all below it rest: a server still works on requests whose client has gone."""
    deadline, before = time.monotonic() + SETTLE_S, _cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        now = _cpu_s(pid)
        if now - before < RESTING * LOOK_S:
            return
        before = now


def _cpu_s(pid: int) -> float:
    total = 0.0
    for each in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty where it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
