"""Writes the documentation's tables from what the code declares: `make docs`.

A page has `<!-- generated: NAME -->` and `<!-- end -->` on lines of their own, and between them what the generator NAME
returns. With `--check` nothing is written; the status is 1 where a page is stale.
"""

import ast
import json
import re
import sys
import tomllib
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from daemon.cli.app import commands, first_sentence
from daemon.config.events import EVENTS
from daemon.config.metrics import METRICS
from daemon.config.notify import NotifySettings
from daemon.config.registries import MlflowSettings, OpenLineageSettings
from daemon.config.service import LogSettings, ServiceSettings
from drift.statistics.registry import statistics_table
from retrain.records.settings import Budget, ColumnSettings, Frozen, ModelSettings, SourceSettings
from retrain.records.settings.units import BYTES, SECONDS, alarm_rate, duration_s, size_bytes

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^(<!-- generated: ([^>\n]+) -->\n)(.*?)(^<!-- end -->$)", re.MULTILINE | re.DOTALL)
BAR = r"\|"
NEED_A_PERSON = ("warning", "error")
Generator = Callable[[], str]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    head, *body = (f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in (heads, *rows))
    return f"{head}|{'---|' * len(heads)}\n{''.join(body)}"


# --- commands ---------------------------------------------------------------------------------------------


def commands_table() -> str:
    """Every command with what it must be given, and the first sentence of its help."""
    rows = [(f"`{usage(name, command)}`", first_sentence(command.help)) for name, command in commands().items()]
    return table(("command", "does"), rows)


def usage(name: str, command: Any) -> str:
    """The command with its arguments and the options that it cannot do without."""
    words = ["driftd", name]
    for parameter in command.params:
        value = (parameter.metavar or parameter.name).upper().replace("...", "…")
        if parameter.param_type_name == "argument":
            words.append(value if parameter.required else f"[{value}]")
        elif parameter.required:
            words.append(f"{parameter.opts[0]} {value}")
    return " ".join(words)


# --- log events -------------------------------------------------------------------------------------------


def events_table() -> str:
    """All log events; each line can be linked to by the event's name."""
    rows = (
        (f'<a id="{e.name}"></a>`{e.name}`', e.level, e.when, " ".join(f"`{name}`" for name in e.fields.split()))
        for e in EVENTS
    )
    return table(("event", "level", "when", "fields"), rows)


def actions_table() -> str:
    """The events that need a person, with what to do about each; each line can be linked to by the event's name."""
    rows = ((f'<a id="{e.name}"></a>`{e.name}`', e.when, e.action) for e in EVENTS if e.level in NEED_A_PERSON)
    return table(("event", "what it means", "what to do"), rows)


# --- metrics ---------------------------------------------------------------------------------------------


def metrics_table() -> str:
    """All numbers for Prometheus: those that servers count, then those that control reads of the ledger."""
    rows = ((f"`{m.name}`", m.kind, " ".join(f"`{name}`" for name in m.labels), m.help, m.told_by) for m in METRICS)
    return table(("metric", "type", "labels", "what", "told by"), rows)


# --- configuration ----------------------------------------------------------------------------------------


def sections() -> Iterator[tuple[str, type[Frozen]]]:
    """Every section of the configuration with its settings."""
    yield "service", ServiceSettings
    yield "service.log", LogSettings
    yield "[notify]", NotifySettings
    yield "mlflow", MlflowSettings
    yield "openlineage", OpenLineageSettings
    yield "models.NAME", ModelSettings
    yield "models.NAME.columns", ColumnSettings
    for name, field in ModelSettings.model_fields.items():
        inner = SourceSettings if name == "source" else settings_in(field.annotation)  # which may be left out
        if inner is not None:
            yield f"models.NAME.{name}", inner


def settings_in(annotation: object) -> type[Frozen] | None:
    """The settings of a field that is a section of its own."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Frozen) else None
    return None


def keys_table(kind: type[Frozen]) -> str:
    """The keys of a section: default, meaning and, of [service], what applies a change."""
    applied, meanings = ServiceSettings.reloaded() if kind is ServiceSettings else None, kind.descriptions()
    rows = []
    for name, field in kind.model_fields.items():
        if settings_in(field.annotation) is None:
            row = [f"`{name}`", default_of(field), meanings[name]]
            rows.append(row if applied is None else [*row, "reload" if name in applied else "restart"])
    return table(["key", "default", "meaning", *(["applied by"] if applied is not None else [])], rows)


def default_of(field: FieldInfo) -> str:
    """A key's default as one would write it."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return "none" if default is None else f"`{toml(default, field)}`"


def toml(value: Any, field: FieldInfo) -> str:
    """A value of a field as TOML, in the unit in which it is written."""
    units = [UNITS[part.func] for part in field.metadata if isinstance(part, BeforeValidator) and part.func in UNITS]
    if isinstance(value, Budget):
        return f'"{value}"'
    if units:
        return f'"{units[0](value)}"'
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def largest(value: float, units: dict[str, float]) -> str:
    """A number in the largest unit in which it is whole."""
    name = max((name for name in units if value % units[name] == 0), key=lambda name: units[name])
    return f"{value / units[name]:g}{name}"


def duration(value: float) -> str:
    """Seconds in days at most: nobody thinks of a year in weeks."""
    return largest(value, {name: seconds for name, seconds in SECONDS.items() if name != "w"})


UNITS: dict[Any, Callable[[Any], str]] = {
    duration_s: duration,
    size_bytes: lambda value: largest(value, {name.upper(): size for name, size in BYTES.items()}),
    alarm_rate: lambda value: f"1 per {1 / value:g} checks",
}

# --- rooms ------------------------------------------------------------------------------------------------


def rooms_table(package: str) -> str:
    """The folders and lone modules of a package: the first sentence of each, and what the contract lets it import."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [package])
    levels = [[room.strip() for room in layer.split("|")] for layer in layers]
    rows = []
    for place, level in enumerate(levels, start=1):
        below = ", ".join(room for lower in levels[place:] for room in lower)
        rows += [(f"`{_room(package, room)}`", _purpose(package, room), below or "none of these") for room in level]
    return table(("room", "purpose", "may import"), rows)


def _room(package: str, name: str) -> str:
    return f"{package}/{name}/" if (ROOT / package / name).is_dir() else f"{package}/{name}.py"


def _purpose(package: str, name: str) -> str:
    path = ROOT / _room(package, name)
    text = (path / "__init__.py" if path.is_dir() else path).read_text("utf-8")
    return first_sentence(ast.get_docstring(ast.parse(text)))


GENERATORS: dict[str, Generator] = {
    "commands": commands_table,
    "events": events_table,
    "events that need a person": actions_table,
    "metrics": metrics_table,
    "statistics": statistics_table,
    **{f"rooms of {package}": partial(rooms_table, package) for package in ("daemon", "retrain", "drift")},
    **{f"[{name}]": partial(keys_table, kind) for name, kind in sections()},
}


# --- pages ------------------------------------------------------------------------------------------------


def pages() -> list[Path]:
    """README.md and all of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def renewed(text: str) -> tuple[str, list[str]]:
    """A page with its tables generated anew, and the names of those that were stale."""
    stale = []

    def block(match: re.Match[str]) -> str:
        begin, name, old, end = match.groups()
        new = GENERATORS[name]()
        if new != old:
            stale.append(name)
        return begin + new + end

    return BLOCK.sub(block, text), stale


def main(write: bool) -> int:
    """Renew all pages, or only tell which are stale."""
    status = 0
    for page in pages():
        text, stale = renewed(page.read_text("utf-8"))
        if stale and write:
            page.write_text(text, "utf-8")
        if stale:
            status = 0 if write else 1
            print(f"{page.relative_to(ROOT)}: {'wrote' if write else 'stale, run `make docs`:'} {', '.join(stale)}")
    return status


if __name__ == "__main__":
    sys.exit(main(write="--check" not in sys.argv[1:]))
