"""The first rows of a file as the table `sample` of a DuckDB connection, of many columns a group at a time: a query
costs time for each column of the table that it asks, and a table memory for each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from daemon.reading.formats import SAMPLE_ROWS
from daemon.reading.sql import identifier, literal, plain_path

GROUP_COLUMNS = 32
Shown = Callable[[Sequence[str]], None]
"""Makes `sample` the table of these columns."""


class FirstRows:
    """`show` makes `sample` have a column, beside others; `columns` are all of them, `table` the rows if these are in
    memory."""

    def __init__(self, columns: Sequence[str], shown: Shown, table: pa.Table | None = None) -> None:
        self.columns = tuple(columns)
        self.table = table
        self._shown = shown
        self._place = {name: position // GROUP_COLUMNS for position, name in enumerate(columns)}
        self._current: int | None = None

    def show(self, name: str | None = None) -> None:
        """Any column where none is named."""
        place = self._place.get(name or "", 0)
        if place != self._current:
            self._shown(self.groups()[place])
            self._current = place

    def groups(self) -> list[Sequence[str]]:
        """The columns that `sample` has together."""
        return [self.columns[start : start + GROUP_COLUMNS] for start in range(0, len(self.columns), GROUP_COLUMNS)]


def of_table(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> FirstRows:
    """Rows that are in memory."""

    def shown(names: Sequence[str]) -> None:
        connection.register("sample", table.select(list(names)))

    return FirstRows(table.column_names, shown, table)


def of_parquet(connection: duckdb.DuckDBPyConnection, path: Path, names: Sequence[str]) -> FirstRows:
    """Of few columns read again by each query, only those that it needs; of many read once a group."""
    what = "VIEW" if len(names) <= GROUP_COLUMNS else "TABLE"

    def shown(group: Sequence[str]) -> None:
        columns = ", ".join(map(identifier, group))
        rows = f"SELECT {columns} FROM read_parquet({literal(plain_path(path))}) LIMIT {SAMPLE_ROWS}"
        connection.execute(f"CREATE OR REPLACE TEMP {what} sample AS {rows}")

    return FirstRows(names, shown)
