"""Rows of a real PostgreSQL on their way into a file."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from postgresql import PASSWORD, Server, needs_postgresql, running_server

from daemon.config.config import Config, load_config
from daemon.config.paths import ROWS, SEEN
from daemon.reading.operations import PullRequest, PullResult
from daemon.reading.pull import pull
from daemon.tools.doctor import examine
from retrain.records.errors import Refused, Retry
from retrain.records.settings import ModelSettings

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
BASE = datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests."""
    with running_server() as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator["psycopg.Connection"]:
    """An empty table `t` in a database of its own."""
    with server.database("bank") as connection:
        connection.execute("CREATE TABLE t (id BIGINT, y DOUBLE PRECISION, at TIMESTAMPTZ)")
        yield connection


class Puller:
    """Pulls again and again, as control does; what came is in `rows`."""

    def __init__(self, url: str, folder: Path, **source: Any) -> None:
        asked = {"url_file": "url", "query": "SELECT * FROM t", "watermark": "at", **source}
        section = {"data_dir": "d", "task": "regression", "target": "y", "source": asked}
        self.url, self.folder, self.settings = url, folder, ModelSettings.model_validate(section)
        self.rows: list[dict[str, Any]] = []
        self.after: Any = None
        self.seen: list[Path] = []

    def pull(self) -> PullResult:
        """Once."""
        work = self.folder / f"pulled-{len(self.seen)}"
        request = PullRequest(
            url=self.url, folder=self.folder, settings=self.settings, work=work, after=self.after, seen=tuple(self.seen)
        )
        result = pull(request)
        if result.rows:
            self.rows += pq.read_table(work / ROWS).to_pylist()
            self.seen.append(work / SEEN)
            self.after = result.watermark
        return result

    def ids(self) -> list[int]:
        """Of what was pulled, after all that is new was."""
        while self.pull().rows:
            pass
        return [row["id"] for row in self.rows]


def test_rows_that_are_committed_late_come_once(server: Server, database: "psycopg.Connection", tmp_path: Path) -> None:
    """A transaction that began before others and ended after them, which its rows' times do not show."""
    puller = Puller(server.url("bank"), tmp_path, overlap="1m", max_rows=2)
    with psycopg.connect(server.url("bank")) as slow:
        slow.execute("INSERT INTO t VALUES (1, 1.0, %s)", (BASE,))
        database.execute("INSERT INTO t SELECT i, i, %s FROM generate_series(2, 4) i", (BASE + timedelta(seconds=30),))
        assert puller.ids() == [2, 3, 4]
    assert puller.ids() == [2, 3, 4, 1]
    database.execute("INSERT INTO t VALUES (5, 1.0, %s)", (BASE + timedelta(minutes=5),))
    assert puller.ids() == [2, 3, 4, 1, 5]


def test_columns_have_the_databases_types(server: Server, database: "psycopg.Connection", tmp_path: Path) -> None:
    """Those without a value, too; what Arrow has no plain type for is text."""
    database.execute(
        """CREATE TABLE kinds (at TIMESTAMP, small SMALLINT, y NUMERIC(9, 2), flag BOOLEAN, day DATE, word VARCHAR(9),
        zoned TIMESTAMPTZ, whole INTEGER, none_text TEXT, none_flag BOOLEAN, none_time TIMESTAMPTZ, who UUID,
        doc JSONB, many INTEGER[], raw BYTEA)"""
    )
    database.execute(
        "INSERT INTO kinds VALUES (%s, 1, 5, true, '2026-01-31', 'ä', %s, 7, NULL, NULL, NULL, "
        "'00000000-0000-0000-0000-000000000001', '{\"a\": 1}', '{1,2}', '\\x00ff')",
        (BASE.replace(tzinfo=None), "2026-01-31 10:00:00+02"),
    )
    puller = Puller(server.url("bank"), tmp_path, query="SELECT * FROM kinds")
    puller.pull()
    schema = pq.read_schema(tmp_path / "pulled-0" / ROWS)
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "at": "timestamp[us]", "small": "int64", "y": "double", "flag": "bool", "day": "date32[day]", "word": "string",
        "zoned": "timestamp[us, tz=UTC]", "whole": "int64", "none_text": "string", "none_flag": "bool",
        "none_time": "timestamp[us, tz=UTC]", "who": "string", "doc": "string", "many": "string", "raw": "string",
    }  # fmt: skip
    (row,) = puller.rows
    assert row["y"] == 5.0 and row["day"] == date(2026, 1, 31) and row["zoned"].hour == 8
    assert (row["doc"], row["many"], row["raw"]) == ('{"a": 1}', "[1, 2]", "00ff")


@pytest.mark.parametrize(
    ("kind", "values", "overlap"),
    [
        ("BIGINT", [2**40, 2**40 + 1, 2**40 + 9], 5),
        ("NUMERIC", ["0.1", "0.2", "1e20"], 0.5),
        ("DATE", ["2026-01-01", "2026-01-02", "2026-03-01"], 86400),
        ("TIMESTAMP", ["2026-01-01 10:00:00.000001", "2026-01-01 10:00:00.000002", "2026-02-01"], 1),
        ("DOUBLE PRECISION", ["0.1", "0.2", "1e300"], 0.05),
    ],
)  # fmt: skip
def test_watermarks_of_every_type(
    kind: str, values: list[Any], overlap: float, server: Server, database: "psycopg.Connection", tmp_path: Path
) -> None:
    """Each row once, in their order, whatever the type that is compared."""
    database.execute(f'CREATE TABLE u (id INTEGER, "At" {kind})')
    puller = Puller(server.url("bank"), tmp_path, query="SELECT * FROM u", watermark="At", overlap=overlap, max_rows=2)
    for place, value in enumerate(values):
        database.execute(f"INSERT INTO u VALUES (%s, %s::{kind}), (NULL, NULL)", (place, value))
        assert puller.ids() == list(range(place + 1))


def test_nothing_can_be_written(server: Server, database: "psycopg.Connection", tmp_path: Path) -> None:
    """The transaction is read-only: not even a sequence moves."""
    database.execute("CREATE SEQUENCE s")
    puller = Puller(server.url("bank"), tmp_path, query="SELECT nextval('s') AS at, 1.0 AS y")
    with pytest.raises(Retry, match=r"cannot execute nextval\(\) in a read-only transaction"):
        puller.pull()
    assert database.execute("SELECT is_called FROM s").fetchone() == (False,)


def test_a_query_that_takes_too_long_is_ended(server: Server, database: "psycopg.Connection", tmp_path: Path) -> None:
    """By the database, too, which goes on with nothing."""
    database.execute("INSERT INTO t VALUES (1, 1.0, %s)", (BASE,))
    puller = Puller(server.url("bank"), tmp_path, query="SELECT *, pg_sleep(60) FROM t", timeout="200ms")
    with pytest.raises(Retry, match="statement timeout"):
        puller.pull()


def test_what_cannot_be_reached_is_told_without_the_password(
    server: Server, database: "psycopg.Connection", tmp_path: Path
) -> None:
    """A wrong password, no such database, nobody there, a query that is none."""
    for url, reason in (
        (server.url("bank", "wrong-" + PASSWORD), "password authentication failed"),
        (server.url("none"), 'database "none" does not exist'),
        (server.url("bank", port=1), "refused"),
    ):
        with pytest.raises((Refused, Retry), match=reason) as caught:
            Puller(url, tmp_path).pull()
        assert PASSWORD not in str(caught.value)
    with pytest.raises(Refused, match=r"column pulled\.at does not exist"):
        Puller(server.url("bank"), tmp_path, query="SELECT 1.0 AS y").pull()
    with pytest.raises(Refused, match="the query has two columns 'y'; name them apart"):
        Puller(server.url("bank"), tmp_path, query="SELECT y, y, at FROM t").pull()


def test_the_doctor_asks_the_database(server: Server, database: "psycopg.Connection", tmp_path: Path) -> None:
    """By the URL in a file; a password is in no finding."""
    database.execute("INSERT INTO t VALUES (1, 1.0, %s)", (BASE,))

    def found(password: str) -> str:
        (tmp_path / "url").write_text(server.url("bank", password))
        return "\n".join(one.what for one in examine(configured(tmp_path)) if "source]" in one.what)

    assert found(PASSWORD) == "[models.m.source]: the database answers; its newest 'at' is 2026-01-01 10:00:00+00:00"
    assert "password authentication failed" in found("wrong") and "wrong" not in found("wrong")


def configured(folder: Path) -> Config:
    """A model that pulls `t`."""
    (folder / "config.toml").write_text(
        '[models.m]\ndata_dir = "data"\ntask = "regression"\ntarget = "y"\n'
        '[models.m.source]\nurl_file = "url"\nquery = "SELECT * FROM t"\nwatermark = "at"\n'
    )
    return load_config(folder / "config.toml")
