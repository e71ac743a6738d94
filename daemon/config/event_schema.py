"""The JSON Schema of log events, made of their declarations: what `driftd logs --schema` prints."""

from typing import Any

from daemon.config.events import EVENTS, Event

Schema = dict[str, Any]
TYPES = {
    "integer": (
        "alike assessments attempt attempts bytes check checks commands compared connections cycle_id "
        "differed drifted_columns dropped_before earlier episode estimated_rows events failures file_rows files "
        "free_bytes free_inodes hooks joined labelled labelled_rows labels needed_bytes of outbox people pid "
        "predictions quarantine refused rejected reports requests resident_mb row rows schedules seq settled since_row "
        "snapshots stages term times torn waiting writes"
    ),
    "number": (
        "before drop estimated expected high hours loss low measured p_value pause_s per_second "
        "realised restart_in_s seconds seconds_left settle_s share silent_s value"
    ),
    "boolean": ("drift will_retry"),
    "array": ("changed changes keys kinds models removed runtimes why"),
    "object": ("classes formats"),
}
"""The fields that are no texts, by what they are."""
MIXED: dict[str, tuple[str, ...]] = {
    "after": ("number", "string"),
    "columns": ("array", "object"),
    "first": ("object", "string"),
    "gains": ("object", "array", "number"),
    "groups": ("array", "string"),
    "not_learned": ("array", "object"),
    "notes": ("array", "string"),
    "reference": ("number", "string"),
    "status": ("integer", "string"),
    "together": ("array", "integer"),
}
"""Those that differ from event to event."""
FIXED = ("event", "level", "timestamp", "model", "file", "cycle_id", "version", "dropped_before")
MEANING = {
    "event": "its name",
    "timestamp": "when it was logged: UTC, ISO 8601",
    "dropped_before": "events before this one that were not taken",
}


def event_schema() -> Schema:
    """Of one line: what every event has, and for each event its level and its fields. A field may be added by a later
    version, so others are allowed; any may be null."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Log events of driftd",
        "type": "object",
        "required": ["event", "level", "timestamp"],
        "properties": {name: _field(name) for name in FIXED}
        | {"event": {"enum": [event.name for event in EVENTS], "description": MEANING["event"]}}
        | {"level": {"enum": ["debug", "info", "warning", "error"]}}
        | {"timestamp": {"type": "string", "format": "date-time", "description": MEANING["timestamp"]}},
        "allOf": [_of(event) for event in EVENTS],
    }


def _of(event: Event) -> Schema:
    fields = {name: _field(name) for name in event.fields.split()}
    then = {"description": event.when, "properties": {"level": {"const": event.level}} | fields}
    return {"if": {"properties": {"event": {"const": event.name}}}, "then": then}


def _field(name: str) -> Schema:
    """What a field holds; texts unless it is said otherwise. A list or an object that makes a line too long is cut, and
    a text then."""
    kinds = MIXED.get(name) or next(((kind,) for kind, names in TYPES.items() if name in names.split()), ("string",))
    about = {"description": MEANING[name]} if name in MEANING else {}
    cut = ("string",) if {"array", "object"} & {*kinds} and "string" not in kinds else ()
    return {"type": [*kinds, *cut, "null"]} | about
