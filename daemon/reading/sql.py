"""DuckDB, offline and within bounds."""

import contextlib
import functools
import re
from pathlib import Path

import duckdb

MEMORY = "600MB"
"""The libraries and a batch take 200 to 300 MB: a process stays within a gigabyte."""
MANY_COLUMNS, MEMORY_OF_MANY = 2_000, "1GB"
"""Of so many columns most of what DuckDB asks for is never touched: of ten thousand it is 300 MB."""


def connect(columns: int = 0) -> duckdb.DuckDBPyConnection:
    """A connection of its own, with its own temporary tables, to the process's in-memory database, to read a file of so
    many columns. The database is opened once, for opening one costs more than reading a small file; and again if an
    error made it unusable."""
    memory = MEMORY_OF_MANY if columns > MANY_COLUMNS else MEMORY
    try:
        return _within(_database(), memory)
    except duckdb.Error:
        _database.cache_clear()
        return _within(_database(), memory)


def spill_to(folder: Path) -> None:
    """Have what the process's database cannot keep in memory written below `folder`, and not where the process happens
    to stand, which it may not write. A database that has written something goes on where it did."""
    with contextlib.suppress(duckdb.NotImplementedException):
        _database().execute(f"SET temp_directory = {literal(str(folder / 'spill'))}")


def release() -> None:
    """Give the memory of the process's database back once no connection is left; the next connection opens another."""
    _database.cache_clear()


def _within(database: duckdb.DuckDBPyConnection, memory: str) -> duckdb.DuckDBPyConnection:
    connection = database.cursor()
    connection.execute(f"SET memory_limit = {literal(memory)}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """One thread, so that the same file gives the same bytes; and nothing of a file is kept for the next."""
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "enable_external_file_cache": False,
            "threads": 1,
        }
    )


def literal(text: str) -> str:
    """A text as an SQL literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def plain_path(path: Path) -> str:
    """A path that DuckDB does not take for a pattern."""
    return re.sub(r"([*?\[\]])", r"[\1]", str(path))


def identifier(name: str) -> str:
    """A column name as an SQL identifier.

    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def first_line_of(error: Exception) -> str:
    """The first line of an error, without where the file is."""
    return str(error).strip().splitlines()[0][:300]
