"""docs/beyond-one-machine.md is true: its commands move a service from a folder into a real PostgreSQL and a real S3 server,
a second host joins and takes over, and what the pages show of that is what the hosts said."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import local_http
import pytest
from daemon_harness import ROOT, drop, free_port, rows
from helpers import wait_for
from page_commands import SHELL
from postgresql import PASSWORD, PROGRAMS, Server, needs_postgresql
from s3 import KEY, S3, SECRET, needs_s3

pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql"), pytest.mark.timeout(1200)]

PAGE, OTHER = ROOT / "docs" / "beyond-one-machine.md", ROOT / "docs" / "failover.md"
FILE = re.compile(r"`([a-z-]+)`:\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECORDED = re.compile(r"(^<!-- recorded: failover -->\n)(.*?)(^<!-- end -->$)", re.MULTILINE | re.DOTALL)
NEW_KEYS = ("ledger_file", "store", "store_file")
MOST_COMMANDS = 10
QUICK = """\
estimator.params = { max_iter = 15, learning_rate = 0.3 }
intake.settle = "100ms"
triggers.first_rows = 300
"""
"""What a test cannot wait for; of the page's own configuration nothing is changed but addresses."""
JOINS, LEADS = ("standing_by", "service_ready"), ("lease_acquired", "leader_gone", "file_accepted")
"""Those events of the host that takes over whose order is promised: before, and from then on."""
RECORD = "another story: pytest -m long --record tests/test_beyond_page.py"
ROW = '{"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]}'


@dataclass
class Host:
    """A folder in which its person types, and a service that runs there."""

    folder: Path
    port: int
    there: dict[str, str]
    environment: dict[str, str]
    log: Path = field(init=False)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.log = self.folder / "said"

    def here(self, text: str) -> str:
        """What the page says, with this test's addresses."""
        for shown, real in {**self.there, "0.0.0.0:8080": f"127.0.0.1:{self.port}"}.items():
            text = text.replace(shown, real)
        return text

    def configure(self, name: str, text: str) -> None:
        """As a person writes one of the page's files."""
        (self.folder / name).write_text(self.here(text))

    def type(self, command: str) -> str:
        """What it prints, to its end; `driftd run` goes on, once it is ready."""
        if command == "driftd run":
            return self.run()
        done = subprocess.run(
            ["sh", "-c", self.here(command)], cwd=self.folder, env=self.environment, text=True, stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def run(self) -> str:
        """Until it is ready, by what it says on a terminal."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["driftd", "run", "--log-format", "console"], cwd=self.folder, env=self.environment, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.wait("service_ready")
        return ""

    def wait(self, event: str) -> None:
        """Until it said so."""

        def found() -> bool:
            assert self.process is not None and self.process.poll() is None, self.log.read_text()
            return f"] {event} " in self.log.read_text()

        wait_for(found, what=event)

    def kill(self) -> None:
        """As a machine is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)

    def events(self, names: Collection[str]) -> Iterator[str]:
        """The lines of its log with these, without times."""
        for line in self.log.read_text().splitlines():
            said = re.match(r"[\d:]+ (\[\w+ *\] (\w+) .*)", line)
            if said is not None and said[2] in names:
                yield said[1].rstrip()


def of_service(configured: str) -> str:
    """The page's configuration before anything is moved."""
    return "".join(line for line in configured.splitlines(True) if line.partition(" ")[0] not in NEW_KEYS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page begins with, and the data beside it: the page's own service made a first model."""
    place: Path = tmp_path_factory.mktemp("beyond")
    (place / "churn").mkdir()
    host = Host(place / "churn", free_port(), {"/srv/churn": str(place / "data")}, environment())
    (place / "data").mkdir()
    (configured,) = TOML.findall(PAGE.read_text("utf-8"))
    host.configure("config.toml", quick(of_service(configured)))
    try:
        host.run()
        drop(rows(1), place / "data" / "monday.csv")
        host.wait("model_swapped")
        host.wait("cycle_finished")
        assert host.process is not None
        host.process.terminate()
        assert host.process.wait(60) == 0
    finally:
        host.kill()
    return place


def quick(configured: str) -> str:
    """With the target of this test's rows, and what it cannot wait for."""
    text = configured.replace('target = "left"\n', f'target = "label"\n{QUICK}')
    return text.replace("[service]\n", '[service]\npage = false\ndrain = "0s"\nmin_free = "1MB"\n')


def environment() -> dict[str, str]:
    """In which `driftd` and `pip` are those of this environment; nothing is downloaded."""
    path = f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}"
    return dict(os.environ, PATH=path, PIP_NO_INDEX="1", NO_COLOR="1")


@pytest.fixture
def hosts(served: Path, tmp_path: Path, postgresql: Server, s3: S3) -> Iterator[tuple[Host, Host]]:
    """Host a has the service that was stopped, host b an empty folder; both see the data, the database and the bucket."""
    with ExitStack() as stack:
        database = f"beyond_{tmp_path.name}".lower().replace("-", "_")
        stack.enter_context(postgresql.database(database)).close()
        for name in "ab":
            (tmp_path / name).mkdir()
        shutil.copytree(served / "churn", tmp_path / "a" / "churn")
        (tmp_path / "b" / "churn").mkdir()
        shutil.copytree(served / "data", tmp_path / "data")
        there = {
            "a:churn/": f"{tmp_path}/a/churn/", "/srv/churn": f"{tmp_path}/data", "PASSWORD": PASSWORD,
            "db.example.com:5432/driftd": f"127.0.0.1:{postgresql.port}/{database}", "=SECRET": f"={SECRET}",
            "=KEY": f"={KEY}", "https://s3.example.com": f"http://127.0.0.1:{s3.port}", "s3://models/": f"{s3.bucket()}/",
        }  # fmt: skip
        a, b = (Host(tmp_path / name / "churn", free_port(), there, environment()) for name in "ab")
        stack.callback(a.kill)
        stack.callback(b.kill)
        text = PAGE.read_text("utf-8")
        (configured,) = TOML.findall(text)
        a.configure("config.toml", quick(configured))
        for name, content in FILE.findall(text):
            a.configure(name, content)
        yield a, b


def commands() -> list[list[str]]:
    """Of each block of the page."""
    return [block.splitlines() for block, _ in SHELL.findall(PAGE.read_text("utf-8"))]


def test_the_page_says_what_it_takes():
    """Ten commands at most, and the configuration has three lines more than that of one machine."""
    assert sum(map(len, commands())) <= MOST_COMMANDS
    (configured,) = TOML.findall(PAGE.read_text("utf-8"))
    assert len(configured.splitlines()) - len(of_service(configured).splitlines()) == len(NEW_KEYS)
    assert [name for name, _ in FILE.findall(PAGE.read_text("utf-8"))] == ["ledger-url", "store-credentials"]


@pytest.mark.long
def test_the_story_of_the_page(hosts: tuple[Host, Host], request: pytest.FixtureRequest) -> None:
    """Each command succeeds where it stands, and says nothing bad; the model that was served goes on, no file is taken
    twice, the other host takes over when the first one is killed, and the pages show what it said."""
    a, b = hosts
    moving, joining, asking = commands()
    said = {command: a.type(command) for command in moving}
    assert "→ `driftd migrate-state` moves it there" in said["driftd doctor"] and "BAD" not in said["driftd doctor"]
    for command in joining:
        assert "BAD" not in b.type(command)
        if command.startswith("scp "):  # both are on one machine
            b.type(f"sed -i s/:{a.port}/:{b.port}/ config.toml")
    (asked,) = asking
    told = [f"b$ {asked}", b.type(asked).splitlines()[1]]
    before = answer(a)
    assert answer(b) == before and "a.csv" not in a.log.read_text()
    assert a.process is not None
    told += [f"a$ kill -9 {a.process.pid}"]
    a.kill()
    drop(rows(2, 200), Path(a.here("/srv/churn")) / "tuesday.csv")
    told += [f"b$ curl -s http://127.0.0.1:{b.port}/models/churn/predict --json '{ROW}'", answer(b)]
    b.wait("file_accepted")
    assert answer(b) == before
    shown = [
        *islice(b.events(JOINS), len(JOINS)),
        *told,
        *b.events(LEADS),
        f"b$ {asked}",
        b.type(asked).splitlines()[1],
    ]
    recorded = f"```text\nb$ driftd run\n{masked(chr(10).join(shown), a, b)}\n```\n"
    for page in (PAGE, OTHER):
        text = page.read_text("utf-8")
        if request.config.getoption("record"):
            page.write_text(RECORDED.sub(rf"\g<1>{recorded}\g<3>", text), "utf-8")
        else:
            assert RECORDED.findall(text)[0][1] == recorded, RECORD


def answer(host: Host) -> str:
    """A prediction."""
    return local_http.post(f"http://127.0.0.1:{host.port}/models/churn/predict", content=ROW).text  # type: ignore[no-any-return]


def masked(text: str, a: Host, b: Host) -> str:
    """With what differs between two runs in general words."""
    for name, host in (("a", a), ("b", b)):
        text = re.sub(rf"[\w.-]+:{re.escape(str(host.folder))}/state#\w*", f"{name}:churn/state#ee34d99e", text)
        text = text.replace(f"127.0.0.1:{host.port}", f"{name}:8080")
        assert host.process is not None
        text = text.replace(f"kill -9 {host.process.pid}", "kill -9 1234")
    text = re.sub(r"v0001-[0-9a-f]{8}", "v0001-b015ddf7", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "…", text)
    text = re.sub(r'(?<=(?:"no"|yes"):)0\.\d+', lambda number: f"{float(number[0]):.2f}", text)
    return re.sub(r"seconds=[\d.]+", "seconds=…", text)
