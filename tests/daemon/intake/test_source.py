"""New rows of a database on their way into data files: nothing twice, nothing passed over, whatever is killed."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bare_model import bare_model
from structlog.testing import capture_logs

from daemon.config.paths import ROWS, SEEN
from daemon.intake.source import SourceIntake
from daemon.ledger import files, pulls
from daemon.ledger.references import copy_ledger, references
from daemon.reading import pull as reading
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.operations import BY_REQUEST
from daemon.runtime.worker.process import Worker, WorkerError
from daemon.service.keeper import ModelKeeper
from retrain import durable
from retrain.operations import from_json, to_json
from retrain.records.errors import DriftdError, Refused, Retry

CONFIG = """\
[service]
state_dir = "state"
min_free = "1MB"
[models.m]
data_dir = "data"
task = "regression"
target = "y"
[models.m.columns]
id = {{ type = "integer", feature = false }}
x = "number"
y = "number"
at = {{ type = "datetime", feature = false }}
[models.m.source]
url = "sqlite:///a.db"
query = "SELECT id, x, y, at FROM t"
watermark = "at"
{source}
"""


class Killed(BaseException):
    """What a kill is to code that only one process can run."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A table without rows."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE t (id INTEGER, x REAL, y REAL, at TEXT)")
        yield connection


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers answer here, as their processes do: what they are asked, and what they answer, goes as JSON."""

    async def call(_: Worker, request: Any, *__: Any) -> Any:
        operation = BY_REQUEST[type(request)]
        try:
            answer = operation.answer(from_json(to_json(request), operation.request))
        except Refused as error:
            raise WorkerError("refused", str(error)) from None
        except (Retry, OSError) as error:
            raise WorkerError("retry", str(error)) from None
        return from_json(to_json(answer), operation.result)

    monkeypatch.setattr(Worker, "call", call)


@contextmanager
def model(folder: Path, source: str = "") -> Iterator[tuple[ModelContext, SourceIntake]]:
    """Model m as it is after a start."""
    with bare_model(folder, CONFIG.format(source=source)) as context:
        yield context, SourceIntake(context, lambda _: True, {})


def insert(database: sqlite3.Connection, first: int, end: int) -> None:
    """Rows, three for each moment."""
    new = [(i, i / 10, i / 7, f"2026-01-01 10:{i // 180 % 60:02}:{i // 3 % 60:02}") for i in range(first, end)]
    database.execute("BEGIN")
    database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", new)
    database.execute("COMMIT")


def ids(context: ModelContext) -> Counter[int]:
    """Of all rows that were taken in."""
    with context.shared.ledger.connect() as conn:
        taken = files.usable(conn, "m", 10**9)
    tables = [pq.read_table(context.folders.state / row.snapshot, columns=["id"]) for row in taken]
    return Counter(one for table in tables for one in table.column("id").to_pylist())


def test_rows_become_files_that_lie_in_the_state_folder(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Each pull a file of its own, listed with its source; their rows go once they are in, and the data folder stays
    as it is."""
    insert(database, 0, 250)
    with model(tmp_path, "max_rows = 100") as (context, source):
        assert asyncio.run(source.pull()).startswith("250 rows: source/20")
        assert asyncio.run(source.pull()) == "no row is new"
        assert ids(context) == Counter(range(250))
        with context.shared.ledger.connect() as conn:
            listed = files.listed(conn, "m")
        assert [(row.source, row.rows, row.state) for row in listed] == [
            ("database", n, "accepted") for n in (100, 100, 50)
        ]
        assert all(row.path.startswith("source/") for row in listed)
        assert not list(context.folders.pulled.rglob(ROWS)) and not list(context.data_dir.iterdir())
        assert len(list(context.folders.pulled.rglob(SEEN))) == 1, "of the newest watermark alone rows are known"


@pytest.mark.parametrize("which", ["named", pytest.param("all", marks=pytest.mark.long)])
def test_a_kill_anywhere_pulls_each_row_once(which: str, database: sqlite3.Connection, tmp_path: Path) -> None:
    """At every named moment between two effects on files, of the pull and of the intake (or at each of its passings);
    then a start pulls the rest."""
    insert(database, 0, 30)
    passed = play(tmp_path, 0)
    assert {"source.publish.before_rename", "source.publish.after_rename", "source.committed", "intake.publish.before_rename",
            "control.file_committed", "source.remove_rows.before_remove", "source.remove_folder.before_remove"} <= set(passed)  # fmt: skip
    first = [passed.index(point) + 1 for point in dict.fromkeys(passed)]
    for kill_at in first if which == "named" else range(1, len(passed) + 1):
        play(tmp_path, kill_at)


def play(folder: Path, kill_at: int) -> list[str]:
    """Pull 30 rows, killed when so many moments were passed; then what is new, in another process. The moments."""
    passed: list[str] = []

    def hook(point: str) -> None:
        passed.append(point)
        if len(passed) == kill_at:
            raise Killed

    home = folder / str(kill_at)
    home.mkdir()
    shutil.copy(folder / "a.db", home)
    source_of = 'max_rows = 20\noverlap = "2s"'
    durable.install_hook(hook)
    try:
        with model(home, source_of) as (_, source):
            asyncio.run(source.pull())
    except Killed:
        pass
    finally:
        durable.install_hook(None)
    with closing(sqlite3.connect(home / "a.db", isolation_level=None)) as later:
        insert(later, 30, 40)
    with model(home, source_of) as (context, source):
        asyncio.run(source.pull())
        left = {path.name for path in context.folders.pulled.rglob("*") if path.is_file()}
        assert left == {SEEN} and not list(context.folders.pulling.glob(ROWS)), kill_at
        assert ids(context) == Counter(range(40)), kill_at
    return passed


def test_what_is_refused_waits_and_nothing_is_passed_over(database: sqlite3.Connection, tmp_path: Path) -> None:
    """A file that cannot be read stops the pulls until the configuration reads it; or somebody forgets it."""
    insert(database, 0, 30)
    database.execute("ALTER TABLE t RENAME COLUMN y TO z")
    with model(tmp_path) as (_, source), pytest.raises(WorkerError, match="no such column: y"):
        asyncio.run(source.pull())
    database.execute("ALTER TABLE t RENAME COLUMN z TO y")
    database.execute("UPDATE t SET y = 'much'")
    with model(tmp_path) as (context, source):
        for _ in range(2):
            with pytest.raises(Refused, match=r"source/.* was refused, and nothing more is pulled; `driftd files m`"):
                asyncio.run(source.pull())
        with context.shared.ledger.connect() as conn:
            (refused,) = files.listed(conn, "m")
        assert refused.state == "refused" and len(list(context.folders.pulled.rglob(ROWS))) == 1
        database.execute("UPDATE t SET y = 1.0, at = '2026-01-02 10:00:00'")
        with context.shared.ledger.begin() as conn:
            files.forget(conn, "m", refused.path)
        asyncio.run(source.pull())
        assert ids(context) == Counter(range(30)) and not list(context.folders.pulled.rglob(ROWS))


def test_a_refused_file_is_read_again_once_it_can_be(database: sqlite3.Connection, tmp_path: Path) -> None:
    """After a reload with other columns: the same rows, not pulled again."""
    insert(database, 0, 30)
    database.execute("UPDATE t SET x = 'red'")
    with model(tmp_path) as (_, source), pytest.raises(DriftdError):
        asyncio.run(source.pull())
    with bare_model(tmp_path, CONFIG.format(source="").replace('x = "number"', 'x = "category"')) as context:
        asyncio.run(SourceIntake(context, lambda _: True, {}).pull())
        assert ids(context) == Counter(range(30))


def test_failures_are_told_once_and_their_end(database: sqlite3.Connection, tmp_path: Path) -> None:
    """While the reason is the same; then that rows come again."""
    with capture_logs() as told, model(tmp_path) as (_, source):
        (tmp_path / "a.db").rename(tmp_path / "b.db")
        for _ in range(3):
            with pytest.raises(WorkerError, match="there is no such file"):
                asyncio.run(source.pull())
        (tmp_path / "b.db").rename(tmp_path / "a.db")
        asyncio.run(source.pull())
    names = [one["event"] for one in told]
    assert names.count("source_failed") == 1 and names.count("source_recovered") == 1


def test_a_greater_overlap_brings_nothing_back(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Rows of which nobody remembers whether they were pulled are not asked for."""
    with model(tmp_path, "max_rows = 20") as (_, source):
        for first in range(0, 90, 30):
            insert(database, first, first + 30)
            asyncio.run(source.pull())
    with model(tmp_path, 'overlap = "1d"') as (context, source):
        assert asyncio.run(source.pull()) == "no row is new"
        insert(database, 90, 93)
        asyncio.run(source.pull())
        assert ids(context) == Counter(range(93))


def test_another_watermark_begins_anew(database: sqlite3.Connection, tmp_path: Path) -> None:
    """What was kept for the one before goes."""
    insert(database, 0, 30)
    with model(tmp_path) as (_, source):
        asyncio.run(source.pull())
    config = CONFIG.format(source="").replace('watermark = "at"', 'watermark = "id"')
    with bare_model(tmp_path, config) as context:
        source = SourceIntake(context, lambda _: True, {})
        for _ in range(2):
            asyncio.run(source.pull())
        assert ids(context) == Counter([*range(30), *range(30)])
        assert len(list(context.folders.pulled.iterdir())) == 1


def test_a_pull_that_was_asked_for_ends_with_its_keeper(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a reload, whose new keeper pulls by itself: two never do at once. Who asked is told."""
    begun = asyncio.Event()

    async def hang(_: Worker, *__: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Worker, "call", hang)

    async def story() -> None:
        keeper = ModelKeeper(context, lambda: None)
        asked = asyncio.create_task(keeper.pull())
        await begun.wait()
        await keeper.stop()
        with pytest.raises(Refused, match="the configuration is read anew meanwhile; ask again"):
            await asked

    with model(tmp_path) as (context, _):
        asyncio.run(story())


def test_the_url_may_lie_in_a_file_or_a_credential(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Which is read at each pull; without one, or with a wrong one, the way out is told and not what is in it."""
    insert(database, 0, 3)
    config = CONFIG.format(source="").replace('url = "sqlite:///a.db"\n', "")
    with bare_model(tmp_path, config) as context:
        source = SourceIntake(context, lambda _: True, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
        with pytest.raises(
            Refused, match=r"\[models.m.source\] has no URL; give url, url_file, or the systemd credential"
        ):
            asyncio.run(source.pull())
        (tmp_path / "driftd-source-m-url").write_text("mysql://u:hunter2@h/d\n")
        with pytest.raises(Refused, match="url is of no database") as caught:
            asyncio.run(source.pull())
        assert "hunter2" not in str(caught.value)
        (tmp_path / "driftd-source-m-url").write_text(f"sqlite:///{tmp_path}/a.db\n")
        assert asyncio.run(source.pull()).startswith("3 rows")


@pytest.mark.file_ledger
def test_a_backup_has_what_is_pulled_and_not_yet_taken_in(database: sqlite3.Connection, tmp_path: Path) -> None:
    """And the digests by which rows are known again; restored, it goes on as the service would have."""
    insert(database, 0, 30)

    def hook(point: str) -> None:
        if point == "source.committed":
            raise Killed

    durable.install_hook(hook)
    with model(tmp_path) as (context, source):
        with pytest.raises(Killed):
            asyncio.run(source.pull())
        durable.install_hook(None)
        with context.shared.ledger.connect() as conn:
            pulled = pulls.waiting(conn, "m")
        assert pulled is not None
        copy_ledger(context.folders.state / "ledger.sqlite", tmp_path / "copy.sqlite")
        assert {f"{pulled.folder}/{ROWS}", f"{pulled.folder}/{SEEN}"} <= references(tmp_path / "copy.sqlite").files
        asyncio.run(source.pull())
        copy_ledger(context.folders.state / "ledger.sqlite", tmp_path / "later.sqlite")
        named = references(tmp_path / "later.sqlite").files
        assert f"{pulled.folder}/{SEEN}" in named and f"{pulled.folder}/{ROWS}" not in named


def test_a_long_pull_takes_no_more_memory(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Rows go to the disk as they come: what is fetched at once is all that is held."""
    fetched: list[int] = []
    insert(database, 0, 12_000)
    original = reading._Parts.add

    def add(self: Any, columns: Any) -> None:
        fetched.append(len(columns[0]))
        original(self, columns)

    with pytest.MonkeyPatch.context() as patch, model(tmp_path) as (_, source):
        patch.setattr(reading._Parts, "add", add)
        asyncio.run(source.pull())
    assert fetched == [5000, 5000, 2000]
