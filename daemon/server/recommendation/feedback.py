"""Events of a feedback request, every mistake named; those without a time happen now."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from daemon.reading.event_times import AHEAD, AHEAD_MS
from daemon.server.recommendation.asked import one_id
from daemon.server.refusal import BadRequest
from drift.notation import counted
from retrain.recommendation.posted import PostedEvent
from retrain.recommendation.times import milliseconds
from retrain.records.settings import ModelSettings
from retrain.rows.cells import shown

MOST_EVENTS = 10_000
KEYS = ("user", "item", "time", "value", "type")
OLDEST_MS = round(datetime(1900, 1, 1, tzinfo=UTC).timestamp() * 1e3)


def read_events(
    value: Mapping[str, Any], settings: ModelSettings, missing: tuple[str, ...], now_ms: int
) -> list[PostedEvent]:
    """Of {"events": [{"user", "item", "time", "value", "type"}]}; ids among the words `missing` would be lost in a
    file."""
    for key in value:
        if key != "events":
            raise BadRequest(f"unknown key {shown(key)}; expected 'events'")
    events = value.get("events")
    if not isinstance(events, list) or not events:
        raise BadRequest('"events" is missing or empty; expected a list such as [{"user": "u1", "item": "a1"}]')
    if len(events) > MOST_EVENTS:
        raise BadRequest(f"{counted(len(events), 'event')}; at most {MOST_EVENTS:,} a request", 413)
    return [_event(f"event {place}", event, settings, missing, now_ms) for place, event in enumerate(events)]


def _event(where: str, event: Any, settings: ModelSettings, missing: tuple[str, ...], now_ms: int) -> PostedEvent:
    if not isinstance(event, dict) or "user" not in event or "item" not in event:
        raise BadRequest(f'{where}: expected {{"user": …, "item": …}}, and if known "time", "value" and "type"')
    for key in event:
        if key not in KEYS:
            raise BadRequest(f"{where}: unknown key {shown(key)}; expected some of {', '.join(KEYS)}")
    user, item = (one_id(event[key], f'{where}: its "{key}"') for key in ("user", "item"))
    for name in (user, item):
        if name in missing:
            raise BadRequest(f"{where}: {name!r} is a missing value (intake.na_values), no id")
    return PostedEvent(
        user, item, _time(where, event.get("time"), now_ms), _value(where, event.get("value"), settings),
        _type(where, event.get("type"), settings),
    )  # fmt: skip


def _time(where: str, value: Any, now_ms: int) -> int:
    """Milliseconds since 1970."""
    if value is None:
        return now_ms
    if isinstance(value, str):
        found = _of_text(where, value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e20 and math.isfinite(value):
        found = int(milliseconds(np.array([float(value)]))[0])
    else:
        raise BadRequest(f"{where}: its time is {shown(value)}; expected a date of ISO 8601, or seconds since 1970")
    if found > now_ms + AHEAD_MS:
        raise BadRequest(f"{where}: its time {shown(value)} {AHEAD}")
    if found < OLDEST_MS:
        raise BadRequest(f"{where}: its time {shown(value)} is before the year 1900")
    return found


def _of_text(where: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return math.floor((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e3)
    except (ValueError, OverflowError):
        wanted = "expected a date of ISO 8601, as 2026-01-31T12:00:00Z"
        raise BadRequest(f"{where}: its time is {shown(text)}; {wanted}") from None


def _value(where: str, value: Any, settings: ModelSettings) -> float | None:
    if value is None:
        return None
    if settings.value_column is None:
        raise BadRequest(f"{where} has a value, but this model has no value_column")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise BadRequest(f"{where}: its value is {shown(value)}; expected a finite number")
    return float(value)


def _type(where: str, value: Any, settings: ModelSettings) -> str | None:
    if value is None:
        return None
    if settings.event_column is None:
        raise BadRequest(f"{where} has a type, but this model has no event_column")
    return one_id(value, f"{where}: its type")
