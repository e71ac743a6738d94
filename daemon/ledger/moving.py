"""A ledger that is a file is moved into a database: all rows of all tables in one transaction, compared before it is
committed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice, zip_longest
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text
from sqlalchemy.exc import DatabaseError

from daemon.ledger.backends.postgresql import PostgresqlBackend, revision_of, why_not
from daemon.ledger.backends.postgresql_schema import create
from daemon.ledger.engine import HEAD, Ledger
from daemon.ledger.tables import metadata
from retrain.records.errors import Refused

AT_ONCE = 500
Progress = Callable[[str, int, int], None]


def destination(source: Ledger, url: str) -> str:
    """Which database of all a ledger is to be moved to; Refused with nothing changed where it has tables of others or
    another ledger, or does not let this role in, Retry where it cannot be reached."""
    with closing(PostgresqlBackend(url)) as target:
        try:
            if revision_of(target):
                with source.connect() as before, target.engine.connect() as after:
                    target.begin_read(after)
                    _compare(before, after, target.place, lambda *_: None, {})
            return target.instance()
        except DatabaseError as error:
            raise why_not(target.place, error, target.schema) from None
        finally:
            target.engine.dispose()


def move_rows(source: Ledger, url: str, progress: Progress) -> int:
    """Copy a ledger, which nobody writes meanwhile, into an empty database; how many rows it has. Where the database
    has a ledger already it is compared with the source: Refused where they differ, and nothing is changed then."""
    with closing(PostgresqlBackend(url)) as target, source.connect() as before:
        tables = metadata.sorted_tables
        counts = {table: before.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
        total = sum(counts.values())

        def fill(after: Connection) -> None:
            done = 0
            after.execute(text("ALTER TABLE files DISABLE TRIGGER USER"))  # what they count is copied
            for table in metadata.sorted_tables:
                for some in _batches(before, table):
                    after.execute(insert(table), [row._asdict() for row in some])
                    progress(table.name, done := done + len(some), total)
                _count_on(after, table)
            after.execute(text("ALTER TABLE files ENABLE TRIGGER USER"))
            _compare(before, after, target.place, progress, counts)

        try:
            if not create(target.engine, HEAD, fill, target.schema):
                with target.engine.connect() as after:
                    target.begin_read(after)
                    _compare(before, after, target.place, progress, counts)
        finally:
            target.engine.dispose()
    return total


def _count_on(after: Connection, table: Table) -> None:
    """New rows get numbers after those that are there."""
    if "id" in table.c and table.c.id.autoincrement:
        sequence = after.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
        newest = after.scalar(select(func.max(table.c.id)))
        if sequence is not None and newest is not None:
            after.execute(select(func.setval(sequence, newest)))


def _compare(before: Connection, after: Connection, place: str, progress: Progress, counts: dict[Table, int]) -> None:
    done, total = 0, sum(counts.values())
    for table in metadata.sorted_tables:
        both = zip_longest(_rows(before, table), _rows(after, table))
        for number, (mine, theirs) in enumerate(both):
            if _text(mine) != _text(theirs):
                raise Refused(
                    f"{place} has another ledger than the file: {table.name} differs in row {number + 1}",
                    "name an empty database; where a service works with this one already, nothing is left to be moved",
                )
        done += counts.get(table, 0)
        progress("comparing", done, total)


def _text(row: Any) -> str:
    """For a comparison: NaN is like itself, and NUL, which PostgreSQL keeps in no text, is written by its escape."""
    return repr(tuple(row) if row is not None else None).replace("\\\\x00", "\\x00")


def _rows(conn: Connection, table: Table) -> Iterator[Any]:
    for some in _batches(conn, table):
        yield from some


def _batches(conn: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """Rows by their number, so that one that refers to another of its table is after that; those of the short tables
    without numbers in an order that is no database's own."""
    if "id" in table.c:
        found = iter(conn.execution_options(stream_results=True).execute(select(table).order_by(table.c.id)))
    else:
        found = iter(sorted(conn.execute(select(table)), key=_text))
    while some := tuple(islice(found, AT_ONCE)):
        yield some
