"""DuckDB, offline and within bounds."""

import duckdb

MEMORY = "1GB"


def connect() -> duckdb.DuckDBPyConnection:
    """A fresh in-memory database with one thread, so that the same file gives the same bytes."""
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": MEMORY,
            "threads": 1,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def literal(text: str) -> str:
    """A text as an SQL literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column name as an SQL identifier.

    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def first_line_of(error: Exception) -> str:
    """The first line of an error, without where the file is."""
    return str(error).strip().splitlines()[0][:300]
