"""What `driftd doctor` says of a model's database: whether it can be asked, and for what it will be asked."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.config.config import Config
from daemon.reading.database import newest_row, reading_session
from daemon.reading.rejects import printable
from daemon.reading.watermark import kind_of
from daemon.runtime.sources import source_url
from retrain.records.errors import DriftdError
from retrain.records.settings import ModelSettings

PATIENCE_S = 10.0
AHEAD = timedelta(days=1)
Told = tuple[str, str, str]
"""Level, what is told, and the way out."""


def source_told(config: Config, name: str, environment: Mapping[str, str]) -> Iterator[Told]:
    """All of it; nothing of a model without a database."""
    settings = config.models[name]
    source = settings.source
    if source is None:
        return
    where = f"[models.{name}.source]"
    try:
        url = source_url(config, name, environment)
    except DriftdError as error:
        way_out = error.hint or "correct it; a credential of systemd is there for the service alone"
        yield "warning", f"{where}: {error.message}", way_out
        return
    try:
        with reading_session(url, config.path.parent, PATIENCE_S) as connection:
            result = connection.execute(newest_row(source.query, source.watermark))
            columns, row = list(result.keys()), result.first()
    except DriftdError as error:
        yield "error", f"{where}: {error.message}", error.hint or "correct url or query; is the database up?"
        return
    yield from _lacking(settings, where, columns)
    if source.watermark not in columns:
        yield "error", f"{where}: the query has no column {source.watermark!r}, its watermark", _have(columns)
    elif row is None:
        yield "ok", f"{where}: the database answers; it has no row with a watermark yet", ""
    else:
        yield _judged(where, source.watermark, row[columns.index(source.watermark)])


def _lacking(settings: ModelSettings, where: str, columns: Sequence[str]) -> Iterator[Told]:
    """Columns that the model needs and the query does not have."""
    assert settings.source is not None, "asked for models with a source"
    if settings.source.key not in (None, *columns):
        yield "error", f"{where}: the query has no column {settings.source.key!r}, its key", _have(columns)
    needed = [settings.time_column, settings.id_column, *(settings.columns or {})]
    lacking = [name for name in dict.fromkeys(needed) if name not in (None, settings.target, *columns)]
    if lacking:
        yield "error", f"{where}: the query lacks {', '.join(map(repr, lacking))}", _have(columns)
    if settings.target not in columns:
        what = f"{where}: the query has no column {settings.target!r}, the target: its rows have no labels"
        yield "warning", what, "select it, unless labels come in files or over HTTP"


def _judged(where: str, name: str, value: Any) -> Told:
    """Whether the newest watermark has an order, and is not ahead of time."""
    kind, shown = kind_of(value), printable(str(value))
    if kind is None:
        what = f"{where}: watermark {name!r} is like {shown!r}, which has no order that driftd knows"
        return "error", what, "take a column of times, dates or numbers"
    if (moment := _moment(value)) is not None and moment > datetime.now(UTC) + AHEAD:
        what = f"{where}: watermark {name!r} is {shown} in some row, ahead of time"
        return "warning", what, "correct it: once that row is pulled, no earlier one is new"
    return "ok", f"{where}: the database answers; its newest {name!r} is {shown}", ""


def _moment(value: Any) -> datetime | None:
    """The moment that a watermark of time means."""
    if isinstance(value, int | float) or (not hasattr(value, "isoformat") and not isinstance(value, str)):
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _have(columns: Sequence[str]) -> str:
    return f"it has {', '.join(columns)}"
