"""The key by which people who are forgotten are known again, and their marks for who reads rows."""

import os

from sqlalchemy import Connection

from daemon.config.paths import StatePaths
from daemon.ledger import forgotten
from daemon.reading.marks import KEY_BYTES, Marks
from daemon.runtime.context import ModelContext
from retrain import durable


def make_key(paths: StatePaths) -> bytes:
    """The key of the state folder, made where there is none; OSError."""
    if not paths.forget_key.exists():
        durable.replace_file(paths.forget_key, os.urandom(KEY_BYTES), "forget.key")
        paths.forget_key.chmod(0o600)
    return read_key(paths)


def read_key(paths: StatePaths) -> bytes:
    """The same; OSError where it is not there, or not whole."""
    key = paths.forget_key.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{paths.forget_key} is damaged: a backup has it")
    return key


def marks_of(context: ModelContext) -> Marks | None:
    """Of all who are forgotten of a model; None for nobody. OSError where their key is gone: nothing is read then."""
    with context.shared.ledger.connect() as conn:
        return marks_in(conn, context.shared.config.paths, context.name)


def marks_in(conn: Connection, paths: StatePaths, model: str) -> Marks | None:
    """The same by a connection."""
    columns = forgotten.marks_of(conn, model)
    return Marks(model, read_key(paths).hex(), columns) if columns else None
