"""Which rows of a window larger than memory are duplicates: as the prepare stage says it of rows in memory, by 64 bits
of each row (see `retrain.rows.spilled_keys`). Whether chance makes equal rows is judged on whole groups of rows that
resemble each other, as many as fit."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from retrain.operations import AcceptedFile
from retrain.records.errors import Refused
from retrain.records.schema import Schema
from retrain.rows.duplicates import Keys, most_varied, repeated_rows, row_keys
from retrain.rows.row_index import Mask, Rows
from retrain.rows.spilled_keys import ABSENT, SpilledKeys, cell_hashes

JUDGED_ROWS = 300_000
"""Of so many rows at most it is judged whether chance makes equal ones."""
MOST_JUDGED = 4 * JUDGED_ROWS
Reading = Callable[[], Iterable[tuple[AcceptedFile, pa.Table]]]


class LargeDuplicates:
    """Fed with pieces of labelled rows in their order; `how` as configured."""

    def __init__(self, schema: Schema, how: str, folder: Path, rows: int) -> None:
        if how == "id" and schema.id_column is None:
            raise Refused('window.deduplicate is "id" and there is no id_column', "name the id column")
        self._by_chance = how == "auto" and schema.id_column is None
        self._how = "rows" if self._by_chance else "id" if how == "auto" else how
        self._key, self._names = schema.id_column, [column.name for column in schema.columns]
        self._keys = SpilledKeys(folder, rows)

    def add(self, table: pa.Table, place: int) -> None:
        """The next rows, the first of which has this place in the window."""
        places = np.arange(place, place + table.num_rows)
        if self._how == "rows":
            self._keys.add(row_keys(self._cells(table)), places)
        elif self._how == "id" and self._key in table.column_names:
            known = np.asarray(table.column(self._key).is_valid().to_numpy())
            self._keys.add(row_keys(cell_hashes(table.column(self._key))[None, :])[known], places[known])

    def dropped(self, rows: int, read: Reading, notes: list[str]) -> Mask:
        """Which of so many rows are duplicates, by their places (n,); `read` gives the pieces anew."""
        older = self._keys.older(rows)
        many = int(np.count_nonzero(older))
        if not many or not self._by_chance:
            if many:
                by = "id" if self._how == "id" else "all columns"
                notes.append(f"{many:,} duplicate rows (by {by}) were left out")
            return older
        places, alike, judged = self._judge(rows, read)
        judged_by = f", as {judged:,} rows show" if judged < rows else ""
        if judged < rows:
            found, alike = (older, 0) if len(places) >= alike else (np.zeros(rows, dtype=bool), many)
        else:
            found = np.zeros(rows, dtype=bool)
            found[places] = True
        dropped = int(np.count_nonzero(found))
        if dropped:
            notes.append(
                f"{dropped:,} rows that equal another one in all columns were left out: chance does not make such "
                f'rows{judged_by}, they were delivered twice (`window.deduplicate = "none"` keeps them)'
            )
        if alike:
            notes.append(
                f"{alike:,} rows that equal another one in all columns were kept: the columns are so coarse that "
                f"chance makes such rows{judged_by} (an `id_column` would tell, `window.deduplicate = "
                '"rows"` leaves them out)'
            )
        return found

    def _cells(self, table: pa.Table) -> Keys:
        """64 bits of each cell, (columns, n)."""
        present, rows = set(table.column_names), table.num_rows
        return np.array([
            cell_hashes(table.column(name)) if name in present else np.full(rows, ABSENT) for name in self._names
        ])  # fmt: skip

    def _judge(self, rows: int, read: Reading) -> tuple[Rows, int, int]:
        """Of the judged rows: the places of those that were delivered twice, how many chance makes, and how many they
        are. All rows that agree in every column but the most varied ones are judged, or none of them."""
        varied: list[int] | None = None
        parts, places, place = list[Keys](), list[Rows](), 0
        shares = np.uint64(max(1, -(-rows // JUDGED_ROWS)))
        for _, table in read():
            cells = self._cells(table)
            varied = most_varied(cells) if varied is None else varied
            rest = [at for at in range(len(cells)) if at not in varied]
            chosen = np.ones(table.num_rows, dtype=bool)
            if shares > 1:
                by = row_keys(cells[rest]) if rest else np.arange(place, place + table.num_rows).astype(np.uint64)
                chosen = by % shares == 0
            parts.append(cells[:, chosen])
            places.append(np.arange(place, place + table.num_rows)[chosen])
            place += table.num_rows
            if sum(map(len, places)) > MOST_JUDGED:  # a few groups have most rows
                break
        at = np.concatenate(places)
        found = repeated_rows(np.concatenate(parts, axis=1), at)
        return at[found.dropped], found.alike, len(at)
