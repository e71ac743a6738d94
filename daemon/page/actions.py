"""What a person may ask of the service from the page: each action once, with its fields. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.page.answers import Refusal

LONGEST, MOST_CLASSES = 4_096, 100
"""Characters of a text, classes at once."""
Given = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """What an action needs to know: `kind` is `text`, `number` or `texts`."""

    name: str
    kind: str
    says: str
    is_needed: bool = True


@dataclass(frozen=True)
class Action:
    """An action, named as the command that it is; a hint may come with anything, which is not read."""

    name: str
    says: str
    fields: tuple[Field, ...] = ()
    is_hint: bool = False


FILE = Field("file", "text", "the file, as `driftd files` names it")
OF_A_MODEL = (
    Action("retrain", "Open a retraining cycle, as soon as none is under way."),
    Action("pause", "Open no cycles, roll nothing back, adjust nothing until it is resumed."),
    Action("resume", "End a pause."),
    Action("rollback", "Serve what was served before the champion."),
    Action("promote", "Make a stored version the champion.", (Field("version", "text", "v0003 or its whole name"),)),
    Action("approve", "Let a challenger that waits be promoted.", (Field("cycle", "number", "the cycle's number"),)),
    Action("approve_class", "Let rows of new classes teach.", (Field("classes", "texts", "the new classes"),)),
    Action("hold", "Keep a file's rows out of training.", (FILE, Field("reason", "text", "why", is_needed=False))),
    Action("release", "Let a held file's rows teach again.", (FILE,)),
    Action("forget", "Drop a file's rows for good.", (FILE,)),
    Action("pull", "Look for new objects of its prefix, or rows of its database, now.", is_hint=True),
    Action("renew", "Make a new reference of the newest files, where another system serves the model."),
)
OF_THE_SERVICE = (Action("reload", "Apply the changed configuration."),)


def asked(path: tuple[str, ...], models: Sequence[str] | Mapping[str, Any]) -> tuple[Action, dict[str, Any]]:
    """Which action an address below /api means, and of which model; Refusal 404 where it means none."""
    match path:
        case ("m", model, name):
            if model not in models:
                raise Refusal(404, f"no such model; there are {', '.join(sorted(models))}")
            return _named(name, OF_A_MODEL), {"model": model}
        case (name,):
            return _named(name, OF_THE_SERVICE), {}
    raise Refusal(404, "nothing can be asked here; /api/openapi.json lists what can")


def arguments(action: Action, given: Given) -> dict[str, Any]:
    """The command's arguments of what was sent; Refusal 400 names what is missing, wrong or unknown.

    >>> arguments(OF_A_MODEL[5], {"cycle": "7"})
    {'cycle': 7}
    """
    unknown = [name for name in given if name not in {field.name for field in action.fields}]
    if unknown:
        expected = ", ".join(field.name for field in action.fields) or "none"
        raise Refusal(400, f"{action.name} has no such field {unknown[0][:60]!r}; expected {expected}")
    values = {field.name: _value(action, field, given.get(field.name)) for field in action.fields}
    return {name: value for name, value in values.items() if value is not None}


def _named(name: str, among: Sequence[Action]) -> Action:
    found = next((action for action in among if action.name == name), None)
    if found is None:
        raise Refusal(404, f"no such action; expected one of {', '.join(action.name for action in among)}")
    return found


def _value(action: Action, field: Field, given: Any) -> Any:
    """A field's value; a form sends each as a list of texts."""
    if isinstance(given, list) and len(given) == 1 and field.kind != "texts":
        given = given[0]
    if given in (None, "", []):
        if field.is_needed:
            raise Refusal(400, f"{action.name} needs {field.name}: {field.says}")
        return None
    if field.kind == "number":
        return _number(action, field, given)
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) and 0 < len(text) <= LONGEST for text in texts):
        raise Refusal(400, f"{action.name}: {field.name} must be text of at most {LONGEST:,} characters")
    if len(texts) > (MOST_CLASSES if field.kind == "texts" else 1):
        raise Refusal(400, f"{action.name}: too many values of {field.name}")
    return texts if field.kind == "texts" else texts[0]


def _number(action: Action, field: Field, given: Any) -> int:
    text = str(given) if type(given) in (int, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refusal(400, f"{action.name}: {field.name} must be a whole number: {field.says}")
    return int(text)
