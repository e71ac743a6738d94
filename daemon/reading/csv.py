"""CSV to a Parquet file of typed columns by DuckDB, with rejected rows by line and column."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.reading.blame import hint_of, reading, worlds_fault
from daemon.reading.clean import is_local
from daemon.reading.formats import MISSING, Kind, OpenedFile, opened
from daemon.reading.layout import Layout
from daemon.reading.pieces import LONGEST_LINE, Piece, pieces
from daemon.reading.rejects import LONGEST, Reject, Rejects, Share, misfit
from daemon.reading.sql import MANY_COLUMNS, connect, first_line_of, identifier, literal, plain_path
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.records.formats import Formats
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind, IntakeSettings

BUFFER_BYTES = 2 * LONGEST_LINE
"""DuckDB would take 16 times the longest line."""
TOO_LONG = "Maximum line size"
"""What DuckDB says of a line that is longer than it may be."""
TYPES = {
    "number": "DOUBLE", "integer": "DECIMAL(38,6)", "boolean": "BOOLEAN", "category": "VARCHAR",
    "datetime": "TIMESTAMPTZ", "text": "VARCHAR",
}  # fmt: skip
CELLS = 2_000_000
"""What is held at once of a file of many columns."""
NOT_AT_ONCE = ("CSV Error on Line", "state machine reached an invalid state", "does not support a full read")
"""What DuckDB says of a row that does not fit, of lines that end in different ways, and of many empty lines."""


def convert(file: OpenedFile, schema: Schema, target: Path, rejects: Rejects) -> None:
    """Write the schema's columns that the file has, typed where programs write them so and else as text, and `__row`
    to `target`; the rows that cannot be parsed are added to `rejects`. Refused where these are too many."""
    known = {column.name: column for column in schema.columns}
    types = {
        name: _type(known[name].kind, schema.formats_of(known[name])) if name in known else "VARCHAR"
        for name in file.names
    }
    if schema.task == "recommendation" and schema.time_column in types:
        types[schema.time_column] = "VARCHAR"  # numbers and moments, see event_times
    chosen = {name: types[name] for name in file.names if name in known}
    columns = [f"{_in_utc(identifier(name), kind)} AS {identifier(name)}" for name, kind in chosen.items()]
    missing, pieces_file = schema.formats.na_values, target.with_suffix(".piece.csv")
    if not _copied(file, types, [*columns, "row_number() OVER () AS __row"], target, missing):
        tables = _fitting(file, chosen, pieces_file, missing, known, rejects)
        _write(_numbered(tables), target)


def _type(kind: ColumnKind, formats: Formats) -> str:
    """As what DuckDB reads a column."""
    return "VARCHAR" if is_local(kind, formats) else TYPES[kind]


def convert_all(file: OpenedFile, layout: Layout, target: Path) -> int:
    """Write every column to `target`, as its kind where programs write it so and else as text; the number of rows that
    could not be parsed. Where a value does not fit its kind it is missing, and the column `misfits_of` its position is
    not."""
    chosen = []
    for position, name in enumerate(file.names):
        column, type_name = identifier(name), _type(layout.kinds.get(name, "category"), layout.formats_of(name))
        fitted = f"TRY_CAST({column} AS {type_name})"
        chosen.append(f"{_in_utc(fitted, type_name)} AS {column}")
        if type_name != "VARCHAR":
            misfit = f"CASE WHEN {column} IS NOT NULL AND {fitted} IS NULL THEN true END"
            chosen.append(f"{misfit} AS {identifier(misfits_of(position))}")
    rejects, missing = Rejects(), layout.formats.na_values
    if not _copied(file, dict.fromkeys(file.names, "VARCHAR"), chosen, target, missing):
        read = in_pieces(file, chosen, target.with_suffix(".piece.csv"), missing, rejects, Share(1.0))
        _write((table for table, _ in read), target)
    return rejects.count


def misfits_of(position: int) -> str:
    """The column that is true where the one at that position has a value that does not fit, else missing."""
    return f"__misfits_of_{position}"


def all_fit(
    file: OpenedFile, types: Mapping[str, str], missing: Sequence[str], run: Callable[[str], object],
    longest: int = LONGEST_LINE,
) -> bool:  # fmt: skip
    """Call `run` with DuckDB's reader of the file, as SQL, with these types by column and further words for missing
    values; False where not all rows that it reads are of so many values that fit, or where one has more bytes than
    `longest`, for which the reader takes several times as much memory. Refused where the file is no CSV."""
    try:
        run(
            _read_csv(
                file.path, file.kind.compression, file, types, missing, file.skipped, header=True, longest=longest
            )
        )
    except duckdb.Error as error:
        unfit = NOT_AT_ONCE if longest == LONGEST_LINE else (*NOT_AT_ONCE, TOO_LONG)
        if any(words in str(error) for words in unfit):
            return False
        raise _blamed(error, file) from None
    return True


def all_rows(reader: str, columns: int, most: int) -> Iterator[Any]:
    """All columns of DuckDB's reader of a file, as `all_fit` hands it over, at most so many rows at a time."""
    return iter(connect(columns).sql(f"SELECT * FROM {reader}").to_arrow_reader(most))


def in_pieces(
    file: OpenedFile, chosen: Sequence[str], piece_file: Path, missing: Sequence[str], rejects: Rejects, share: Share
) -> Iterator[tuple[pa.Table, Piece]]:
    """These columns, as SQL expressions, a piece of the file's rows at a time, beside the piece that they are of; rows
    that cannot be parsed are added to `rejects`. There is at least one. Refused where the file is no CSV, or where of
    enough rows more are bad than the `share` allows."""
    connection, texts = connect(len(file.names)), dict.fromkeys(file.names, "VARCHAR")
    reader = _read_csv(piece_file, "none", file, texts, missing, 0, header=False)
    empty = Piece(b"", np.zeros(0, np.int64), np.zeros(0, np.int64))
    try:
        with reading(_failure_of(file.kind)), opened(file.path, file.kind) as stream:
            for piece in chain([empty], pieces(stream, len(file.names), file.delimiter, file.skipped, rejects, share)):
                piece_file.write_bytes(piece.text)
                yield connection.sql(f"SELECT {', '.join(chosen)} FROM {reader}").to_arrow_table(), piece
    except duckdb.Error as error:
        raise _blamed(error, file) from None
    finally:
        piece_file.unlink(missing_ok=True)


def first_rows(file: OpenedFile, piece_file: Path, missing: Sequence[str], most: int) -> pa.Table:
    """The first rows of those that can be parsed, as texts. Refused where the file is no CSV."""
    found, texts = list[pa.Table](), dict.fromkeys(file.names, "VARCHAR")
    query, connection = f"SELECT * FROM {{}} LIMIT {most}", connect(len(file.names))
    if all_fit(file, texts, missing, lambda rows: found.append(connection.sql(query.format(rows)).to_arrow_table())):
        return found[0]
    share, tables, rows = Share(file.intake.max_reject_share), list[pa.Table](), 0
    for table, _ in in_pieces(file, ["*"], piece_file, missing, Rejects(1), share):
        tables.append(table.slice(0, most - rows))
        rows += tables[-1].num_rows
        if rows == most:
            break
    return pa.concat_tables(tables)


def _copied(
    file: OpenedFile, types: Mapping[str, str], chosen: Sequence[str], target: Path, missing: Sequence[str]
) -> bool:
    """Whether DuckDB could write the columns of all rows at once: it ends at the first row that does not fit."""
    durable.crash_point("intake.parsed.before_write")
    select, connection = f"SELECT {', '.join(chosen)} FROM {{}}", connect(len(file.names))

    def copy(reader: str) -> None:
        query = select.replace("{}", reader, 1)
        if len(file.names) > MANY_COLUMNS:  # DuckDB's writer takes 150 kB for each of them
            batches = connection.sql(query).to_arrow_reader(max(1, CELLS // len(file.names)))
            empty = batches.schema.empty_table()
            _write(chain([empty], (pa.Table.from_batches([batch]) for batch in batches)), target)
        else:
            connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)")

    return all_fit(file, types, missing, copy)


def _fitting(
    file: OpenedFile, chosen: Mapping[str, str], piece_file: Path, missing: Sequence[str], known: Mapping[str, Column],
    rejects: Rejects,
) -> Iterator[pa.Table]:  # fmt: skip
    """The columns of the file as these types, by name, in pieces; rows with a value that does not fit are added to
    `rejects`."""
    typed = {misfits_of(place): name for place, (name, kind) in enumerate(chosen.items()) if kind != "VARCHAR"}
    columns = [
        f"{_in_utc(f'TRY_CAST({identifier(name)} AS {kind})', kind)} AS {identifier(name)}"
        for name, kind in chosen.items()
    ]
    for misfits, name in typed.items():
        column = identifier(name)
        fails = f"{column} IS NOT NULL AND TRY_CAST({column} AS {chosen[name]}) IS NULL"
        columns.append(f"CASE WHEN {fails} THEN left({column}, {LONGEST}) END AS {identifier(misfits)}")
    for table, piece in in_pieces(file, columns, piece_file, missing, rejects, Share(file.intake.max_reject_share)):
        good = np.ones(table.num_rows, dtype=bool)
        for misfits, name in typed.items():
            good &= _set_aside(table.column(misfits), known[name], piece, good, rejects)
        yield table.drop_columns(list(typed)).filter(pa.array(good))


def _set_aside(
    misfits: Any, column: Column, piece: Piece, good: NDArray[np.bool_], rejects: Rejects
) -> NDArray[np.bool_]:
    """Which rows (n,) have no misfit, a text, in a column; those that have and were `good` are added to `rejects`."""
    if misfits.null_count == len(misfits):
        return good
    fits = misfits.is_null().to_numpy()
    places = np.flatnonzero(~fits & good)

    def reject(place: int) -> Reject:
        row = int(places[place])
        return Reject(int(piece.lines[row]), column.name, misfit(misfits[row].as_py(), column.kind), piece.raw(row))

    rejects.add(piece.lines[places].tolist(), reject)
    return np.asarray(fits)


def _numbered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """With `__row`, counted from 1."""
    rows = 0
    for table in tables:
        numbers = np.arange(rows + 1, rows + 1 + table.num_rows)
        rows += table.num_rows
        yield table.append_column("__row", pa.array(numbers))


def _write(tables: Iterator[pa.Table], target: Path) -> None:
    first = next(tables)
    with pq.ParquetWriter(target, first.schema, compression="lz4") as writer:
        for table in chain([first], tables):
            if table.num_rows:
                writer.write_table(table)


def _in_utc(expression: str, type_name: str) -> str:
    """A moment without its offset; other types as they are."""
    return f"{expression} AT TIME ZONE 'UTC'" if type_name == "TIMESTAMPTZ" else expression


def _read_csv(
    path: Path, compression: str, file: OpenedFile, types: Mapping[str, str], words: Sequence[str], skipped: int,
    header: bool, longest: int = LONGEST_LINE,
) -> str:  # fmt: skip
    columns = ", ".join(f"{literal(name)}: {literal(type_name)}" for name, type_name in types.items())
    line_end = (
        "" if header else r"new_line = '\n', "
    )  # of pieces: DuckDB guesses from a line end in a quoted value, too
    missing = ", ".join(literal(word) for word in dict.fromkeys((*MISSING, *words)))
    return (
        f"read_csv({literal(plain_path(path))}, columns = {{{columns}}}, auto_detect = false, header = {header}, "
        f"delim = {literal(file.delimiter)}, quote = '\"', escape = '\"', nullstr = [{missing}], "
        f"compression = {literal(compression)}, skip = {skipped}, {line_end}"
        f"max_line_size = {longest}, buffer_size = {2 * longest})"
    )


def _blamed(error: duckdb.Error, file: OpenedFile) -> Refused | Retry:
    if worlds_fault(error):
        return Retry(first_line_of(error))
    return Refused(_failure(error, file.kind), _hint(error, file.intake))


def _failure_of(kind: Kind) -> str:
    return "cannot be read" if kind.compression == "none" else f"is no whole {kind.compression} file"


def _failure(error: Exception, kind: Kind) -> str:
    if "GZIP" in str(error) or "zstd" in str(error).lower():
        return f"is no whole {kind.compression} file: {first_line_of(error)}"
    return f"cannot be read as CSV: {first_line_of(error)}"


def _hint(error: Exception, intake: IntakeSettings) -> str:
    text = str(error).lower()
    if hint_of(error):
        return hint_of(error)
    if "unicode" in text or "encoding" in text or "utf" in text:
        return 'if the file is latin-1, set intake.encoding = "latin-1"'
    return "" if intake.delimiter else "if its delimiter is unusual, set intake.delimiter"
