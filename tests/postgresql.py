"""A real PostgreSQL for tests, of Debian's package: a server of its own in a folder of its own, gone after the tests."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from daemon_harness import free_port

from daemon.ledger import open_ledger

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
NO_SERVER = "there is no PostgreSQL server: `apt install postgresql`"
needs_postgresql = pytest.mark.skipif(PROGRAMS is None, reason=NO_SERVER)
PASSWORD = "correct-horse"
FAST = "-c fsync=off -c shared_buffers=16MB -c max_connections=60 -c autovacuum=off"


@dataclass(frozen=True)
class Server:
    """Where it listens; everybody needs the password."""

    folder: Path
    port: int
    address: str = "127.0.0.1"

    def url(self, database: str, password: str = PASSWORD, port: int | None = None) -> str:
        """Of one of its databases."""
        return f"postgresql://driftd:{password}@{self.address}:{port or self.port}/{database}"

    @contextmanager
    def away(self) -> Iterator[None]:
        """It answers nobody meanwhile, and refuses nobody."""
        first = psutil.Process(int((self.folder / "data/postmaster.pid").read_text().splitlines()[0]))
        stopped = []
        first.suspend()
        try:
            for process in first.children():
                with suppress(psutil.Error):
                    process.suspend()
                    stopped.append(process)
            yield
        finally:
            for process in (*stopped, first):
                with suppress(psutil.Error):
                    process.resume()

    def run(self, program: str, *arguments: str) -> None:
        """One of the package's programs, to its end."""
        assert PROGRAMS is not None
        subprocess.run([str(PROGRAMS / program), *arguments], check=True, timeout=60)

    @contextmanager
    def database(self, name: str) -> Iterator["psycopg.Connection"]:
        """A new database, and a connection to it that commits each statement by itself."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            yield connection

    @contextmanager
    def ledger(self, template: str = "ledger") -> Iterator[str]:
        """The URL of a new database with an empty ledger, which is made once: copies take a fifth of a second. Another
        `template` is copied as it is, once nobody is connected to it."""
        name = f"ledger_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            if admin.execute("SELECT 1 FROM pg_database WHERE datname = 'ledger'").fetchone() is None:
                admin.execute("CREATE DATABASE ledger")
                open_ledger(self.folder, url=self.url("ledger")).close()
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            try:
                yield self.url(name)
            finally:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def running_server(address: str = "127.0.0.1", settings: str = FAST) -> Iterator[Server]:
    """One that runs with these settings, for all who reach that address; root starts it as the package's user, for PostgreSQL refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="driftd-postgresql-"))
    server = Server(folder, free_port(), address)
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    data = str(folder / "data")
    try:
        _run("initdb", "-D", data, "-U", "driftd", "-A", "scram-sha-256", "--pwfile", str(folder / "password"),
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", folder=folder)  # fmt: skip
        with (folder / "data/pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {address}/24 scram-sha-256\n")
        options = f"-p {server.port} -c listen_addresses={address} -c unix_socket_directories={folder} {settings}"
        _run("pg_ctl", "-w", "-t", "120", "-D", data, "-l", str(folder / "log"), "-o", options, "start", folder=folder)
        try:
            yield server
        finally:
            _run("pg_ctl", "-w", "-m", "immediate", "-D", data, "stop", folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str, folder: Path) -> None:
    assert PROGRAMS is not None
    as_whom = {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.geteuid() == 0 else {}
    with (folder / "said").open("w") as said:
        done = subprocess.run(
            [str(PROGRAMS / program), *arguments], stdout=said, stderr=said, cwd=folder, timeout=180, **as_whom
        )
    assert done.returncode == 0, (folder / "said").read_text()
