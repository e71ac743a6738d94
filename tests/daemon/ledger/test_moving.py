"""A ledger that is a file moves into a real PostgreSQL, whatever is in it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledgers import place_ledger
from postgresql import Server, needs_postgresql
from sqlalchemy import JSON, Boolean, Float, Integer, Table, func, insert, select, update

from daemon.ledger import Ledger, open_ledger
from daemon.ledger.moving import move_rows
from daemon.ledger.tables import PathText, events, file_totals, files, metadata, models
from retrain import durable
from retrain.records.errors import Refused

pytestmark = [needs_postgresql, pytest.mark.xdist_group("postgresql")]
ROWS = 1203
TEXTS = "plain", "", "é\\x00 \\", "NUL \0 within", "{}", "'; --"
DOCUMENTS: tuple[Any, ...] = (None, {}, [], {"a": float("nan"), "b": ["é", "\0", 10**17]}, "x", 1.5)


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of a database without anything."""
    with postgresql.database("moving"):
        pass
    yield postgresql.url("moving")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Ledger]:
    """A file with rows of every kind in every table."""
    place_ledger(tmp_path / "state")
    with closing(open_ledger(tmp_path / "state")) as ledger:
        with ledger.begin() as conn:
            for table in metadata.sorted_tables:
                count = ROWS if table is events else 7
                conn.execute(insert(table), [_row(table, number) for number in range(1, count + 1)])
        yield ledger


def _row(table: Table, number: int) -> dict[str, Any]:
    """With values that differ from row to row, where they have to; keys of others' rows are theirs."""
    found: dict[str, Any] = {}
    for place, column in enumerate(table.columns):
        odd, kind = number + place, column.type
        if column.foreign_keys or (column.primary_key and isinstance(kind, Integer)):
            found[column.name] = number
        elif isinstance(kind, JSON):
            found[column.name] = DOCUMENTS[odd % len(DOCUMENTS)] if column.nullable else {"a": number}
        elif isinstance(kind, Boolean):
            found[column.name] = odd % 2 == 0
        elif isinstance(kind, Float):
            found[column.name] = None if column.nullable and odd % 5 == 0 else odd / 3
        elif isinstance(kind, Integer):
            found[column.name] = 2**40 + number
        else:
            told = f"{number} {TEXTS[odd % len(TEXTS)]}"
            found[column.name] = told.replace("\0", "\udcff") if isinstance(kind, PathText) else told
    return found


def _moved(source: Ledger, url: str) -> int:
    return move_rows(source, url, lambda *_: None)


def test_all_rows_are_there_and_numbers_go_on(source: Ledger, url: str, tmp_path: Path) -> None:
    """NaN, NUL, whole numbers of 64 bits and counts that triggers keep are what they were; new rows get new numbers; a
    second time finds all there, and says so when the database went on."""
    rows = _moved(source, url)
    assert rows >= ROWS + 7 * (len(metadata.sorted_tables) - 1) and rows == _moved(source, url)
    ledger = open_ledger(tmp_path / "new", url=url)
    with closing(ledger), ledger.begin() as conn, source.connect() as before:
        for counted in (func.sum(file_totals.c.files), func.count(file_totals.c.files), func.sum(models.c.taken_in)):
            assert conn.scalar(select(counted)) == before.scalar(select(counted))
        row = _row(events, ROWS + 1)
        del row["id"]
        assert conn.scalar(insert(events).returning(events.c.id), row) == ROWS + 1
    with pytest.raises(Refused, match=f"events differs in row {ROWS + 1}"):
        _moved(source, url)


def test_what_was_killed_leaves_nothing_and_is_begun_again(source: Ledger, url: str) -> None:
    """Before the commit there is no table, and a service that started would make its own."""

    def fails(point: str) -> None:
        if point == "migration.before_commit":
            raise KeyboardInterrupt

    durable.install_hook(fails)
    try:
        with pytest.raises(KeyboardInterrupt):
            _moved(source, url)
    finally:
        durable.install_hook(None)
    assert _moved(source, url) > ROWS


def test_another_ledger_is_refused(source: Ledger, url: str) -> None:
    """One difference in one row, and nothing is changed."""
    _moved(source, url)
    with source.begin() as conn:
        conn.execute(update(files).where(files.c.id == 3).values(mtime_ns=1))
    with pytest.raises(Refused, match="files differs in row 3"):
        _moved(source, url)
