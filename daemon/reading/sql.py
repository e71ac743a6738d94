"""DuckDB, offline and within bounds."""

import functools
import re
from pathlib import Path

import duckdb

MEMORY = "1GB"
"""The libraries and a batch take as much again: a process stays within a gigabyte."""


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of its own, with its own temporary tables, to the process's in-memory database. That is opened once,
    for opening one costs more than reading a small file; and again if an error made it unusable."""
    try:
        return _in_utc(_database())
    except duckdb.Error:
        _database.cache_clear()
        return _in_utc(_database())


def release() -> None:
    """Give the memory of the process's database back once no connection is left; the next connection opens another."""
    _database.cache_clear()


def _in_utc(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection = database.cursor()
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
            "memory_limit": MEMORY,
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
