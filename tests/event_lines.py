"""Whether lines of a service's log are events as they are declared."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema

from daemon.config.event_schema import FIXED, event_schema
from daemon.config.events import EVENTS

FIELDS = {event.name: {*FIXED, *event.fields.split()} for event in EVENTS}


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(event_schema())


@cache
def _validator_of(name: str) -> Any:
    """The same for one event, which takes a hundredth of the time."""
    schema = event_schema()
    then = [one["then"] for one in schema.pop("allOf") if one["if"]["properties"]["event"]["const"] == name]
    return jsonschema.Draft202012Validator(schema | {"allOf": then})


def undeclared(entries: Iterable[dict[str, Any]], whole: bool = False) -> list[str]:
    """What is wrong with them, in words: not as the schema says, or with a field that is not declared. `whole` asks the
    schema as it is published."""
    wrong = []
    for entry in entries:
        name = str(entry.get("event"))
        validator = _validator() if whole else _validator_of(name)
        wrong += [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(entry)]
        more = set(entry) - FIELDS.get(name, set(entry))
        wrong += [f"{name}: {field}={entry[field]!r} is not declared" for field in sorted(more)]
    return wrong
