"""Databases that rows are pulled from, opened to be read alone: SQLite and PostgreSQL."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Numeric,
    Select,
    String,
    column,
    create_engine,
    literal,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from daemon.reading.watermark import Watermark
from retrain.records.errors import Refused, Retry
from retrain.records.settings.source import database_file

CONNECT_S = 10
LOCKED_S = 10.0
TYPES: dict[type, Any] = {
    int: BigInteger(), float: Double(), Decimal: Numeric(), str: String(), date: Date(), datetime: DateTime(),
}  # fmt: skip
EXTRA = "pip install 'driftd[postgres]' into this environment"


@contextmanager
def reading_session(url: str, folder: Path, timeout_s: float) -> Iterator[Connection]:
    """A connection that can change nothing; a relative file of SQLite lies in `folder`. Refused where the database says
    that what is asked is wrong, Retry where it cannot be reached or does not answer in time; neither tells the URL."""
    engine = _engine(url, folder)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(timeout_s * 1000))}")
                connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
            yield connection
    except DBAPIError as error:
        raise _told(error) from None
    except SQLAlchemyError as error:
        raise Refused(f"the database cannot be asked: {_first_line(error)}") from None
    finally:
        engine.dispose()


def new_rows(query: str, watermark: str, low: Watermark | None, above: Watermark | None) -> Select[Any]:
    """The rows of a query in the order of their watermark, from `low` on, and beyond `above`."""
    # a query is no template: what looks like a parameter is none; and a comment at its end is ended
    inner = text(query.replace(":", r"\:") + "\n").columns(column(watermark)).subquery("pulled")
    mark = inner.c[watermark]
    wanted = [mark.is_not(None)]
    wanted += [] if low is None else [mark >= _bound(low)]
    wanted += [] if above is None else [mark > _bound(above)]
    return select(text("*")).select_from(inner).where(*wanted).order_by(mark)


def newest_row(query: str, watermark: str) -> Select[Any]:
    """The row with the greatest watermark."""
    asked = new_rows(query, watermark, None, None)
    return asked.order_by(None).order_by(asked.get_final_froms()[0].c[watermark].desc()).limit(1)


def _bound(value: Watermark) -> Any:
    """As a parameter of the type that the column has."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return literal(value, DateTime(timezone=True))
    return literal(value, TYPES[type(value)])


def _engine(url: str, folder: Path) -> Engine:
    if (name := database_file(url)) is not None:
        path = folder / Path(name).expanduser()
        return create_engine("sqlite://", creator=lambda: _open_sqlite(path), poolclass=NullPool)
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        asked = {"connect_timeout": CONNECT_S, "application_name": "driftd"}
        return create_engine(parsed, connect_args=asked, poolclass=NullPool)
    except (ArgumentError, ValueError):
        raise Refused("the URL of the database cannot be read") from None
    except ImportError:
        raise Refused("PostgreSQL needs psycopg, which is not installed", EXTRA) from None


def _open_sqlite(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise Retry(f"{path}: there is no such file")
    for name, converter in DECLARED.items():
        sqlite3.register_converter(name, converter)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=LOCKED_S, detect_types=sqlite3.PARSE_DECLTYPES)


def _as_stored(value: bytes) -> Any:
    """A number where it looks like one: what is declared so has no text that does."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return value.decode()


def _number(value: bytes) -> Any:
    stored = _as_stored(value)
    return float(stored) if isinstance(stored, int) else stored


def _truth(value: bytes) -> Any:
    return {b"0": False, b"1": True}.get(value, _as_stored(value))


DECLARED: dict[str, Callable[[bytes], Any]] = {
    "numeric": _number, "decimal": _number, "boolean": _truth, "bool": _truth, "date": _as_stored,
    "timestamp": _as_stored,
}  # fmt: skip
"""Of types that columns of SQLite are declared with and that it does not keep: what their values are. The rest it gives
as they are stored."""


def _told(error: DBAPIError) -> Refused | Retry:
    """What a database says, in its first line: the rest is the statement."""
    said = _first_line(error.orig)
    is_asked = isinstance(error, ProgrammingError | DataError) or "no such" in said or "syntax error" in said
    return Refused(f"the database says: {said}") if is_asked else Retry(f"the database says: {said}")


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
