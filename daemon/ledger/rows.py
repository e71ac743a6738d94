"""One row in, its key out."""

from typing import Any

from sqlalchemy import Connection, Table, insert


def insert_row(conn: Connection, table: Table, values: dict[str, Any]) -> int:
    """Insert a row and return its integer key."""
    key = conn.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])
