"""The schema by which a model's files are read now, and how it differs from its champion's.

The champion goes on with its own schema: a column that was removed is missing to it, one that was added it does not
know, one of another kind is read as its own as far as that goes. New files are read by the new schema. A cycle opens
when enough labelled rows have been read by it; where task or target changed, only these teach and nobody is
compared."""

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.ledger import models, promotions
from daemon.runtime.context import ModelContext
from retrain.records.deployment import Champion
from retrain.records.errors import Refused
from retrain.records.formats import configured_formats
from retrain.records.schema import Schema, declared_schema, event_schema, recorded_columns, with_recorded
from retrain.records.schema_change import (
    PreparationChange,
    SchemaChange,
    changes,
    comparable,
    preparation_changed,
    shape_digest,
)
from retrain.records.settings import ModelSettings
from retrain.store.versions import read_json, version_schema
from retrain.user_code import digest_of

NOTICED = {"patterns", "recursive", "settle", "watch", "rescan"}
"""Settings of the intake that say which files are noticed, and when."""


def current_schema(context: ModelContext) -> Schema | None:
    """Declared in the configuration, else what was inferred once; None where the next file is to be inferred from:
    before the first, and after task, target or local formats changed."""
    declared = declared_schema(context.settings)
    if declared is not None:
        return declared
    return _inferred(stored_schema(context), context.settings)


def schema_in(conn: Connection, context: ModelContext) -> Schema | None:
    """The same by a connection."""
    declared = declared_schema(context.settings)
    return declared or _inferred(schema_of(models.brief(conn, context.name)), context.settings)


def _inferred(stored: Schema | None, settings: ModelSettings) -> Schema | None:
    """What was inferred, where it still answers the question that the configuration asks."""
    if stored is None or (stored.task, stored.target) != (settings.task, settings.target):
        return None
    if {settings.time_column, settings.id_column} - {None} - {column.name for column in stored.columns}:
        return None
    if configured_formats(settings.intake, stored.formats) != stored.formats:
        return None
    if settings.task == "recommendation":
        plain = [column.name for column in stored.columns if column.plain]
        return stored if event_schema(settings, stored.formats, plain) == stored else None
    recorded = recorded_columns(settings)
    if recorded is not None and set(recorded.names) - {column.name for column in stored.columns}:
        return None
    return with_recorded(replace(stored, time_column=settings.time_column, id_column=settings.id_column), settings)


def reading_digest(context: ModelContext) -> str:
    """Of all that decides how a file is read, and whether it is refused: schema, task, roles of columns, options."""
    schema, settings = current_schema(context), context.settings
    options = settings.intake.model_dump(mode="json", exclude=NOTICED)
    read = [None if schema is None else schema.to_json(), settings.task, settings.target, settings.time_column]
    if settings.prepare is not None:  # what it refused may be fine after a change
        read.append(digest_of(settings.prepare, context.shared.config.path.parent))
    decisive = [*read, settings.id_column, options, settings.limits.max_file]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def known_schema(context: ModelContext) -> Schema | None:
    """The current schema, else the one that was inferred before."""
    return current_schema(context) or stored_schema(context)


def logged_schema(context: ModelContext) -> Schema | None:
    """By which answered rows are kept: the known one, with whatever else the champion's version reads, as a pipeline or
    a preparation of the user's does."""
    schema = known_schema(context)
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, context.name)
    own = None if champion is None else version_schema(context.folders.version(champion.newest))
    if schema is None or own is None or own.inputs is None:
        return schema
    names = {column.name for column in schema.columns}
    return replace(schema, inputs=tuple(name for name in own.inputs if name in names))


def preparation_change(context: ModelContext, champion: Champion | None) -> PreparationChange | None:
    """How the configured preparation of rows differs from the one that the champion's newest version was made with;
    None where it does not, or the version cannot be read."""
    if champion is None or context.settings.task == "recommendation":
        return None
    before = version_preparation(context.folders.version(champion.newest))
    if before is None:
        return None
    name, folder = context.settings.prepare, context.shared.config.path.parent
    digest = digest_of(name, folder)
    if digest == before.get("digest", "") or (name is not None and not digest):
        return None
    return preparation_changed(champion.newest, before, name, digest)


@lru_cache(maxsize=256)
def version_preparation(folder: Path) -> dict[str, str] | None:
    """Name and digest of the preparation that a version has, {} without one; None where it cannot be read."""
    try:
        training = read_json(folder / "training.json")
    except Refused:
        return None
    return dict(training.get("preparation") or {})


def stored_schema(context: ModelContext) -> Schema | None:
    """What was inferred last."""
    with context.shared.ledger.connect() as conn:
        stored = models.load_schema(conn, context.name)
    return Schema.from_json(stored) if stored is not None else None


def schema_of(row: Any) -> Schema | None:
    """The same of a model's row; None without one."""
    return None if row is None or row.schema is None else Schema.from_json(row.schema)


def schema_change(context: ModelContext, champion: Champion | None) -> SchemaChange | None:
    """How the current schema differs from the champion's; None where it does not, or there is no champion."""
    return change_since(context.settings, stored_schema(context), context.folders.versions, champion)


def change_since(
    settings: ModelSettings, stored: Schema | None, versions: Path, champion: Champion | None
) -> SchemaChange | None:
    """The same of what was inferred last and a model's folder of versions."""
    before = None if champion is None else version_schema(versions / champion.newest)
    if before is None:
        return None
    after = declared_schema(settings) or _inferred(stored, settings)
    if after is None:
        after = replace(before, task=settings.task, target=settings.target)
        sentences = changes(before, after) or ["the columns are inferred anew"]
        return SchemaChange(tuple(sentences), comparable(before, after), "")
    sentences = changes(before, after)
    return SchemaChange(tuple(sentences), comparable(before, after), shape_digest(after)) if sentences else None


def answers(version: Path, schema: Schema) -> bool:
    """Whether a version answers the question of a schema: the same target of the same task."""
    own = version_schema(version)
    return own is not None and comparable(own, schema)
