"""The image, made by its own instructions in a Debian root file system and started read-only, as another user: no
container engine is needed, but root, debootstrap and the network are."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from containers.containerfile import Build, Stage, stages
from containers.running import Container
from daemon_harness import FAST, drop, free_port, rows
from postgresql import Server, needs_postgresql
from s3 import S3, needs_s3

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "contrib" / "containers"
TEXT = (CONTAINERS / "Containerfile").read_text("utf-8")
NEEDED = ("debootstrap", "unshare", "nsenter", "chroot", "mount", "ip", "curl")
CONFIG = """\
[service]
state_dir = "/var/lib/driftd"
listen = "0.0.0.0:8080"
min_free = "1MB"
[models.m]
data_dir = "/data"
task = "classification"
target = "label"
[models.m.columns]
x = "number"
z = "number"
colour = "category"
label = "category"
"""
LEFT_OUT = (
    "var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
)  # fmt: skip
NOBODY = 23_456
"""A user that no passwd knows, as some clusters give to each namespace."""
ROWS = {"rows": [{"x": 0.3, "z": 0.1, "colour": "red"}]}


@dataclass(frozen=True)
class Image:
    """Its root file system, and what its last stage says besides."""

    root: Path
    stage: Stage
    debian: Path

    def container(self, folder: Path, mounts: dict[str, tuple[str, Path | None]], **how: Any) -> Container:
        """As its instructions say it is started, unless told otherwise; its log is in `folder`."""
        user, _, group = self.stage.told("USER").partition(":")
        settings = {
            "root": self.root, "user": int(user), "group": int(group), "environment": self.stage.pairs("ENV"),
            "command": [*self.stage.words("ENTRYPOINT"), *self.stage.words("CMD")], "here": self.stage.told("WORKDIR"),
            "log": folder / "log",
        }  # fmt: skip
        return Container(mounts={"/tmp": ("tmpfs", None)} | mounts, **(settings | how))


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Made once; with $DEBIAN_ROOT, a folder of debootstrap's, that need not be made anew."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"no image can be made here: {'not root' if os.geteuid() != 0 else 'no ' + ', '.join(missing)}")
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    given = os.environ.get("DEBIAN_ROOT")
    debian = Path(given) if given else folder / "debian"
    if not debian.exists():
        suite = re.search(r"debian:([a-z]+)-slim", stages(TEXT)[1]["BASE"])
        assert suite is not None
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", suite[1], debian], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"no Debian root file system is to be had: {done.stdout[-300:]}{done.stderr[-300:]}")
    root, stage = Build(debian, folder, ROOT).run(TEXT)
    yield Image(root, stage, debian)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(image: Image) -> Iterator[Callable[..., Container]]:
    """Starts containers and ends them afterwards."""
    started: list[Container] = []

    def begin(folder: Path, mounts: dict[str, tuple[str, Path | None]], **how: Any) -> Container:
        started.append(image.container(folder, mounts, **how))
        return started[-1].start()

    yield begin
    for container in started:
        container.close()


def owned(path: Path, user: int, group: int, mode: int = 0o750) -> Path:
    """A folder of that user's."""
    path.mkdir(exist_ok=True)
    os.chown(path, user, group)
    path.chmod(mode)
    return path


def megabytes(path: Path) -> int:
    """On the disk, as `du` counts."""
    told = subprocess.run(["du", "-sxm", path], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0])


def slim(root: Path) -> int:
    """Megabytes of a root file system without what Debian's slim images leave out."""
    return megabytes(root) - sum(megabytes(root / name) for name in LEFT_OUT if (root / name).exists())


def asked(container: Container, url: str, body: Any, *curl: str) -> Any:
    """What a POST in its network is answered."""
    json_body = ("-H", "content-type: application/json", "-d", json.dumps(body))
    done = container.run("curl", "-sS", "-m", "20", *json_body, *curl, url, root=False)
    assert done.returncode == 0, done.stderr + container.text()[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("user", ["its own", "unknown"])
def test_it_trains_and_serves_from_a_read_only_root(
    image: Image, start: Callable[..., Container], tmp_path: Path, user: str
) -> None:
    """As its first process, without a home, a capability or a writable file outside of state, data and /tmp, as its own
    user or as one that its passwd does not know: it takes a file, trains, answers, is found healthy, tells nothing that
    failed, and ends at the signal that it asks for."""
    whom = {"user": NOBODY, "group": 0} if user == "unknown" else {}
    plain = image.container(tmp_path, {}, **whom)
    (tmp_path / "config.toml").write_text(CONFIG + FAST)
    mounts: dict[str, tuple[str, Path | None]] = {
        "/etc/driftd/config.toml": ("ro", tmp_path / "config.toml"),
        "/var/lib/driftd": ("rw", owned(tmp_path / "state", plain.user, plain.group)),
        "/data": ("ro", owned(tmp_path / "data", plain.user, plain.group)),
    }
    drop(rows(1), tmp_path / "data" / "a.csv").chmod(0o644)
    container = start(tmp_path, mounts, **whom)
    container.wait("service_ready")
    container.wait("model_swapped")
    answer = asked(container, "http://127.0.0.1:8080/models/m/predict", ROWS)
    assert answer["predictions"] == ["yes"]

    health = container.run(*image.stage.words("HEALTHCHECK"))
    assert health.returncode == 0, health.stderr
    for place in ("/etc/x", "/opt/driftd/x", "/data/x"):
        assert container.run("touch", place).returncode != 0
    doctor = container.run("driftd", "doctor")
    assert doctor.returncode == 0 and "BAD" not in doctor.stdout, doctor.stdout + doctor.stderr
    asking = container.run("driftd", "retrain", "m")
    assert asking.returncode == 0, asking.stdout + asking.stderr
    told = [json.loads(line) for line in container.text().splitlines() if line.startswith("{")]
    assert [one for one in told if one["level"] not in ("info", "debug")] == []
    assert not [line for line in container.text().splitlines() if not line.startswith("{")]
    assert container.stop(signal.Signals[image.stage.told("STOPSIGNAL")]) == 0


@needs_postgresql
@needs_s3
def test_the_service_and_a_follower_with_the_configuration_of_compose_and_cluster(
    image: Image, start: Callable[..., Container], tmp_path: Path, postgresql: Server, s3: S3
) -> None:
    """With a real PostgreSQL and a real S3 server, which alone are told otherwise, secrets in files that only their
    user reads, and a follower that has nothing but /tmp: both answer the same."""
    text, port = (CONTAINERS / "config.toml").read_text("utf-8"), {"run": free_port(), "serve": free_port()}
    text += (
        "[models.churn.adaptation]\narchive = 1\nrecalibration = false\n"  # an answer changes with a promotion alone
    )
    text = re.sub(r"s3://driftd", s3.bucket(), text)
    secrets = owned(tmp_path / "secrets", 10_001, 10_001)
    containers: dict[str, Container] = {}
    rng = np.random.default_rng(1)
    calls = rng.poisson(3, 3000)
    left = np.where(calls + rng.normal(0, 1, 3000) > 3, "yes", "no")
    table = pa.table(
        {"customer": [f"c{n}" for n in range(3000)], "calls": calls, "age": rng.normal(40, 9, 3000), "left": left}
    )
    data = owned(tmp_path / "data", 10_001, 10_001)
    owned(data / "churn", 10_001, 10_001)
    drop(table, data / "churn" / "a.csv").chmod(0o644)
    token = {"read": "r" * 32, "admin": "a" * 32}
    with postgresql.ledger() as url:
        kept = {
            "ledger-url": url, "store": "".join(f"{name}={value}\n" for name, value in s3.options.items()),
            "read-token": token["read"], "admin-token": token["admin"],
        }  # fmt: skip
        for name, value in kept.items():
            (secrets / name).write_text(value)
            (secrets / name).chmod(0o400)
            os.chown(secrets / name, 10_001, 10_001)
        for command in ("run", "serve"):
            folder = tmp_path / command
            folder.mkdir()
            (folder / "config.toml").write_text(text.replace("0.0.0.0:8080", f"127.0.0.1:{port[command]}"))
            mounts: dict[str, tuple[str, Path | None]] = {
                "/etc/driftd/config.toml": ("ro", folder / "config.toml"),
                "/run/secrets/driftd": ("ro", secrets),
                "/var/lib/driftd": ("tmpfs", None),
                "/data": ("ro", data) if command == "run" else ("tmpfs", None),
            }
            words = [*image.stage.words("ENTRYPOINT"), command]
            containers[command] = start(folder, mounts, command=words, host_network=True)
            containers[command].wait("model_swapped" if command == "run" else "service_ready")
        header = ("-H", f"authorization: Bearer {token['read']}")
        body = {"rows": [{"calls": 9, "age": 30.0}, {"calls": 0, "age": 50.0}]}
        answers = [
            asked(containers[command], f"http://127.0.0.1:{port[command]}/models/churn/predict", body, *header)
            for command in ("run", "serve")
        ]
        assert answers[0] == answers[1] and answers[0]["predictions"] == ["yes", "no"]
        for container in containers.values():
            assert container.stop(signal.SIGTERM) == 0
            assert "token_file_open" not in container.text()


def test_nothing_is_in_it_that_is_not_needed(image: Image) -> None:
    """No pip, no compiler, no tests, no lists of packages; what its megabytes are is printed."""
    packages = next((image.root / "opt/driftd/lib").glob("python3*/site-packages"))
    names = {path.name for path in packages.iterdir()}
    assert not names & {"pip", "setuptools", "pytest", "mypy"} and {"psycopg", "obstore", "daemon"} <= names
    assert not [path for path in packages.rglob("tests") if path.is_dir()]
    assert not (image.root / "usr/bin/gcc").exists() and not (image.root / "usr/bin/strip").exists()
    assert not list((image.root / "var/lib/apt/lists").glob("*"))
    own, debian = megabytes(image.root / "opt"), slim(image.debian)
    system = slim(image.root) - own - debian
    sizes = sorted(((megabytes(path), path.name) for path in packages.iterdir()), reverse=True)
    compiled = sum(path.stat().st_size for path in packages.rglob("*.pyc")) // 10**6
    print(f"\n{own + system + debian} MB: base {debian}, Debian's Python and certificates {system}, /opt/driftd {own}")
    print(f"of which compiled Python {compiled}")
    print(", ".join(f"{name} {size}" for size, name in sizes[:12]))
