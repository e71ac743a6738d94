"""What there is of a model that another system serves: what the planner asks before it wants a new reference."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection

from daemon.ledger import elsewhere
from daemon.runtime.context import ModelContext
from retrain.records.deployment import Champion
from retrain.records.errors import Refused, WrongUse
from retrain.records.observation import Elsewhere
from retrain.records.schema import recorded_columns
from retrain.records.schema_change import SchemaChange
from retrain.records.settings import ModelSettings
from retrain.store.versions import RECORDED, read_json, version_schema


def seen_elsewhere(
    conn: Connection, context: ModelContext, champion: Champion | None, changed: SchemaChange | None
) -> Elsewhere:
    """What a reference would be made of now; of a model that driftd serves nothing."""
    settings = context.settings
    if not settings.is_elsewhere:
        return Elsewhere()
    before, why_new = None, ""
    if champion is not None:
        folder = context.folders.version(champion.newest)
        before, why_new = recorded_version(folder), other_columns(folder, settings)
    return elsewhere.look(conn, context.name, settings.triggers.first_rows, changed, before, why_new)


@lru_cache(maxsize=256)
def recorded_version(folder: Path) -> str | None:
    """The version of the other system that a reference is of; None where its files did not say. It never changes."""
    try:
        found: str | None = read_json(folder / RECORDED).get("served_version")
    except (Refused, AttributeError):
        return None
    return found


def other_columns(folder: Path, settings: ModelSettings) -> str:
    """Why what was predicted stands elsewhere than in the files of a reference; "" where it does not."""
    schema = version_schema(folder)
    if schema is None or schema.recorded is None or schema.recorded == recorded_columns(settings):
        return ""
    return "the configuration names other columns of predictions"


def refuse_elsewhere(model: str, settings: ModelSettings, what: str) -> None:
    """WrongUse where another system serves the model; `what` says what driftd therefore cannot do."""
    if settings.is_elsewhere:
        way_out = f'without `served = "elsewhere"` in [models.{model}] driftd trains and serves a model of its own'
        raise WrongUse(f"another system serves {model}: {what}; {way_out}")
