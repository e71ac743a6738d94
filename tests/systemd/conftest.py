"""driftd as `driftd install-service` installs it, under a real systemd in a throw-away container."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from daemon_harness import FAST, drop, rows
from helpers import PATIENCE_S, wait_for
from systemd.container import Container, NoSystemd

DRIFTD = str(Path(sys.prefix) / "bin" / "driftd")
CONFIG = "/etc/driftd/config.toml"
DROP_IN = "/etc/systemd/system/driftd.service.d/test.conf"
TEXT = """\
[service]
state_dir = "/var/lib/driftd"
listen = "127.0.0.1:8080"
group = "driftd"
min_free = "1MB"
[models.m]
retention.versions = 30
data_dir = "/srv/driftd/m"
task = "classification"
target = "label"
metric = "accuracy"
[models.m.columns]
x = "number"
z = "number"
colour = "category"
label = "category"
"""
Event = dict[str, Any]


class Service:
    """The installed service and its journal."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.run, self.call, self.path = container.run, container.call, container.path

    def driftd(self, *arguments: str, check: bool = True) -> str:
        """What `driftd` prints inside, as root."""
        return self.run(DRIFTD, *arguments, check=check)

    def configure(self, text: str = TEXT + FAST) -> None:
        """Write the configuration."""
        self.path(CONFIG).parent.mkdir(exist_ok=True)
        self.path(CONFIG).write_text(text)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "--value", "-p", name, "driftd.service")

    def main_pid(self) -> int:
        """The control process, as the container counts."""
        return int(self.show("MainPID"))

    def group_of(self, pid: int) -> str:
        """A process's control group."""
        lines = self.path(f"/proc/{pid}/cgroup").read_text().splitlines()
        return next(line for line in lines if line.startswith("0::"))

    def drop_in(self, text: str, restart: bool = True) -> None:
        """Change the unit as `systemctl edit` does."""
        file = self.path(DROP_IN)
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"[Service]\n{text}\n")
        self.run("systemctl", "daemon-reload")
        if restart:
            self.run("systemctl", "restart", "driftd")

    def no_drop_in(self) -> None:
        """The unit as it was installed, from the next start on: a start takes seconds of a processor."""
        self.path(DROP_IN).unlink(missing_ok=True)
        self.run("systemctl", "daemon-reload")

    def journal(self, *matches: str, after: float = 0.0) -> list[Event]:
        """What `journalctl` finds that was logged after a moment in Unix seconds."""
        told = self.run("journalctl", "-o", "json", "--all", *matches)
        found = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        return [entry for entry in found if int(entry["__REALTIME_TIMESTAMP"]) > after * 1e6]

    def wait(self, *matches: str, after: float = 0.0, timeout_s: float = PATIENCE_S) -> Event:
        """The first such entry, or a failure that shows the log."""
        try:
            return wait_for(lambda: self.journal(*matches, after=after), timeout_s, 0.1, " ".join(matches))[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self) -> str:
        """The end of its journal, for a failed test."""
        return self.run("journalctl", "-u", "driftd", "-n", "60", "-o", "cat")

    def drop(self, name: str, seed: int, n: int = 600, **how: Any) -> None:
        """A data file arrives."""
        drop(rows(seed, n, **how), self.path("/srv/driftd/m") / name)

    def processes(self, words: str) -> list[int]:
        """The service's processes whose command line has these words, as the container counts."""
        return [int(pid) for pid in self.call("pgrep", "-f", words).stdout.split()]

    def status_of(self, path: str = "/models/m/predict", *curl: str) -> str:
        """The HTTP status of a prediction."""
        body = '{"rows": [{"x": 0.3}]}'
        url, json = f"http://127.0.0.1:8080{path}", "content-type: application/json"
        asking = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", "-H", json)
        return self.run(*asking, "-d", body, *curl, url)

    @contextlib.contextmanager
    def load(self, threads: int = 4) -> Iterator["Asking"]:
        """Constant predictions; what came of them is known afterwards."""
        command = [sys.executable, str(Path(__file__).with_name("load.py")), "8080", str(threads)]
        pipe = subprocess.PIPE
        process = subprocess.Popen([*self.container.entering(), *command], stdin=pipe, stdout=pipe, text=True)
        asking = Asking(process)
        try:
            asking.more()
            yield asking
            asking.more()
        finally:
            told, _ = process.communicate(timeout=60)
            asking.answers, asking.failures, asking.versions = json.loads(told.splitlines()[-1])


@dataclass
class Asking:
    """A load under way, and what came of it once it is over."""

    process: "subprocess.Popen[str]"
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def more(self) -> None:
        """Return when a hundred more answers came."""
        assert self.process.stdout is not None
        self.process.stdout.readline()


@pytest.fixture(scope="session")
def container() -> Iterator[Container]:
    """A booted systemd."""
    try:
        made = Container()
    except NoSystemd as error:
        pytest.skip(f"a real systemd is not to be had: {error}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def service(container: Container) -> Iterator[Service]:
    """Installed, started, with one version promoted."""
    made = Service(container)
    made.configure()
    made.driftd("install-service")
    made.run("systemctl", "enable", "--now", "driftd.socket", "driftd.service")
    made.drop("a.parquet", 1)
    made.wait("EVENT=version_promoted", "MODEL=m")
    made.wait("EVENT=model_swapped", "MODEL=m")
    return made
