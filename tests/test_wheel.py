"""What people install: the wheel, in an environment of its own and far from this folder."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest
from daemon_harness import free_port
from helpers import wait_for

pytestmark = pytest.mark.xdist_group("wheel")  # one environment for all of them

ROOT = Path(__file__).parents[1]
SOURCES = ("daemon", "retrain", "drift", "contrib", "pyproject.toml", "README.md", "LICENSE", "config.toml")


class Installed:
    """driftd's wheel in a fresh environment, whose other packages are those of this one; `folder` is where somebody
    works."""

    def __init__(self, place: Path) -> None:
        source, wheels, self.environment = place / "source", place / "wheels", place / "environment"
        self.folder = place / "somewhere else"
        for made in (source, wheels, self.folder):
            made.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
            copy(ROOT / name, source / name, **({"symlinks": True} if (ROOT / name).is_dir() else {}))
        pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
        offline = ["--no-deps", "--no-index"]
        run([*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, source])
        run([sys.executable, "-m", "venv", "--without-pip", self.environment])
        self.python = self.environment / "bin" / "python"
        run([*pip, "--python", self.python, "install", *offline, *wheels.iterdir()])
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(self.environment)}))
        (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The installed command, where somebody works."""
        names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        environment = {name: value for name, value in os.environ.items() if name not in names}
        return subprocess.Popen(
            [self.environment / "bin" / "driftd", *words], cwd=self.folder, env=environment | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def says(self, *words: str) -> str:
        """What the installed command prints; it ends well."""
        process = self.start(*words)
        text, _ = process.communicate(timeout=120)
        assert process.returncode == 0, text
        return text


def run(words: list[object]) -> None:
    """A command that has to end well."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """Built and installed once."""
    return Installed(tmp_path_factory.mktemp("wheel"))


class Played:
    """`driftd demo`, its lines as they come."""

    def __init__(self, installed: Installed, *words: str) -> None:
        self.process = installed.start("demo", *words)
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    def wait(self, text: str, timeout_s: float = 120) -> str:
        """The first line that has a text."""
        try:
            wait_for(lambda: any(text in line for line in self.lines), timeout_s)
        except AssertionError:
            raise AssertionError("\n".join(self.lines[-40:])) from None
        return next(line for line in self.lines if text in line)

    def stop(self) -> int:
        """Ctrl-C, and the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)


def with_port(installed: Installed, folder: str) -> None:
    """The example's configuration in a folder, as the wheel has it, on a free port."""
    found = subprocess.run(
        [installed.python, "-c", "import daemon.tools.demo.playing as p; print(p.EXAMPLE)"],
        cwd=installed.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    example = Path(found.stdout.strip())
    assert installed.environment in example.parents
    text = example.read_text("utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    (installed.folder / folder).mkdir()
    (installed.folder / folder / "config.toml").write_text(text, "utf-8")


def test_the_wheel_has_all_that_the_commands_need(installed):
    """Version, help, a comparison, `from drift import compare`, and a configuration written for a file, in an
    environment that has never seen this folder."""
    assert installed.says("--version").startswith("driftd ")
    assert "demo" in installed.says("--help")
    (installed.folder / "a.csv").write_text("x,y\n" + "\n".join(f"{n % 7},{n % 2}" for n in range(300)), "utf-8")
    assert "No drift in 2 columns" in installed.says("compare", "a.csv", "a.csv", "--html", "a.html")
    assert "config.toml" in installed.says("init", "a.csv", "--target", "y")
    script = "import drift; print(drift.__file__, drift.compare({'x': [1.0, 2.0]}, {'x': [1.0, 2.0]}).drift)"
    words = [installed.python, "-c", script]
    told = subprocess.run(words, cwd=installed.folder, capture_output=True, text=True, check=True).stdout
    assert told.startswith(str(installed.environment)) and told.rstrip().endswith("False")
    assert (installed.environment / "share" / "driftd" / "grafana").is_dir()


def test_the_example_begins_anywhere_and_ends_when_asked(installed):
    """`driftd demo DIR` writes the example's configuration, places its first months, starts the service, and Ctrl-C ends
    it; another folder's configuration is refused."""
    with_port(installed, "flights")
    played = Played(installed, "flights")
    played.wait("→ placed 2013-01.parquet, 2013-02.parquet, 2013-03.parquet in flights/data/flights")
    played.wait('"event": "service_ready"')
    assert played.stop() == 0
    assert "→ stopped. `driftd demo flights` goes on from here; `rm -r flights` begins anew." in played.lines
    (installed.folder / "mine").mkdir()
    mine = '[models.mine]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
    (installed.folder / "mine" / "config.toml").write_text(mine, "utf-8")
    other = installed.start("demo", "mine")
    text, _ = other.communicate(timeout=60)
    assert other.returncode == 2 and "has no model 'flights'" in text


@pytest.mark.long
def test_the_example_trains_and_serves_from_the_wheel(installed):
    """A first version of each example is served, and its `curl` line is told."""
    for folder, options in (("year", ()), ("shop", ("--recommender",))):
        with_port(installed, folder)
        played = Played(installed, *options, folder)
        played.wait("curl -s http", 240)
        assert played.stop() == 0
