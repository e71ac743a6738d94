"""A real MLflow server for tests, in an environment of its own: `make mlflow` installs it, 850 MB."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from daemon_harness import free_port
from helpers import wait_for

ROOT = Path(__file__).resolve().parent.parent
CLIENT, SERVER = ROOT / ".venv" / "mlflow", ROOT / ".venv" / "mlflow-server" / "bin"
WHY_NOT = (
    "" if (CLIENT / "mlflow").exists() and (SERVER / "mlflow").exists() else "needs what `make mlflow` installs, 1 GB"
)
START_S = 120.0
LONG_S = 600.0
"""For what a mirror does, whose processes take seconds of a processor each: the machine may be busy."""


class MlflowServer:
    """A server with a database and files in a folder; it can be stopped, started, and put back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """Its database."""
        return self.folder / "mlflow.db"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        command = [
            str(SERVER / "python"), "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port",
            str(self.port), "--backend-store-uri", f"sqlite:///{self.database}",
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        wait_for(self._answers, START_S, what="MLflow's server")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
            return answer.status == 200
        return False

    def stop(self) -> None:
        """End it, and its workers with it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait(20)
        self._process = None

    def save(self, place: Path) -> None:
        """Copy the database as it is."""
        with (
            contextlib.closing(sqlite3.connect(self.database, timeout=60)) as here,
            contextlib.closing(sqlite3.connect(place)) as there,
        ):
            here.backup(there)

    def restore(self, place: Path) -> None:
        """Put a copy back, while it is stopped."""
        for left in ("-wal", "-shm", "-journal"):
            self.database.with_name(self.database.name + left).unlink(missing_ok=True)
        shutil.copyfile(place, self.database)


@contextlib.contextmanager
def running_mlflow(folder: Path) -> Iterator[MlflowServer]:
    """A server that runs until the end."""
    server = MlflowServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


ASKED = """
import contextlib, io, json, os, sys, traceback
import mlflow, mlflow.pyfunc
for line in sys.stdin:
    script, arguments = json.loads(line)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        told = io.StringIO()
        try:
            sys.argv = ["-c", *arguments]
            with contextlib.redirect_stdout(told):
                exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
            answer = ["", told.getvalue()]
        except BaseException:
            answer = [traceback.format_exc()[-3000:], ""]
        with open(writer, "w") as out:
            json.dump(answer, out)
        os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        print(answer.read(), flush=True)
    os.waitpid(child, 0)
"""
"""A process that imports MLflow's client once, for that takes three seconds of a processor, and begins each script in one
of its own."""


@cache
def _asking() -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": f"{CLIENT}:{ROOT}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60", "GIT_PYTHON_REFRESH": "quiet"}
    command = [str(ROOT / ".venv" / "bin" / "python"), "-c", ASKED]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def asked(script: str, *arguments: Any) -> str:
    """What a script of MLflow's client prints, in a process of its own that sees it and driftd."""
    process = _asking()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps([script, [str(one) for one in arguments]]) + "\n")
    process.stdin.flush()
    failed, told = json.loads(process.stdout.readline())
    assert not failed, failed
    return str(told)
