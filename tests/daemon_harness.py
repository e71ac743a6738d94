"""A real daemon on real files for the scenario tests: start it, drop files, read its log, kill it, ask it."""

import contextlib
import io
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import local_http
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from event_lines import undeclared
from helpers import PATIENCE_S, wait_for
from ledgers import DATABASES, configured, place_ledger

from daemon.cli.app import run as run_command_line
from daemon.runtime.faults import VARIABLE

Event = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
ASKING = (
    "status", "history", "versions", "files", "explain", "retrain", "promote", "approve", "rollback", "pause", "resume",
    "hold", "release", "forget", "check", "predict", "doctor", "notify", "pull", "adopt",
)  # fmt: skip
"""Commands that read the ledger and files, or leave a word in it."""
FEW = "estimator.params = { max_iter = 15, learning_rate = 0.3 }"
FAST = """\
[models.m.intake]
settle = "200ms"
rescan = "500ms"
[models.m.triggers]
on_drift = true
on_performance = true
first_rows = 300
cooldown = "100ms"
retry_after = "100ms"
"""


PORTS = range(15_000, 32_000)
"""Below those that Linux gives to outgoing connections: none of these takes a port between here and its listener."""
RESERVED: list[socket.socket] = []
"""Marks of the ports that are given, for other processes."""


def free_port() -> int:
    """A port that nobody listens on now, and that no other test is given while this process lives: a service may begin
    to listen long after."""
    while True:
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if _is_mine(port):
                return port


def _is_mine(port: int) -> bool:
    """Whether no process of the tests has marked the port; now this one has."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0driftd-test-port-{port}")
    except OSError:
        mark.close()
        return False
    RESERVED.append(mark)
    return True


def rows(seed: int, n: int = 600, shift: float = 0.0, flip: bool = False) -> pa.Table:
    """A small classification problem; `shift` moves a feature, `flip` changes what the label depends on."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.0, n)
    z = rng.normal(0.0, 1.0, n)
    colour = rng.choice(["red", "green", "blue"], n)
    signal_part = (z if flip else x) + 0.5 * (colour == "red")
    label = np.where(signal_part + rng.normal(0, 0.5, n) > (0.0 if flip else shift), "yes", "no")
    return pa.table({"x": x, "z": z, "colour": colour, "label": label})


def drop(table: pa.Table, path: Path) -> Path:
    """Write a table beside the folder and move it in, as a careful producer does; CSV or Parquet by its name."""
    temporary = path.with_name(f".dropping{path.suffix}.tmp")
    if path.suffix == ".parquet":
        pq.write_table(table, temporary)
    else:
        pyarrow.csv.write_csv(table, temporary)
    temporary.rename(path)
    return path


class Daemon:
    """One daemon in a folder of its own; `extra` is TOML of the model's section and below, `service` of the service's:
    without the status page, whose process only its own tests need. Without a section of its estimator a model has a few
    large steps of boosting: what is promised hangs on none of the usual hundred."""

    def __init__(self, folder: Path, extra: str = "", columns: bool = True, service: str = "page = false") -> None:
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        few = "" if "estimator" in extra else f"{FEW}\n"
        declared = '[models.m.columns]\nx = "number"\nz = "number"\ncolour = "category"\nlabel = "category"\n'
        text = (
            textwrap.dedent(f"""\
            [service]
            state_dir = "state"
            drain = "0s"
            listen = "127.0.0.1:{self.port}"
            min_free = "1MB"
            {service}
            [models.m]
            data_dir = "data"
            task = "classification"
            target = "label"
            metric = "accuracy"
            """)
            + few
            + textwrap.dedent(extra)
            + (declared if columns else "")
        )
        self.config.write_text(text if "ledger_file" in service else configured(text, folder))
        self.events: list[Event] = []
        self.raw: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    # --- life -------------------------------------------------------------------------------------------

    def start(self, crash_at: str = "", wait_ready: bool = True, command: str = "run") -> "Daemon":
        """Start `driftd run`, or another such command; events of earlier runs stay in `events`. A ledger without a file is there before the first
        start: what makes one is tested by itself."""
        environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=self._as_installed())
        environment.pop(VARIABLE, None)
        if crash_at:
            name, _, count = crash_at.partition(":")
            self.plan(f"* {name} {count or 1} 1 KILL")
        if not (self.folder / "state").exists():
            place_ledger(self.folder / "state")
        if self.faults.exists():
            environment[VARIABLE] = str(self.faults)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "-c", str(self.config), *command.split()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            cwd=ROOT,
        )  # fmt: skip
        before = len(self.events)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        if wait_ready:
            self.wait("service_ready", since=before)
        return self

    def _as_installed(self) -> str:
        """The path of modules of a service that lacks pytest, which scikit-learn imports where it is."""
        lacks = self.folder / "lacks"
        lacks.mkdir(exist_ok=True)
        (lacks / "pytest.py").write_text("raise ImportError\n")
        return os.pathsep.join([str(lacks), *filter(None, [os.environ.get("PYTHONPATH")])])

    @property
    def faults(self) -> Path:
        """The folder that says at which steps its processes die or fail."""
        return self.folder / "faults"

    def plan(self, *lines: str) -> None:
        """Plan faults, "ROLE POINT FIRST COUNT WHAT" each, instead of those before; passings are counted anew. A process
        that is running goes by the one plan or the other: each has a folder, which stays, and a link changes hands."""
        made = Path(tempfile.mkdtemp(prefix="faults.", dir=self.folder))
        (made / "passed").mkdir()
        (made / "plan").write_text("\n".join(lines))
        link = made / "link"
        link.symlink_to(made.name)
        link.replace(self.faults)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.raw.append(line.rstrip())
            try:
                self.events.append(json.loads(line))
            except json.JSONDecodeError:
                continue

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """SIGKILL of the control process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def wait_dead(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until the process died by itself."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End it in whatever state it is; its processes end with it. A polite end takes a second."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_S)
        assert not (wrong := undeclared(self.events)), wrong

    # --- what it said -----------------------------------------------------------------------------------

    def seen(self, event: str, since: int = 0, **fields: Any) -> Iterator[Event]:
        """The events of that name with these fields, from index `since` on."""
        for entry in self.events[since:]:
            if entry.get("event") == event and all(entry.get(k) == v for k, v in fields.items()):
                yield entry

    def wait(self, event: str, since: int = 0, timeout_s: float = PATIENCE_S, **fields: Any) -> Event:
        """The first such event, or a failure that shows the log."""

        def probe() -> Event | None:
            found = next(self.seen(event, since, **fields), None)
            if found is None and self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended before {event}:\n" + self.tail())
            return found

        try:
            found = wait_for(probe, timeout_s, what=f"{event} {fields}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        assert found is not None
        return found

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.raw[-lines:])

    # --- asking it --------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def predict(self, client: httpx.Client | None = None) -> httpx.Response:
        """A prediction for one row."""
        body = {"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]}
        url = f"{self.url}/models/m/predict"
        return client.post(url, json=body) if client else local_http.post(url, json=body)

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Rows of its ledger, or none of a statement that changes some; `?` stands for a value."""
        url = DATABASES.url(self.folder / "state")
        if url is None:
            with (
                contextlib.closing(sqlite3.connect(self.folder / "state" / "ledger.sqlite", timeout=60)) as ledger,
                ledger,
            ):
                return ledger.execute(sql, values).fetchall()
        with psycopg.connect(url) as ledger:
            done = ledger.execute(sql.replace("?", "%s").encode(), values)
            return done.fetchall() if done.description else []

    def cli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `driftd` with this configuration: what asks and tells here and now, for an interpreter takes a second to
        start; other commands in a process of their own."""
        run = in_process if arguments[0] in ASKING else in_own_process
        done = run(["-c", str(self.config), *arguments])
        if check and done.returncode != 0:
            raise AssertionError(f"driftd {' '.join(arguments)} → {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments: str) -> Any:
        """What a command reports as JSON."""
        return json.loads(self.cli(*arguments, "--json").stdout)


def serve_first_model(daemon: Daemon, first_model: Path, event: str = "model_swapped") -> Daemon:
    """Start it in the place of the service of that folder, which ended, and wait until it says that it serves."""
    DATABASES.copy(first_model / "state", daemon.folder / "state")
    for name in ("state", "data"):
        shutil.copytree(first_model / name, daemon.folder / name, symlinks=True, dirs_exist_ok=True)
    daemon.start()
    daemon.wait(event)
    return daemon


def in_own_process(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """`driftd` as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT, check=False,
    )  # fmt: skip


def in_process(arguments: list[str], cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """The same in this process and a folder, which remembers nothing of what such a command saw before."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("daemon", "retrain"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command_line(arguments)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


class Load:
    """Constant predictions from several threads; counts answers, failures and the versions that answered. Each asks
    thirty times a second: more would take the processors from what is to happen meanwhile."""

    def __init__(self, ask: Callable[[httpx.Client], httpx.Response], threads: int = 3) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self.versions: set[str] = set()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _run(self) -> None:
        with local_http.Client() as client:
            while not self._stop.wait(0.03):
                try:
                    response = self._ask(client)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if response.status_code == 200:
                    self.answers += 1
                    self.versions.add(response.json()["version"])
                else:
                    self.failures.append(f"{response.status_code} {response.text}")
