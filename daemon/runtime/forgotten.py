"""The marks of people who are forgotten, for who reads rows."""

from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import forgotten
from daemon.reading.marks import Marks
from daemon.runtime.context import ModelContext
from daemon.runtime.forget_key import read_key


def marks_of(context: ModelContext) -> Marks | None:
    """Of all who are forgotten of a model; None for nobody. OSError where their key is gone: nothing is read then."""
    with context.shared.ledger.connect() as conn:
        return marks_in(conn, context.shared.config.paths, context.name)


def marks_in(conn: Connection, paths: StatePaths, model: str) -> Marks | None:
    """The same by a connection."""
    columns = forgotten.marks_of(conn, model)
    return Marks(model, read_key(paths).hex(), columns) if columns else None
