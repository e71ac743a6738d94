"""Whether ids stand anywhere in the state folder: every file of it, unpacked as far as it is packed.

A long id is looked for in every byte, a short one only in the column that says who it is."""

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import JSON, Connection, String, select, type_coerce

from daemon.config.config import Config
from daemon.ledger import forgotten
from daemon.ledger.tables import metadata
from daemon.reading.forgotten import among, marked
from daemon.reading.marks import LONG, Marks
from daemon.reading.mentions import Mentions
from daemon.runtime.forget_key import WAY_OUT, read_key
from daemon.runtime.ledgers import open_configured
from drift.notation import counted

PARQUET, SQLITE, GZIP, ZIP = b"PAR1", b"SQLite format 3\0", b"\x1f\x8b", b"PK\x03\x04"
LOGGED_ID, POSTED_USER = "__id", "user"
KNOWN_USERS, WAL = "users.npz", "-wal"
Told = tuple[str, str, str]
"""Level, what is told, and the way out."""


def ids_told(config: Config, ids: Collection[str]) -> Iterator[Told]:
    """Where these ids stand in the state folder; they are not repeated."""
    columns = {name for one in config.models.values() if (name := one.user_column or one.id_column) is not None}
    columns |= {POSTED_USER for one in config.models.values() if one.task == "recommendation"}
    with closing(open_configured(config)) as ledger, ledger.connect() as conn:
        columns |= {row.column for model in config.models for row in forgotten.listed(conn, model)}
        in_database = list(_in_database(conn, ids)) if ledger.file is None else []
    places = 0
    for place, what in (*in_database, *search(config.state_dir, ids, columns)):
        places += 1
        yield "error", f"{place} {what}", _way_out(place)
    if not places:
        how = "every byte" if all(len(one) >= LONG for one in ids) else f"the columns {', '.join(sorted(columns))}"
        short = "" if how == "every byte" else f" (ids of fewer than {LONG} characters only there)"
        yield "ok", f"{counted(len(ids), 'id')} nowhere in {config.state_dir}: looked for in {how}{short}", ""


def _in_database(conn: Connection, ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Tables of a ledger that is no file whose texts hold a long id."""
    long = Mentions([one for one in ids if len(one) >= LONG])
    for table in metadata.sorted_tables if long else ():
        texts = [type_coerce(one, String) for one in table.columns if isinstance(one.type, String | JSON)]
        rows = conn.execute(select(*texts), execution_options={"yield_per": 1000}) if texts else ()
        found = sum(any(text and long.holds(text) for text in row) for row in rows)
        if found:
            yield "the ledger", f"has it in {counted(found, 'row')} of {table.name}"


def key_told(config: Config, conn: Connection) -> Iterator[Told]:
    """Whether those who are forgotten can be known again; nothing where nobody is."""
    if not forgotten.is_anyone(conn):
        return
    try:
        read_key(config.paths)
    except OSError as error:
        what = "is lost" if isinstance(error, FileNotFoundError) else "cannot be read, or is damaged"
        yield "error", f"{config.paths.forget_key} {what}: no file of a model that forgot people is taken in", WAY_OUT
    else:
        yield "ok", "people who are forgotten are known again when their rows come", ""


def marks_told(config: Config) -> Iterator[Told]:
    """Whether a row of anybody who is forgotten is in a file of rows, by their marks: nobody needs to know the ids."""
    with closing(open_configured(config)) as ledger, ledger.connect() as conn:
        known = {model: forgotten.marks_of(conn, model) for model in config.models}
        lost = [told for told in key_told(config, conn) if told[0] == "error"]
    if lost:
        yield from lost
        return
    for model, columns in known.items():
        if not columns:
            yield "ok", f"{model}: nobody is forgotten", ""
            continue
        folders, people = config.paths.model(model), sum(map(len, columns.values()))
        marks, wrong = Marks(model, read_key(config.paths).hex(), columns), 0
        paths = [*folders.snapshots.glob("*.parquet"), *folders.logged.glob("*.parquet")]
        paths += folders.pulled.glob("*/rows.parquet")
        for path in sorted(paths):
            if _has_marked(path, marks, config.models[model].id_column):
                wrong += 1
                place = str(path.relative_to(config.state_dir))
                yield "error", f"{place} has rows of someone who is forgotten", _way_out(place)
        if not wrong:
            who = "1 person who is" if people == 1 else f"{people:,} people who are"
            yield "ok", f"{model}: no row of {who} forgotten, in {counted(len(paths), 'file')} of rows", ""


def _way_out(place: str) -> str:
    if place.startswith("versions/"):
        return "it goes with the version: retrain, and let retention.versions remove it"
    if place.startswith("before-restore-"):
        return "a restore set it aside: remove the folder"
    return "`driftd forget --id`; where it was done, ask again"


def _has_marked(path: Path, marks: Marks, id_column: str | None) -> bool:
    names = pq.read_schema(path).names
    for name in marks.columns:
        inside = LOGGED_ID if name == id_column and LOGGED_ID in names else name
        if inside in names and marked(pq.read_table(path, columns=[inside]).column(0), marks, name).any():
            return True
    return False


def search(state: Path, ids: Collection[str], columns: Collection[str]) -> Iterator[tuple[str, str]]:
    """By path below the state folder, what holds some of the ids."""
    looking = _Looking(ids, {*columns, LOGGED_ID})
    for path in sorted(one for one in state.rglob("*") if one.is_file() and not one.is_symlink()):
        place = str(path.relative_to(state))
        if looking.long.holds(place):
            yield place, "is called so"
        try:
            yield from ((place, what) for what in looking.inside(path.read_bytes(), path))
        except FileNotFoundError:
            continue  # it went meanwhile


class _Looking:
    """For ids: `long` finds the long ones in texts, and `raw` in bytes that are none, each as a character."""

    def __init__(self, ids: Collection[str], columns: Collection[str]) -> None:
        long = [one for one in ids if len(one) >= LONG]
        self.long, self.raw = Mentions(long), Mentions([one.encode().decode("latin-1") for one in long])
        self._ids, self._columns = list(ids), columns

    def inside(self, data: bytes, path: Path | None = None) -> Iterator[str]:
        """What of a file holds one."""
        if path is not None and path.name == KNOWN_USERS:
            yield from self._in_known(path)
        if data.startswith(PARQUET):
            yield from self._in_parquet(data)
        elif data.startswith(SQLITE) and path is not None:
            yield from self._in_ledger(path, data)
        elif path is not None and path.name.endswith(WAL):
            yield from self._in_pages(path.with_name(path.name.removesuffix(WAL)), data)
        elif data.startswith(GZIP):
            yield from (f"{what}, packed" for what in self.inside(gzip.decompress(data)))
        elif data.startswith(ZIP):
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                for name in packed.namelist():
                    yield from (f"{what}, in {name}" for what in self.inside(packed.read(name)))
        else:
            if self._in_bytes(data):
                yield "holds an id"
            yield from self._in_lines(data)

    def _in_bytes(self, data: bytes) -> bool:
        """Of a text, as a word; of anything else, be it inside of one."""
        try:
            return self.long.holds(data.decode())
        except UnicodeDecodeError:
            return self.raw.inside(data.decode("latin-1"))

    def _in_known(self, path: Path) -> Iterator[str]:
        """Of a version that recommends: who was known, by hashes."""
        from retrain.recommendation.reference import hashed, known_users

        if np.isin(known_users(path), hashed(np.array(self._ids, dtype=object))).any():
            yield "knows it by a hash"

    def _in_parquet(self, data: bytes) -> Iterator[str]:
        try:
            table = pq.read_table(pa.BufferReader(data))
        except (OSError, pa.ArrowException):
            yield "cannot be read as Parquet"
            if self.raw.inside(data.decode("latin-1")):
                yield "holds an id"
            return
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name in self._columns:  # an id that goes on is somebody else's, whatever it goes on with
                if among(column, self._ids).any():
                    yield f"has rows of it, by column {name!r}"
            elif self.long and self._in_texts(column):
                yield f"has it in column {name!r}"
        if self.long.holds(str(table.schema)):
            yield "has it in its schema"

    def _in_texts(self, column: Any) -> bool:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
            return False
        return any(self.long.holds(str(one)) for one in column.unique().to_pylist() if one is not None)

    def _in_ledger(self, path: Path, data: bytes) -> Iterator[str]:
        if self.long:
            yield from (f"has it in {counted(rows, 'row')} of {table}" for table, rows in self._in_tables(path))
            yield from self._in_pages(path, data)

    def _in_pages(self, ledger: Path, data: bytes) -> Iterator[str]:
        """Of pages as they lie on the disk: what stands there and in no row, not even in a longer id."""
        if self.raw.inside(data.decode("latin-1")) and not any(self._in_tables(ledger, self.long.inside)):
            yield "holds an id in pages that no row needs"

    def _in_tables(self, path: Path, is_there: Callable[[str], bool] | None = None) -> Iterator[tuple[str, int]]:
        """By table, the rows that hold one."""
        holds = is_there or self.long.holds
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as ledger:
            tables = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                found = 0
                for row in ledger.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own names
                    found += any(isinstance(one, str) and holds(one) for one in row)
                if found:
                    yield table, found

    def _in_lines(self, data: bytes) -> Iterator[str]:
        """Of lines of JSON, as segments are: the columns of ids."""
        if not data.startswith(b"{"):
            return
        wanted = set(self._ids)
        for line in data.splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, Mapping) and wanted & set(self._said(said)):
                yield "has a line of it"
                return

    def _said(self, said: Mapping[str, Any]) -> Iterator[str]:
        for name in self._columns:
            if isinstance(said.get(name), str | int):
                yield str(said[name])
        if isinstance(said.get("ids"), list):
            yield from (str(one) for one in said["ids"] if isinstance(one, str | int))
