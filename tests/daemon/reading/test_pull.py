"""Rows of a SQLite database on their way into a file, without a service."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from daemon.config.paths import ROWS, SEEN
from daemon.reading.operations import PullRequest, PullResult
from daemon.reading.pull import pull
from daemon.reading.value_types import as_array, united
from daemon.reading.watermark import from_json, lowered, to_json
from retrain.operations import to_json as as_message
from retrain.records.errors import Refused, Retry
from retrain.records.settings import ModelSettings

BASE = datetime(2026, 1, 1, 10)


def settings(**source: Any) -> ModelSettings:
    """Of a model that pulls the table `t`."""
    asked = {"url": "sqlite:///a.db", "query": "SELECT * FROM t", "watermark": "at", **source}
    return ModelSettings.model_validate({"data_dir": "d", "task": "regression", "target": "y", "source": asked})


class Puller:
    """Pulls again and again, as control does; what came is in `rows`."""

    def __init__(self, folder: Path, **source: Any) -> None:
        self.folder, self.settings = folder, settings(**source)
        self.rows: list[dict[str, Any]] = []
        self.after: Any = None
        self.seen: list[Path] = []

    def pull(self) -> PullResult:
        """Once."""
        work = self.folder / f"pulled-{len(self.seen)}"
        source = self.settings.source
        assert source is not None and source.url is not None
        request = PullRequest(
            url=source.url, folder=self.folder, settings=self.settings, work=work, after=self.after,
            seen=tuple(self.seen),
        )  # fmt: skip
        result = pull(request)
        if result.rows:
            self.rows += pq.read_table(work / ROWS).to_pylist()
            self.seen.append(work / SEEN)
            self.after = result.watermark
        return result

    def all(self) -> list[dict[str, Any]]:
        """Until nothing is new."""
        while self.pull().rows:
            pass
        return self.rows


def table(folder: Path, columns: str = "id INTEGER, y REAL, at TEXT") -> sqlite3.Connection:
    """An empty table `t`."""
    connection = sqlite3.connect(folder / "a.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"CREATE TABLE t ({columns})")
    return connection


def at(seconds: float) -> str:
    """A moment as SQLite has them."""
    return (BASE + timedelta(seconds=seconds)).isoformat()


def test_rows_come_once_in_files_of_at_most_max_rows(tmp_path: Path) -> None:
    """Also where many have the same watermark, and where a file ends between them."""
    db = table(tmp_path)
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, i / 2, at(i // 70)) for i in range(250)])
    puller = Puller(tmp_path, max_rows=100)
    assert [puller.pull().rows for _ in range(4)] == [100, 100, 50, 0]
    db.execute("INSERT INTO t VALUES (250, 1.0, ?)", (at(249 // 70),))
    assert [row["id"] for row in puller.all()] == list(range(251))


def test_late_rows_come_within_the_overlap_and_none_twice(tmp_path: Path) -> None:
    """Whatever the order in which rows are committed, as long as none is later than the overlap; equal rows, too."""
    db, rng = table(tmp_path), random.Random(7)
    puller, wanted, clock = Puller(tmp_path, overlap="60s", max_rows=40), Counter[Any](), 0.0
    for _ in range(60):
        clock += rng.uniform(0, 40)
        late = [at(round(clock - rng.uniform(0, 55))) for _ in range(rng.randrange(12))]
        new = [(rng.randrange(3), 0.5, moment) for moment in late]
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", new)
        wanted.update(new)
        if rng.random() < 0.7:
            puller.all()
    puller.all()
    assert Counter((row["id"], row["y"], row["at"]) for row in puller.rows) == wanted


def test_a_key_knows_a_row_again_whatever_else_is_in_it(tmp_path: Path) -> None:
    """A row whose watermark moved is new; one of which only other columns differ is not."""
    db = table(tmp_path)
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, 1.0, at(0)), (2, 2.0, at(0))])
    puller = Puller(tmp_path, key="id", overlap=60)
    puller.all()
    db.execute("UPDATE t SET y = 9.0 WHERE id = 1")
    db.execute("UPDATE t SET y = 9.0, at = ? WHERE id = 2", (at(5),))
    assert [(row["id"], row["y"]) for row in puller.all()] == [(1, 1.0), (2, 2.0), (2, 9.0)]


def test_columns_have_the_databases_types(tmp_path: Path) -> None:
    """What SQLite declares and does not keep, too; NULL, blobs and mixtures are no failure."""
    columns = (
        "at INTEGER, y DECIMAL(9, 2), whole INTEGER, flag BOOLEAN, day DATE, word TEXT, empty TEXT, mixed, blob BLOB"
    )
    db = table(tmp_path, columns)
    db.execute("INSERT INTO t VALUES (1, 5, 7, 1, '2026-01-31', 'ä', NULL, 1, x'00ff')")
    db.execute("INSERT INTO t VALUES (2, 5.25, NULL, 0, NULL, '5', NULL, 'x', NULL)")
    db.execute("INSERT INTO t VALUES (NULL, 5.25, NULL, 0, NULL, '5', NULL, 'x', NULL)")
    puller = Puller(tmp_path)
    puller.all()
    schema = pq.read_schema(tmp_path / "pulled-0" / ROWS)
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "at": "int64", "y": "double", "whole": "int64", "flag": "bool", "day": "string", "word": "string",
        "empty": "string", "mixed": "string", "blob": "string",
    }  # fmt: skip
    assert puller.rows[0] == {
        "at": 1, "y": 5.0, "whole": 7, "flag": True, "day": "2026-01-31", "word": "ä", "empty": None, "mixed": "1",
        "blob": "00ff",
    }  # fmt: skip
    assert len(puller.rows) == 2, "without a watermark a row is never new"


def test_values_of_python_are_plain_arrow() -> None:
    """Parts of a column that differ are united by what holds both."""
    moment = datetime.fromisoformat("2026-01-31T10:00:00+02:00")
    kinds = [
        ([None], "null"), ([True, None], "bool"), ([1, 2**63], "double"), ([Decimal("1.5"), 1], "double"),
        ([date(2026, 1, 1)], "date32[day]"), ([BASE], "timestamp[us]"), ([moment], "timestamp[us, tz=UTC]"),
        ([BASE, moment], "string"), ([{"a": 1}, [1]], "string"), ([True, 1], "string"),
    ]  # fmt: skip
    assert [str(as_array(values).type) for values, _ in kinds] == [kind for _, kind in kinds]
    assert as_array([moment])[0].as_py().hour == 8
    assert united(pa.null(), pa.int64()) == pa.int64() and united(pa.int64(), pa.float64()) == pa.float64()
    assert united(pa.bool_(), pa.int64()) == pa.string()


@pytest.mark.parametrize(
    "value",
    [7, 2**60, 1.5, Decimal("9.99"), date(2026, 1, 31), BASE, BASE.astimezone(), at(0), at(0.5) + "Z", "2026-01-31"],
)
def test_a_watermark_comes_back_and_goes_down(value: Any) -> None:
    """As JSON it is the same value of the same type; an overlap is before it, as the database orders."""
    back = from_json(to_json(value))
    assert back == value and type(back) is type(value)
    assert lowered(value, 0) == value and type(lowered(value, 90)) is type(value)
    assert lowered(value, 90) < value
    assert lowered(value, 1e13) < value


@pytest.mark.parametrize(
    ("columns", "row", "source", "reason"),
    [
        ("y REAL, at TEXT", (1.0, "soon"), {}, "watermark 'at' is str, which has no order; take a column of times"),
        ("y REAL, at BLOB", (1.0, b"1"), {}, "watermark 'at' is bytes"),
        ("y REAL", (1.0,), {}, "the database says: no such column: pulled.at"),
        ("y REAL, at TEXT", (1.0, at(0)), {"key": "id"}, "the query has no column 'id'; it has y, at"),
        ("y REAL, at TEXT", (1.0, at(0)), {"query": "SELECT * FROM u"}, "the database says: no such table: u"),
    ],
)  # fmt: skip
def test_what_cannot_be_pulled_is_refused_with_the_way_out(
    columns: str, row: tuple[Any, ...], source: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """In the database's own words where these say it."""
    table(tmp_path, columns).execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
    with pytest.raises(Refused) as caught:
        Puller(tmp_path, **source).pull()
    assert reason in str(caught.value)


def test_a_watermark_that_changed_its_type_is_refused(tmp_path: Path) -> None:
    """It would be compared by what orders types, and pass rows over."""
    db = table(tmp_path, "y REAL, at")
    db.execute("INSERT INTO t VALUES (1.0, 7)")
    puller = Puller(tmp_path)
    puller.all()
    db.execute("INSERT INTO t VALUES (1.0, ?)", (at(0),))
    with pytest.raises(Refused, match="'at' was a number, and is a text now"):
        puller.pull()


def test_a_database_that_is_away_is_tried_again_and_never_made(tmp_path: Path) -> None:
    """Nothing is written where it should be; nor is there any way to write through a query."""
    with pytest.raises(Retry, match="there is no such file"):
        Puller(tmp_path).pull()
    assert not (tmp_path / "a.db").exists()
    db = table(tmp_path)
    db.execute("INSERT INTO t VALUES (1, 1.0, ?)", (at(0),))
    with pytest.raises(Refused):
        Puller(tmp_path, query="SELECT * FROM t); DELETE FROM t; --").pull()
    assert db.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_query_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """Colons, per cent signs, comments and a semicolon at its end mean what they mean to the database."""
    db = table(tmp_path)
    db.execute("INSERT INTO t VALUES (1, 1.0, ?)", (at(0),))
    query = "WITH u AS (SELECT *, ' :x %s %% \\:' AS odd FROM t)\nSELECT * FROM u -- all of it\n;\n"
    assert Puller(tmp_path, query=query).all()[0]["odd"] == " :x %s %% \\:"


@pytest.mark.long
def test_a_million_rows_take_little_memory(tmp_path: Path) -> None:
    """In the process that pulls them, all in one file, and once more where all lie in the overlap."""
    db = table(tmp_path, "id INTEGER, y REAL, at INTEGER, a TEXT, b TEXT, c REAL")
    db.execute(
        "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 1000000) "
        "INSERT INTO t SELECT n, n / 7.0, n, 'some words ' || n, 'red', n * 1.5 FROM i"
    )
    db.execute("CREATE INDEX t_at ON t (at)")
    made = settings(max_rows=2_000_000, overlap=1e9)
    first, again = tmp_path / "first", tmp_path / "again"
    asked = {"url": "sqlite:///a.db", "folder": tmp_path, "settings": made}
    result, peak = pulled_apart(PullRequest(**asked, work=first))
    assert result["rows"] == 1_000_000 and peak < 350e6, peak
    known = PullRequest(**asked, work=again, after=result["watermark"], seen=(first / SEEN,))
    result, peak = pulled_apart(known)
    assert result["rows"] == 0 and peak < 350e6, peak


def pulled_apart(request: PullRequest) -> tuple[Any, int]:
    """What a process of its own answers, and the most bytes that it held."""
    command = [sys.executable, "-m", "daemon.runtime.worker.child", "--role", "puller", "--parent", str(os.getpid())]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write(json.dumps({"op": "pull", "args": as_message(request), "beat": None}) + "\n")
    worker.stdin.close()
    answer = json.loads(worker.stdout.read())
    _, status, used = os.wait4(worker.pid, 0)
    worker.returncode = status
    print(answer, used.ru_maxrss)
    return answer["ok"], used.ru_maxrss * 1024


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"url": "postgresql://ada:hunter2@db/loans"}, "url has a password"),
        ({"url": "postgresql://db/loans?password=hunter2"}, "url has a password"),
        ({"url": "mysql://db/hunter2"}, "url is of no database that driftd reads"),
        ({"url": "sqlite://"}, "url names no file"),
        ({"url": "postgresql://db:hunter2/x"}, "url cannot be read"),
        ({"url_file": "hunter2"}, "expected url or url_file, not both"),
        ({"query": "DELETE FROM t"}, "expected a query that begins with SELECT or WITH"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_section_is_told_without_its_secret(source: dict[str, str], reason: str) -> None:
    """No password of a URL is in a message, nor in the configuration at all."""
    with pytest.raises(ValidationError) as caught:
        settings(**source)
    (error,) = caught.value.errors()
    assert reason in error["msg"]
