"""Mistakes of a configuration: collected with their lines, and worded so that a person can mend them."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass
class Mistakes:
    """The mistakes of a file so far, each with its line."""

    path: Path
    lines: dict[tuple[str, ...], int]
    errors: list[tuple[int, str]]

    def add(self, location: tuple[Any, ...], text: str) -> None:
        """A mistake at a key, else at the section that it would be in."""
        keys = tuple(str(part) for part in location if not isinstance(part, int))
        starts = (keys[:end] for end in range(len(keys), 0, -1))
        line = next((self.lines[start] for start in starts if start in self.lines), 1)
        self.errors.append((line, f"{self.path}:{line}: {text}"))

    def sorted(self) -> list[str]:
        """All of them in the order of the file."""
        return [text for _, text in sorted(self.errors)]


def validated(mistakes: Mistakes, kind: type[Settings], raw: Any, where: tuple[str, ...]) -> Settings | None:
    """The section at `where` as settings of a kind; None where it has mistakes."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        for problem in error.errors():
            mistakes.add((*where, *problem["loc"]), _sentence(kind, where, problem))
    return None


def _sentence(kind: type[Any], where: tuple[str, ...], problem: Any) -> str:
    keys = [str(part) for part in problem["loc"] if not isinstance(part, int) and part != "[key]"]
    section = ".".join((*where, *keys[:-1]))
    key = keys[-1] if keys else ""
    start = f"[{section}] {key}".rstrip()
    if problem["type"] == "missing":
        return f"{start} is missing; expected it in this section"
    if problem["type"] == "extra_forbidden":
        return f"{start} is not a key that driftd knows{meant(key, _keys(kind, keys[:-1]))}"
    expected = str(problem["msg"]).removeprefix("Value error, ")
    expected = expected[:1].lower() + expected[1:]
    expected = expected.replace("input should be", "expected")
    shown = problem["input"]
    if isinstance(shown, dict):
        return f"{start}: {expected}"
    return f"{start} is {shown!r}; {expected}"


def _keys(kind: Any, path: list[str]) -> list[str]:
    """The keys that a section may have."""
    for part in path:
        fields = getattr(kind, "model_fields", {})
        if part not in fields:
            return []
        kind = fields[part].annotation
    return list(getattr(kind, "model_fields", {}))


def meant(key: str, names: list[str]) -> str:
    """The hint about a name that there is not: the one that was probably meant, else all."""
    close = difflib.get_close_matches(key, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(names)}" if names else ""
