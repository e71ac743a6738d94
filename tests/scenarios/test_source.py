"""Rows of a database, pulled by a real daemon; the story of docs/sources.md, and kills."""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from daemon_harness import ROOT, Daemon, in_process

from daemon.config.paths import SEEN

FENCE = re.compile(r"^```(sql|toml|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STORY = (ROOT / "docs/sources.md").read_text("utf-8").partition("## What is pulled")[0]
SOURCE = """\
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 1000000
[models.m.source]
url = "sqlite:///a.db"
query = "SELECT x, z, colour, label, n FROM t"
watermark = "n"
every = "1h"
overlap = 100
max_rows = 60
"""


def test_the_story_of_the_page_is_true(make_daemon: Callable[..., Daemon]) -> None:
    """Its SQL, its configuration and its commands, in their order."""
    blocks = FENCE.findall(STORY)
    assert [kind for kind, _ in blocks] == ["sql", "toml", "sh", "sh", "sql", "sh"]
    daemon = make_daemon("")
    listen = f'[service]\nlisten = "127.0.0.1:{daemon.port}"\nmin_free = "1MB"\npage = false\n'
    said = list[str]()
    with closing(sqlite3.connect(daemon.folder / "loans.db")) as database:
        for kind, text in blocks:
            if kind == "sql":
                database.executescript(text)
            elif kind == "toml":
                daemon.config.write_text(text.replace("[service]\n", listen))
            elif "driftd pull" in text and not said[1:]:
                daemon.start()
                daemon.wait("file_accepted", model="loans")
            for command in text.splitlines() if kind == "sh" else ():
                done = in_process(["-c", str(daemon.config), *command.split()[1:]])
                assert done.returncode == 0, (command, done.stdout + done.stderr)
                said.append(done.stdout)
    assert "its newest 'updated_at' is 2026-01-01 13:20:00" in said[0]
    assert said[1] == "no row is new\n" and re.search(r"source/\S+ .* accepted +800 +800", said[2])
    assert re.match(r"2 rows: source/", said[3])
    assert [one["rows"] for one in daemon.seen("rows_pulled")] == [800, 2]
    listed = daemon.json("files", "loans")
    assert [(one["source"], one["state"]) for one in listed] == [("database", "accepted")] * 2
    assert not list((daemon.folder / "data/loans").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("point", ["source.publish.after_rename", "control.file_committed:2"])
def test_a_real_kill_pulls_each_row_once(point: str, make_daemon: Callable[..., Daemon]) -> None:
    """kill -9 of control, a start, and rows that were committed late meanwhile."""
    daemon = make_daemon(SOURCE)
    with closing(sqlite3.connect(daemon.folder / "a.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE t (n INTEGER, x REAL, z REAL, colour TEXT, label TEXT)")
        database.executescript(
            "WITH RECURSIVE i(n) AS (SELECT 2 UNION ALL SELECT n + 2 FROM i WHERE n < 300) "
            "INSERT INTO t SELECT n, n * 7 % 11 / 3.0, n * 5 % 13 / 3.0, 'red', iif(n % 3, 'yes', 'no') FROM i"
        )
        daemon.start(crash_at=point, wait_ready=False)
        assert daemon.wait_dead() == -9
        database.execute("INSERT INTO t SELECT n - 1, x, z, colour, label FROM t WHERE n > 210")
        before = len(daemon.events)
        daemon.start()
        assert daemon.cli("pull", "m").stdout
        wanted = Counter((n, x, colour) for n, x, colour in database.execute("SELECT n, x, colour FROM t"))
        late = {n for n, _, _ in wanted if n % 2}
    with closing(sqlite3.connect(daemon.folder / "state/ledger.sqlite")) as ledger:
        snapshots = [row[0] for row in ledger.execute("SELECT snapshot FROM files WHERE state = 'accepted'")]
    assert late and len(daemon.events) > before
    assert Counter(rows_of([daemon.folder / "state" / one for one in snapshots])) == Counter(
        (x, colour) for _, x, colour in wanted.elements()
    )
    assert {one.name for one in (daemon.folder / "state/pulled").rglob("*") if one.is_file()} == {SEEN}


def rows_of(paths: list[Path]) -> list[tuple[float, str]]:
    """What the snapshots hold."""
    tables = [pq.read_table(path, columns=["x", "colour"]).to_pylist() for path in paths]
    return [(row["x"], row["colour"]) for table in tables for row in table]


def test_a_model_without_a_database_is_told(make_daemon: Callable[..., Daemon]) -> None:
    """It is wrong use of the command."""
    done = make_daemon("").cli("pull", "m", check=False)
    assert done.returncode == 2 and "m has no database" in done.stderr
