"""How many labels of accepted files are of which class, kept by triggers of the database (see migration 0010); and
which classes a model knows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from daemon.ledger.models import brief
from daemon.ledger.tables import class_totals, files, models


def class_rows(conn: Connection, model: str) -> dict[str, int]:
    """Labels by class, of all accepted files."""
    query = select(class_totals.c["class"], class_totals.c.rows).where(class_totals.c.model == model)
    return {name: rows for name, rows in conn.execute(query) if rows > 0}


def class_rows_until(conn: Connection, model: str, seq: int) -> dict[str, int]:
    """The same of the files up to one by order of arrival; counted anew."""
    return _counted(conn, model, files.c.seq <= seq)


def class_rows_after(conn: Connection, model: str, seq: int) -> dict[str, int]:
    """The same of the files after one."""
    return _counted(conn, model, files.c.seq > seq)


def _counted(conn: Connection, model: str, which: ColumnElement[bool]) -> dict[str, int]:
    total = Counter[str]()
    usable = files.c.model == model, files.c.state == "accepted", which
    for counts in conn.scalars(select(files.c.class_rows).where(*usable)):
        total.update(counts or {})
    return dict(total)


def load(conn: Connection, model: str, target: str) -> tuple[frozenset[str] | None, frozenset[str]]:
    """The classes of this target that promoted versions learned (None: nobody wrote them down), and those that a person
    approved."""
    return known(_kept(conn, model, target), target)


def known(stored: Mapping[str, Any] | None, target: str) -> tuple[frozenset[str] | None, frozenset[str]]:
    """The same of what a model's row says."""
    kept = stored if stored and stored.get("target") == target else {}
    learned = kept.get("learned")
    return None if learned is None else frozenset(learned), frozenset(kept.get("approved", ()))


def learn(conn: Connection, model: str, target: str, classes: Iterable[str]) -> None:
    """A version knows these classes."""
    _add(conn, model, target, "learned", classes)


def approve(conn: Connection, model: str, target: str, classes: Iterable[str]) -> None:
    """A person said that these are classes."""
    _add(conn, model, target, "approved", classes)


def _kept(conn: Connection, model: str, target: str) -> dict[str, Any]:
    row = brief(conn, model)
    kept: dict[str, Any] = {} if row is None else row.classes or {}
    return kept if kept.get("target") == target else {"target": target}


def _add(conn: Connection, model: str, target: str, key: str, classes: Iterable[str]) -> None:
    kept = _kept(conn, model, target)
    kept = kept | {key: sorted({*kept.get(key, ()), *classes})}
    conn.execute(update(models).where(models.c.name == model).values(classes=kept))
