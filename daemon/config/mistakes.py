"""Mistakes of a configuration: collected with their lines, and worded so that a person can mend them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

Settings = TypeVar("Settings", bound=BaseModel)
Location = tuple[Any, ...]
EXPECTED = {
    "string": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "tuple": 'a list such as ["a", "b"]',
    "list": 'a list such as ["a", "b"]',
}
"""By the first word of the types of pydantic's errors (int_type, int_parsing …)."""
BOUNDS = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}
SHOWN_CHARS = 80


@dataclass
class Mistakes:
    """The mistakes of a file so far, each with its line."""

    path: Path
    lines: dict[tuple[str, ...], int]
    errors: list[tuple[int, str]]

    def add(self, location: Location, text: str) -> None:
        """A mistake at a key, else at the section that it would be in."""
        keys = tuple(str(part) for part in location if not isinstance(part, int))
        starts = (keys[:end] for end in range(len(keys), 0, -1))
        line = next((self.lines[start] for start in starts if start in self.lines), 1)
        self.errors.append((line, f"{self.path}:{line}: {text}"))

    def sorted(self) -> list[str]:
        """All of them in the order of the file."""
        return [text for _, text in sorted(self.errors)]


def validated(
    mistakes: Mistakes,
    kind: type[Settings],
    raw: Any,
    where: tuple[str, ...],
    title: str | None = None,
    quoted: bool = True,
) -> Settings | None:
    """The section at `where`, which is called `title`, as settings of a kind; None where it has mistakes. What stands
    in it is told only if `quoted`."""
    settings, problems = _validate(kind, raw)
    for problem in problems:
        named = where if title is None else (title,)
        mistakes.add((*where, *problem["loc"]), _sentence(kind, raw, named, problem, quoted))
    return settings


def _validate(kind: type[Settings], raw: Any) -> tuple[Settings | None, list[Any]]:
    """All problems, also those that are looked for only where every key is right by itself: what is wrong is left out
    for another look, and a contradiction with something that was left out is none yet."""
    problems: list[Any] = []
    left_out: list[Location] = []
    while True:
        try:
            settings = kind.model_validate(raw)
            return (None if problems else settings), problems
        except ValidationError as error:
            known = [(problem["type"], problem["loc"]) for problem in problems]
            found = [
                one for one in error.errors() if (one["type"], one["loc"]) not in known and one["loc"] not in left_out
            ]
        problems += [problem for problem in found if not _about(problem, left_out)]
        wrong = [_key(problem["loc"]) for problem in found if problem["type"] != "missing"]
        if not wrong or () in wrong:
            return None, problems
        raw, left_out = _without(raw, wrong), left_out + wrong


def _about(problem: Any, keys: Sequence[Location]) -> bool:
    """Whether a section's problem is one with any of its keys."""
    loc = problem["loc"]
    names = [str(key[len(loc)]) for key in keys if len(key) > len(loc) and key[: len(loc)] == loc]
    return any(re.search(rf"\b{re.escape(name)}\b", problem["msg"]) for name in names)


def _key(loc: Location) -> Location:
    """The key of a location, which may be a place in its list."""
    end = next((i for i, part in enumerate(loc) if isinstance(part, int) or part == "[key]"), len(loc))
    return loc[:end]


def _without(raw: Any, keys: Sequence[Location]) -> Any:
    """A section without these keys; one that is written in short (`x = "number"`) goes whole."""
    left = dict(raw)
    for name in {key[0] for key in keys}:
        inner, whole = [key[1:] for key in keys if key[0] == name], left.get(name)
        if () in inner or not isinstance(whole, Mapping):
            left.pop(name, None)
        else:
            left[name] = _without(whole, inner)
    return left


def _sentence(kind: type[Any], raw: Any, where: tuple[str, ...], problem: Any, quoted: bool) -> str:
    keys = [str(part) for part in _key(problem["loc"])]
    section = ".".join((*where, *keys[:-1]))
    key = keys[-1] if keys else ""
    start = f"[{section}] {key}".rstrip()
    if problem["type"] == "missing":
        return f"{start} is missing; expected it in this section"
    if problem["type"] == "extra_forbidden":
        return f"{start} is not a key that driftd knows{meant(key, _keys(kind, keys[:-1]))}"
    given = _given(raw, problem)
    if not quoted or (isinstance(given, Mapping) and problem["type"] == "value_error"):
        return f"{start}: {_expected(kind, section, keys, problem, given)}"
    verb = "has" if any(isinstance(part, int) for part in problem["loc"]) else "is"
    return f"{start} {verb} {written(given)}; {_expected(kind, section, keys, problem, given)}"


def _expected(kind: type[Any], section: str, keys: list[str], problem: Any, given: Any) -> str:
    """What a key should have been."""
    error, context = str(problem["type"]), problem.get("ctx", {})
    if error == "value_error":
        return str(context["error"])
    if error == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        close = difflib.get_close_matches(given, choices, 1) if isinstance(given, str) else []
        return f"expected {context['expected']}" + (f"; did you mean {close[0]!r}?" if close else "")
    if error in BOUNDS:
        return f"expected {BOUNDS[error].format(**context)}"
    if error.partition("_")[0] in EXPECTED:
        return f"expected {EXPECTED[error.partition('_')[0]]}"
    whole = ".".join((section, *keys[-1:]))
    names = ", ".join(_keys(kind, keys)[:3])
    return f"expected a section [{whole}]" + (f" with keys such as {names}" if names else "")


def _given(raw: Any, problem: Any) -> Any:
    """What stands in the file: values are judged after their units were read."""
    for part in problem["loc"]:
        if part in raw if isinstance(raw, Mapping) else isinstance(raw, list) and isinstance(part, int):
            raw = raw[part]
    return raw


def written(value: Any) -> str:
    """A value as TOML writes it, not longer than a message can carry.

    >>> written({"type": "number", "feature": False})
    "{ type = 'number', feature = false }"
    """
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, Mapping):
        text = f"{{ {', '.join(f'{key} = {written(one)}' for key, one in value.items())} }}" if value else "{}"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(map(written, value))}]"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _keys(kind: Any, path: Sequence[str]) -> list[str]:
    """The keys that a section may have: none where it may have any."""
    for part in path:
        of_names = next((one for one in _choices(kind) if get_origin(one) is dict), None)
        fields = getattr(kind, "model_fields", {})
        kind = get_args(of_names)[1] if of_names is not None else fields[part].annotation if part in fields else None
    return next((list(one.model_fields) for one in _choices(kind) if hasattr(one, "model_fields")), [])


def _choices(annotation: Any) -> tuple[Any, ...]:
    """A type, or the types of a union."""
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def meant(key: str, names: Sequence[str]) -> str:
    """The hint about a name that there is not: the one that was probably meant, else all."""
    close = difflib.get_close_matches(key, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(names)}" if names else ""
