"""Which classes of a model count, and which wait for rows or a person; see `retrain.records.new_classes`."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import class_totals, due, promotions, versions
from daemon.ledger.standing import Standing
from daemon.runtime.context import ModelContext
from retrain.records.errors import Refused
from retrain.records.new_classes import NAMED, KnownClasses, NewClass, way_out
from retrain.records.settings import ModelSettings
from retrain.store.versions import read_json

LOGGED = 50
"""Classes that an event lists, those with the most rows."""


def withheld_classes(
    conn: Connection, model: str, settings: ModelSettings, folder: Path, more: Mapping[str, int] | None = None,
    row: Any = None,
) -> tuple[NewClass, ...]:  # fmt: skip
    """The classes of accepted labels that do not count; `folder` has the model's versions, `more` are labels by class
    of a file that is not committed yet, `row` is the model's, if it was read."""
    if settings.task != "classification":
        return ()
    if row is None:
        known = known_classes(conn, model, settings, folder)
    else:
        known = _known_classes(conn, model, settings, folder, class_totals.known(row.classes, settings.target))
    return known.withheld(_added(class_totals.class_rows(conn, model), more or {}))


def withheld_before_and_with(
    conn: Connection, context: ModelContext, more: Mapping[str, int]
) -> tuple[frozenset[str], tuple[NewClass, ...]]:
    """The classes that a person approved and that have too few rows; and those that do not count once labels by class
    of a file are there that is not committed yet."""
    settings = context.settings
    if settings.task != "classification":
        return frozenset(), ()
    rows = class_totals.class_rows(conn, context.name)
    known = known_classes(conn, context.name, settings, context.folders.versions)
    waited = frozenset(one.name for one in known.withheld(rows) if one.approved)
    return waited, known.withheld(_added(rows, more))


def _added(rows: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: rows.get(name, 0) + more.get(name, 0) for name in (*rows, *(one for one in more if one not in rows))}


def waiting_for_rows(conn: Connection, context: ModelContext) -> frozenset[str]:
    """The classes that a person approved and that have too few rows."""
    found = withheld_classes(conn, context.name, context.settings, context.folders.versions)
    return frozenset(one.name for one in found if one.approved)


def ask_for_cycle(conn: Connection, context: ModelContext, waited: frozenset[str]) -> None:
    """Note that a cycle is due where a class that waited for rows has them now, in the caller's transaction: what is
    held is not among them, and keeps those that are in from nothing."""
    if waited and waited - waiting_for_rows(conn, context):
        due.add(conn, context.name, "manual", context.now())


def known_classes(conn: Connection, model: str, settings: ModelSettings, folder: Path) -> KnownClasses:
    """What is known of the target's classes; before promotions were written down, what the stored versions know."""
    return _known_classes(conn, model, settings, folder, class_totals.load(conn, model, settings.target))


def withheld_of(
    conn: Connection, model: str, settings: ModelSettings, folder: Path, standing: Standing
) -> tuple[NewClass, ...]:
    """The classes of accepted labels that do not count, where the ledger was read for all models at once."""
    if settings.task != "classification" or not standing.class_rows:
        return ()
    stored = None if standing.model is None else standing.model.classes
    written = class_totals.known(stored, settings.target)
    return _known_classes(conn, model, settings, folder, written).withheld(standing.class_rows)


def _known_classes(
    conn: Connection,
    model: str,
    settings: ModelSettings,
    folder: Path,
    written: tuple[frozenset[str] | None, frozenset[str]],
) -> KnownClasses:
    learned, approved = written
    if learned is None:
        known = promotions.champion(conn, model) is not None
        names = [row.name for row in versions.stored(conn, model)] if known else []
        learned = frozenset().union(*(version_classes(folder / name, settings.target) for name in names))
    return KnownClasses(declared_classes(settings), learned, approved, settings.triggers.first_class_rows)


def declared_classes(settings: ModelSettings) -> tuple[str, ...] | None:
    """The target's categories, where the configuration declares them."""
    column = (settings.columns or {}).get(settings.target)
    return None if column is None else column.categories


@lru_cache(maxsize=256)
def version_classes(version: Path, target: str) -> frozenset[str]:
    """The classes of a target that a stored version knows; it never changes. None where it cannot be read."""
    try:
        if read_json(version / "schema.json")["target"] != target:
            return frozenset()
        return frozenset(map(str, read_json(version / "training.json")["classes"] or ()))
    except (Refused, KeyError, TypeError):
        return frozenset()


def learn_classes(conn: Connection, model: str, settings: ModelSettings, version: Path, up_to_seq: int) -> None:
    """Write down what a version that is promoted or tried knows, beside the classes that counted in the files up to
    one: a class that its window did not hold is not new when it comes again, one that came while it was made is."""
    if settings.task == "classification":
        known = known_classes(conn, model, settings, version.parent)
        first = {} if known.learned else class_totals.class_rows_until(conn, model, up_to_seq)
        rows = first or class_totals.class_rows(conn, model)
        counting = rows.keys() - {one.name for one in known.withheld(rows)}
        learned = known.learned | counting | version_classes(version, settings.target)
        class_totals.learn(conn, model, settings.target, learned)


def log_new_classes(log: Any, model: str, withheld: tuple[NewClass, ...], rows: Mapping[str, int]) -> None:
    """Warn of a file's labels that do not count."""
    found = sorted((one for one in withheld if one.name in rows), key=lambda one: -rows[one.name])
    if found:
        more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
        log.warning(
            "classes_withheld", classes={one.name: rows[one.name] for one in found[:LOGGED]},
            reason="; ".join(one.sentence() for one in found[:NAMED]) + more, way_out=way_out(model, found),
        )  # fmt: skip
