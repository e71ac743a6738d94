"""The hosts of a story: on each a real `driftd run`, all on one ledger, one store and one folder of data."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import local_http
import psutil
import psycopg
from daemon_harness import ROOT, Daemon
from helpers import PATIENCE_S
from postgresql import Server, running_server
from s3 import S3, running_s3

from host_faults.network import Network, made_network

MODELS = "a", "b"
PORT = 8080
ANSWER_S = 2.5
"""So long a balancer waits for a host before it asks the next one."""
ROW = {"rows": [{"x": 0.3, "z": -1.0, "colour": "red", "id": "q"}]}
MODEL = """\
[models.{name}]
data_dir = "{data}"
task = "classification"
target = "label"
metric = "accuracy"
id_column = "id"
[models.{name}.intake]
settle = "100ms"
rescan = "1s"
[models.{name}.triggers]
first_rows = 200
on_drift = true
growth = false
cooldown = "100ms"
retry_after = "100ms"
max_attempts = 50
[models.{name}.estimator]
type = "sklearn.linear_model.LogisticRegression"
[models.{name}.adaptation]
archive = 1
recalibration = false
[models.{name}.columns]
x = "number"
z = "number"
colour = "category"
label = "category"
id = "category"
"""


class Host(Daemon):
    """One host of the network, with a state folder of its own."""

    def __init__(self, folder: Path, network: Network, number: int, service: str, data: Path) -> None:
        folder.mkdir()
        super().__init__(folder, service='page = false\nledger_file = "url"')
        self.network, self.number = network, number
        text = textwrap.dedent(f"""\
            [service]
            state_dir = "state"
            drain = "0s"
            listen = "{network.address(number)}:{PORT}"
            admin_token_file = "tokens"
            min_free = "1MB"
            page = false
            """)
        self.config.write_text(text + service + "".join(MODEL.format(name=name, data=data / name) for name in MODELS))

    def begin(self) -> None:
        """Start it on its host, and wait for nothing. In a session of its own it has its share of the processors, as
        far as the system gives each session one."""
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        self.process = subprocess.Popen(
            [*self.network.inside(self.number), sys.executable, "-m", "daemon", "-c", str(self.config), "run"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def begin_again(self) -> None:
        """Start it once its processes are gone."""
        if self.process is not None:
            self.process.wait(PATIENCE_S)
        self.begin()

    def write_log(self) -> None:
        """What it said so far, beside its folder of state."""
        (self.folder / "log").write_text("\n".join(self.raw))

    @property
    def lives(self) -> bool:
        """Whether its control runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.network.address(self.number)}:{PORT}"

    def processes(self) -> list[psutil.Process]:
        """Control and all that it started."""
        if not self.lives:
            return []
        assert self.process is not None
        with contextlib.suppress(psutil.Error):
            control = psutil.Process(self.process.pid)
            return [control, *control.children(recursive=True)]
        return []

    def workers(self, role: str) -> list[psutil.Process]:
        """Its analysts or trainers."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if f"--role {role}" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def signal_all(self, which: int) -> None:
        """To each of its processes."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(which)


@dataclass
class Cluster:
    """Hosts, and what they share."""

    folder: Path
    network: Network
    database: Server
    s3: S3
    url: str
    store: str
    token: str
    hosts: list[Host] = field(default_factory=list)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the ledger, as this side sees it."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def ask(self, path: str, body: Any, hosts: Sequence[Host]) -> httpx.Response | None:
        """As a balancer does: one host after the other until one answers 2xx; None if none does."""
        return self.asked(path, body, hosts)[0]

    def asked(self, path: str, body: Any, hosts: Sequence[Host]) -> tuple[httpx.Response | None, str]:
        """The same, and what those said who did not."""
        said = []
        for host in hosts:
            try:
                answer = self.post(host, path, body)
            except httpx.HTTPError as error:
                said.append(f"host {host.number}: {error!r}")
                continue
            if answer.is_success:
                return answer, ""
            said.append(f"host {host.number}: {answer.status_code} {answer.text}")
        return None, "; ".join(said)

    def answers(self, host: Host) -> bool:
        """Whether it serves each model."""
        return all(self.ask(f"/models/{name}/predict", ROW, [host]) is not None for name in MODELS)

    def post(self, host: Host, path: str, body: Any) -> httpx.Response:
        """One request to one host."""
        headers = {"authorization": f"Bearer {self.token}"}
        return local_http.post(f"{host.url}{path}", json=body, headers=headers, timeout=ANSWER_S)

    def leader(self) -> Host | None:
        """Who has the lease now, by the database's clock; its holder's name has the state folder."""
        there = "SELECT holder FROM leases WHERE until > extract(epoch FROM clock_timestamp())"
        holders = [holder for (holder,) in self.query(there)]
        return next((host for host in self.hosts if any(f":{host.folder}/state#" in one for one in holders)), None)

    def close(self) -> None:
        """End all."""
        for host in self.hosts:
            host.signal_all(signal.SIGCONT)
            host.close()


@contextmanager
def made_cluster(folder: Path, count: int = 3, service: str = "") -> Iterator[Cluster]:
    """Hosts that are not started yet, in an empty folder."""
    data, token = folder / "data", secrets.token_hex(16)
    with (
        made_network(count) as network,
        running_server(network.address()) as database,
        running_s3(network.address()) as s3,
        database.ledger() as url,
    ):
        store = f"{s3.bucket()}/driftd"
        cluster = Cluster(folder, network, database, s3, url, store, token)
        for name in MODELS:
            (data / name).mkdir(parents=True)
        for number in range(1, count + 1):
            words = f'ledger_file = "url"\nstore = "{store}"\nstore_file = "options"\nlease = "3s"\n{service}'
            host = Host(folder / f"host{number}", network, number, words, data)
            _secrets(host, url, s3, token)
            cluster.hosts.append(host)
        try:
            yield cluster
        finally:
            cluster.close()


def _secrets(host: Host, url: str, s3: S3, token: str) -> None:
    options = "".join(f"{name}={value}\n" for name, value in s3.options.items())
    for name, text in (("url", url), ("options", options), ("tokens", token)):
        path = host.folder / name
        path.touch(0o600)
        path.write_text(text)


def remove(folder: Path) -> None:
    """Throw a story's folder away."""
    shutil.rmtree(folder, ignore_errors=True)
