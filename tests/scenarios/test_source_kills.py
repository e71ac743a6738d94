"""A daemon that is killed again and again while others write to its database; minutes."""

import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from daemon_harness import Daemon
from helpers import wait_for
from postgresql import PROGRAMS, running_server

CONFIG = """\
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 1000000
[models.m.source]
url_file = "url"
query = "SELECT id, x, label, at FROM t"
watermark = "at"
every = "200ms"
overlap = 400
max_rows = 100
"""
ROUNDS = 8
pytestmark = pytest.mark.long
POINTS = (
    "source.publish.before_fsync", "source.publish.before_rename", "source.publish.after_rename", "source.committed",
    "intake.publish.before_rename", "intake.publish.after_rename", "control.file_committed",
    "source.remove_rows.before_remove", "source.remove_rows.after_remove", "source.remove_folder.before_remove",
)  # fmt: skip


@contextmanager
def sqlite(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Its URL, and how writers connect."""
    path = folder / "a.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = WAL")
        yield f"sqlite:///{path}", lambda: sqlite3.connect(path, timeout=60)


@contextmanager
def postgresql(_: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The same."""
    if PROGRAMS is None:
        pytest.skip("there is no PostgreSQL server: `apt install postgresql`")
    with running_server() as server:
        yield server.url("postgres"), lambda: psycopg.connect(server.url("postgres"))


class Writer(threading.Thread):
    """Writes rows until it is told to stop, some of them up to 300 behind the newest; now and then it waits before it
    commits."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.connect, self.over, self.written = connect, threading.Event(), Counter[int]()

    def run(self) -> None:
        """In transactions of a few rows."""
        rng, clock, row_id = random.Random(1), 1000, 0
        with closing(self.connect()) as connection:
            while not self.over.wait(rng.uniform(0, 0.8)):
                clock += rng.randrange(40)
                rows = [(row_id + k, rng.random(), clock - rng.randrange(300)) for k in range(rng.randrange(1, 12))]
                row_id += len(rows)
                values = ", ".join(f"({one}, {x}, '{'yes' if x > 0.5 else 'no'}', {at})" for one, x, at in rows)
                connection.execute(f"INSERT INTO t VALUES {values}")
                connection.commit()
                self.written.update(one for one, _, _ in rows)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("made", [sqlite, postgresql])
def test_each_row_comes_once_whatever_is_killed(made: Any, tmp_path: Path, make_daemon: Callable[..., Daemon]) -> None:
    """Control at named moments and anywhere, its puller too; rows are written meanwhile, out of their order."""
    rng = random.Random(5)
    daemon = make_daemon(CONFIG, columns=False)
    with made(daemon.folder) as (url, connect):
        (daemon.folder / "url").write_text(url)
        with closing(connect()) as connection:
            connection.execute("CREATE TABLE t (id BIGINT, x DOUBLE PRECISION, label TEXT, at BIGINT)")
            connection.commit()
        writer = Writer(connect)
        writer.start()
        for number in range(ROUNDS):
            point = rng.choice(POINTS) if number % 3 else ""
            daemon.start(crash_at=f"{point}:{rng.randrange(1, 4)}" if point else "", wait_ready=False)
            if not point:
                time.sleep(rng.uniform(1.0, 6.0))  # not for something to happen, but to be anywhere
                assert daemon.process is not None
                daemon.process.send_signal(signal.SIGKILL)
            assert daemon.wait_dead(240) == -9, daemon.tail()
        writer.over.set()
        writer.join()
        daemon.start()
        wait_for(lambda: ids(daemon).total() >= writer.written.total(), 300, what="all rows")
        daemon.cli("pull", "m")
        assert ids(daemon) == writer.written and writer.written.total() > 200


def ids(daemon: Daemon) -> Counter[int]:
    """Of all rows that were taken in."""
    with closing(sqlite3.connect(daemon.folder / "state/ledger.sqlite")) as ledger:
        snapshots = [row[0] for row in ledger.execute("SELECT snapshot FROM files WHERE state = 'accepted'")]
    tables = [pq.read_table(daemon.folder / "state" / one, columns=["id"]) for one in snapshots]
    return Counter(one for table in tables for one in table.column("id").to_pylist())
