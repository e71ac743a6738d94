"""People who are forgotten, each by a keyed hash, and what was rewritten for it. An id itself stands in the arguments
of the command that asks for it, until all of it is done, and nowhere else."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from daemon.ledger.rows import insert_row, last_row, last_rows, update_row
from daemon.ledger.tables import (
    PathText,
    checks,
    commands,
    files,
    forgettings,
    forgotten,
    metadata,
    prediction_log,
    rejects,
)
from daemon.reading.marks import GONE, LONG
from daemon.reading.mentions import Mentions

ForgettingRow = Row[Any]
AT_ONCE = 500
"""Rows that one statement names, and that are read at once."""
ALL_GONE = "all its rows were of people who are forgotten"
Places = dict[str, tuple[int, list[int]]]
"""By table, its newest row and the rows that hold an id."""
NAMES = ("model", "mark", "key", "name", "state")
"""Columns that no id stands in."""


def marks_of(conn: Connection, model: str) -> dict[str, tuple[str, ...]]:
    """By column, the marks of all who are forgotten."""
    found: dict[str, list[str]] = {}
    for row in conn.execute(select(forgotten).where(forgotten.c.model == model).order_by(forgotten.c.id)):
        found.setdefault(row.column, []).append(row.mark)
    return {column: tuple(marks) for column, marks in found.items()}


def is_anyone(conn: Connection) -> bool:
    """Whether anybody is forgotten."""
    return conn.scalar(select(forgotten.c.id).limit(1)) is not None


def begin(
    conn: Connection, command: Any, model: str, column: str, marks: Collection[bytes], now: float
) -> ForgettingRow:
    """The forgetting that a command asks for, begun or gone on with: from here on what has these marks is left out."""
    mine = forgettings.c.command_id == command.id, forgettings.c.at == command.at
    row = last_row(conn, forgettings, *mine)
    if row is None:
        values = {"command_id": command.id, "model": model, "column": column, "people": len(marks), "at": command.at}
        key = insert_row(conn, forgettings, {**values, "found": {"since": now}})
        new = sorted({mark.hex() for mark in marks} - set(marks_of(conn, model).get(column, ())))
        rows = [{"model": model, "column": column, "mark": mark, "forgetting_id": key} for mark in new]
        if rows:
            conn.execute(insert(forgotten), rows)
        row = last_row(conn, forgettings, forgettings.c.id == key)
    assert row is not None
    return row


def of_command(conn: Connection, command: Any) -> ForgettingRow | None:
    """What a command began."""
    return last_row(conn, forgettings, forgettings.c.command_id == command.id, forgettings.c.at == command.at)


def listed(conn: Connection, model: str) -> Sequence[ForgettingRow]:
    """All that was forgotten of a model, the oldest first."""
    return last_rows(conn, forgettings, None, forgettings.c.model == model)


def snapshot_rewritten(
    conn: Connection, forgetting: int, model: str, old: str, new: str | None, told: Mapping[str, Any],
    beside: Mapping[str, str],
) -> None:  # fmt: skip
    """A snapshot's rows are in another file now, or all gone; `told` says how many went, `beside` names predictions by
    their old paths."""
    mine = files.c.model == model, files.c.snapshot == old
    named = last_rows(conn, files, None, *mine)
    for row in named:
        classes = {name: rows - told["classes"].get(name, 0) for name, rows in (row.class_rows or {}).items()}
        values: dict[str, Any] = {
            "snapshot": new, "rows": max(0, row.rows - told["rows"]),
            "labelled_rows": min(max(0, row.labelled_rows - told["labelled"]), max(0, row.rows - told["rows"])),
            "class_rows": {name: rows for name, rows in classes.items() if rows > 0},
        }  # fmt: skip
        if new is None and row.state in ("accepted", "held"):
            values |= {"state": "forgotten", "reason": ALL_GONE}
        update_row(conn, files, row.id, **values)
    for before, after in beside.items():
        conn.execute(update(checks).where(checks.c.model == model, checks.c.predictions == before).values(
            predictions=after or None
        ))  # fmt: skip
    entries = [
        {
            "file": row.path, "source": row.source, "sha256": row.sha256, "rows": told["rows"],
            "before": Path(old).stem, "after": None if new is None else Path(new).stem,
        }
        for row in named
    ]  # fmt: skip
    add(conn, forgetting, "files", entries)


def log_rewritten(conn: Connection, forgetting: int, old: str, new: str | None, told: Mapping[str, Any]) -> None:
    """The same of a file of the prediction log."""
    row = last_row(conn, prediction_log, prediction_log.c.path == old)
    if row is None:
        return
    if new is None:
        conn.execute(prediction_log.delete().where(prediction_log.c.id == row.id))
    else:
        values = {name: told[name] for name in ("digest", "bytes", "answers")}
        update_row(conn, prediction_log, row.id, path=new, rows=told["left"], **values)
    add(conn, forgetting, "log", [{"rows": told["rows"], "before": Path(old).stem, "after": new and Path(new).stem}])


def add(conn: Connection, forgetting: int, name: str, entries: Sequence[Any]) -> None:
    """Note what else was found."""
    found = conn.scalar(select(forgettings.c.found).where(forgettings.c.id == forgetting)) or {}
    update_row(conn, forgettings, forgetting, found=found | {name: [*found.get(name, ()), *entries]})


def note(conn: Connection, forgetting: int, **values: Any) -> None:
    """Note what it comes to."""
    found = conn.scalar(select(forgettings.c.found).where(forgettings.c.id == forgetting)) or {}
    update_row(conn, forgettings, forgetting, found=found | values)


def finish(conn: Connection, forgetting: int, now: float) -> None:
    """It is done."""
    update_row(conn, forgettings, forgetting, finished_at=now)


def blank(conn: Connection, command: Any, refused: Sequence[str] | None = None) -> None:
    """The command says no more whom it is about; where it is refused, why, and the way out."""
    if "ids" in command.args:
        args = {key: value for key, value in command.args.items() if key != "ids"}
        args |= {} if refused is None else {"refused": list(refused)}
        update_row(conn, commands, command.id, args=args | {"people": len(command.args["ids"])})


class Theirs:
    """What of a text is someone's: an id as a word of its own, a long one wherever it stands."""

    def __init__(self, column: str, values: Collection[str]) -> None:
        self.column = column
        self.long = Mentions([value for value in values if len(value) >= LONG])
        self._short = Mentions([value for value in values if len(value) < LONG])

    def in_reject(self, column: str | None, raw: str | None, reason: str | None) -> bool:
        """Whether a row that was set aside is theirs: by its text, or by the reason where that quotes the column."""
        texts = [text for text in (raw, reason) if text]
        quoted = [text for text in (raw, reason if column == self.column else None) if text]
        return any(map(self.long.holds, texts)) or any(map(self._short.holds, quoted))


def remove_rejects(conn: Connection, model: str, theirs: Theirs) -> int:
    """Let go of the rejected rows that are theirs; how many."""
    if conn.dialect.name != "sqlite":
        return _remove_rejects(conn, model, theirs)
    _raw(conn).create_function("is_theirs", 3, theirs.in_reject)
    gone = conn.exec_driver_sql(
        "DELETE FROM rejects WHERE file_id IN (SELECT id FROM files WHERE model = ?) "
        'AND is_theirs("column", raw, reason)',
        (model,),
    )
    return int(gone.rowcount)


def mentioning(conn: Connection, theirs: Theirs) -> Places:
    """The rows of the ledger in which a text has a long id: all of it is read, which takes seconds of a large one, and
    keeps nobody from writing. Paths are none of these texts: files are called so."""
    found: Places = {}
    for table in metadata.sorted_tables if theirs.long else ():
        if conn.dialect.name != "sqlite":
            found[table.name] = _mentioned(conn, table, theirs.long)
            continue
        _raw(conn).create_function("holds", 1, lambda text: isinstance(text, str) and theirs.long.holds(text))
        newest = conn.exec_driver_sql(f'SELECT coalesce(max(rowid), 0) FROM "{table.name}"').scalar_one()  # noqa: S608
        found[table.name] = int(newest), _holding(conn, table, 0)
    return found


def redact(conn: Connection, theirs: Theirs, places: Places) -> int:
    """Write something else in the place of long ids, in rows that were found before and in those that came since; how
    many rows. Commands that wait stay."""
    tables = [one for one in metadata.sorted_tables if one.name in places]
    if conn.dialect.name != "sqlite":
        return sum(_redacted(conn, table, theirs.long, *places[table.name]) for table in tables)
    raw, changed = _raw(conn), 0
    raw.create_function("holds", 1, lambda text: isinstance(text, str) and theirs.long.holds(text))
    raw.create_function("redacted", 1, lambda text: theirs.long.redacted(text, GONE))
    for table in tables:
        newest, found = places[table.name]
        rows = [(row,) for row in (*found, *_holding(conn, table, newest))]
        waits = " AND state != 'queued'" if table is commands else ""
        for name in _texts(table) if rows else ():
            where = f'rowid = ? AND holds("{name}"){waits}'
            query = f'UPDATE OR IGNORE "{table.name}" SET "{name}" = redacted("{name}") WHERE {where}'  # noqa: S608
            conn.exec_driver_sql(query, rows)
        changed += len(rows)
    return changed


def _remove_rejects(conn: Connection, model: str, theirs: Theirs) -> int:
    """The same where the database cannot be given a function: rows are looked at here."""
    query = select(rejects.c.id, rejects.c.column, rejects.c.raw, rejects.c.reason)
    mine = query.join(files, rejects.c.file_id == files.c.id).where(files.c.model == model)
    found = conn.execute(mine, execution_options={"yield_per": AT_ONCE})
    gone = [row.id for row in found if theirs.in_reject(row.column, row.raw, row.reason)]
    for start in range(0, len(gone), AT_ONCE):
        conn.execute(delete(rejects).where(rejects.c.id.in_(gone[start : start + AT_ONCE])))
    return len(gone)


def _mentioned(conn: Connection, table: Table, long: Mentions) -> tuple[int, list[int]]:
    """The same of one table; of one without an integer key nothing, for it is short and read when it is rewritten."""
    if "id" not in table.c:
        return 0, []
    newest = conn.scalar(select(func.max(table.c.id))) or 0
    rows = map(tuple, _with_texts(conn, table))
    return newest, [key for key, *texts in rows if any(text and long.holds(text) for text in texts)]


def _redacted(conn: Connection, table: Table, long: Mentions, newest: int, found: Sequence[int]) -> int:
    """The same: what would then be there twice stays as it is."""
    names, keys, changed = _texts(table), list(table.primary_key.columns), 0
    if "id" in table.c:
        parts = [table.c.id.in_(found[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE)]
        rows = [row for part in (*parts, table.c.id > newest) for row in _with_texts(conn, table, part)]
    else:
        rows = list(_with_texts(conn, table))
    for row in rows:
        texts = dict(zip(names, row[len(keys) :], strict=True))
        values = {
            name: literal(long.redacted(text, GONE), String)
            for name, text in texts.items()
            if text and long.holds(text)
        }
        if values:
            same = [key == value for key, value in zip(keys, row, strict=False)]
            with contextlib.suppress(IntegrityError), conn.begin_nested():
                conn.execute(update(table).where(*same).values(values))
                changed += 1
    return changed


def _with_texts(conn: Connection, table: Table, *wanted: ColumnElement[bool]) -> Iterable[Row[Any]]:
    """Keys and texts, but those of commands that wait; nothing of a table without texts. Few are in memory at once: the
    reports of a year of checks are gigabytes."""
    names, keys = _texts(table), list(table.primary_key.columns)
    if not names:
        return ()
    waits = [commands.c.state != "queued"] if table is commands else []
    query = select(*keys, *(type_coerce(table.c[name], String).label(name) for name in names))
    return conn.execute(query.where(*wanted, *waits), execution_options={"yield_per": AT_ONCE})


def _holding(conn: Connection, table: Table, after: int) -> list[int]:
    holds = " OR ".join(f'holds("{name}")' for name in _texts(table))
    query = f'SELECT rowid FROM "{table.name}" WHERE rowid > ? AND ({holds})'  # noqa: S608
    return [row[0] for row in conn.exec_driver_sql(query, (after,))] if holds else []


def _texts(table: Table) -> list[str]:
    kinds: Callable[[Any], bool] = lambda kind: isinstance(kind, String | JSON) and not isinstance(kind, PathText)  # noqa: E731
    return [one.name for one in table.columns if kinds(one.type) and not one.primary_key and one.name not in NAMES]


def _raw(conn: Connection) -> Any:
    return conn.connection.driver_connection
