"""config.toml as frozen objects; all its mistakes are told at once, each with its line and what was expected."""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator

from daemon.config.cron import cron_trigger
from daemon.config.paths import StatePaths
from daemon.config.toml_lines import key_lines
from retrain.records.settings import METRICS, Duration, Frozen, ModelSettings, Size

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class ServiceSettings(Frozen):
    """What concerns the whole service."""

    state_dir: str = "state"
    listen: str = "127.0.0.1:8080"
    workers: int = Field(default=1, ge=1, le=64)
    max_body: Size = 16 * 10**6
    max_waiting: int = Field(default=1024, ge=1)
    request_time: Duration = 30.0
    read_token_file: str | None = None
    admin_token_file: str | None = None
    timezone: str = "UTC"
    group: str | None = None
    min_free: Size = 500 * 10**6
    events: Duration = 90 * 86400.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json", "journal"] = "auto"

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) < 65536:
            raise ValueError('expected "HOST:PORT", such as "127.0.0.1:8080"')
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError('expected a time zone such as "UTC" or "Europe/Vienna"') from None
        return value


@dataclass(frozen=True)
class Config:
    """The whole configuration; relative paths are relative to the folder of its file."""

    path: Path
    service: ServiceSettings
    models: dict[str, ModelSettings]

    @property
    def state_dir(self) -> Path:
        """Where all state lives."""
        return _below(self.path, self.service.state_dir)

    @property
    def paths(self) -> StatePaths:
        """Where what lies in there."""
        return StatePaths(self.state_dir)


class ConfigErrors(Exception):
    """All mistakes of a configuration file, one a line."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass
class _Reader:
    """Collects mistakes with their places."""

    path: Path
    lines: dict[tuple[str, ...], int]
    errors: list[tuple[int, str]]

    def add(self, location: tuple[Any, ...], text: str) -> None:
        keys = tuple(str(part) for part in location if not isinstance(part, int))
        line = 1
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.lines:
                line = self.lines[keys[:end]]
                break
        self.errors.append((line, f"{self.path}:{line}: {text}"))


def model_data_dir(config: Config, name: str) -> Path:
    """The folder that a model's files are dropped into."""
    return _below(config.path, config.models[name].data_dir)


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file; ConfigErrors tells everything that is wrong with it."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        hint = "name it with -c FILE, or let `driftd init FILE --target COLUMN` write one"
        raise ConfigErrors([f"{path}: no such file; {hint}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigErrors([f"{path}: cannot be read: {error}"]) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([f"{path}: is not valid TOML: {error}"]) from None
    reader = _Reader(path, key_lines(text), [])
    service = _service(reader, raw)
    models = _models(reader, raw)
    _schedules(reader, service, raw.get("models", {}))
    _folders(reader, service, models)
    if reader.errors:
        raise ConfigErrors([text for _, text in sorted(reader.errors)])
    assert service is not None
    return Config(path.absolute(), service, models)


def _service(reader: _Reader, raw: dict[str, Any]) -> ServiceSettings | None:
    for key in raw:
        if key not in ("service", "models"):
            reader.add((key,), f"[{key}] is not a section that driftd knows{_meant(key, ['service', 'models'])}")
    settings: ServiceSettings | None = _validated(reader, ServiceSettings, raw.get("service", {}), ("service",))
    return settings


def _models(reader: _Reader, raw: dict[str, Any]) -> dict[str, ModelSettings]:
    sections = raw.get("models", {})
    if not isinstance(sections, dict) or not sections:
        reader.add(("models",), "no model; expected at least one section [models.NAME]")
        return {}
    found = {}
    for name, section in sections.items():
        if not re.match(NAME, name):
            expected = "letters, digits, _, . and -, at most 64, the first a letter or digit"
            reader.add(("models", name), f"[models.{name}] is no valid name; expected {expected}")
        settings = _validated(reader, ModelSettings, section, ("models", name))
        if settings is not None:
            _consistent(reader, name, settings)
            found[name] = settings
    return found


def _validated(reader: _Reader, kind: type[Any], raw: Any, where: tuple[str, ...]) -> Any:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        for problem in error.errors():
            reader.add((*where, *problem["loc"]), _sentence(kind, where, problem))
    return None


def _sentence(kind: type[Any], where: tuple[str, ...], problem: Any) -> str:
    keys = [str(part) for part in problem["loc"] if not isinstance(part, int) and part != "[key]"]
    section = ".".join((*where, *keys[:-1]))
    key = keys[-1] if keys else ""
    start = f"[{section}] {key}".rstrip()
    if problem["type"] == "missing":
        return f"{start} is missing; expected it in this section"
    if problem["type"] == "extra_forbidden":
        return f"{start} is not a key that driftd knows{_meant(key, _keys(kind, keys[:-1]))}"
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


def _meant(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(known)}" if known else ""


def _consistent(reader: _Reader, name: str, settings: ModelSettings) -> None:
    """What keys must have to do with each other."""
    where = ("models", name)
    metrics = METRICS[settings.task]
    if settings.metric not in ("auto", *metrics) and ".py:" not in settings.metric:
        known = f"a {settings.task} has auto, {', '.join(metrics)}, or file.py:function"
        reader.add((*where, "metric"), f"[models.{name}] metric is {settings.metric!r}; {known}")
    columns = settings.columns
    if columns is None:
        return
    for key in ("target", "time_column", "id_column"):
        column = getattr(settings, key)
        if column is not None and column not in columns:
            text = f"{key} is {column!r}, which [models.{name}.columns] does not declare"
            reader.add((*where, key), f"[models.{name}] {text}{_meant(column, list(columns))}")
    for column in settings.gate.slices:
        if column not in columns:
            text = f"slices names {column!r}, which [models.{name}.columns] does not declare"
            reader.add((*where, "gate", "slices"), f"[models.{name}.gate] {text}{_meant(column, list(columns))}")
    if settings.time_column in columns and columns[settings.time_column].type not in ("datetime", "number", "integer"):
        kind = columns[settings.time_column].type
        text = f"time_column {settings.time_column!r} is of type {kind}; expected datetime, number or integer"
        reader.add((*where, "time_column"), f"[models.{name}] {text}")
    if settings.id_column in columns and columns[settings.id_column].type == "text":
        text = f"id_column {settings.id_column!r} is of type text; expected category or integer"
        reader.add((*where, "id_column"), f"[models.{name}] {text}")
    if settings.target in columns:
        kind = columns[settings.target].type
        if settings.task == "regression" and kind not in ("number", "integer"):
            text = f"target {settings.target!r} is of type {kind}; a regression needs number or integer"
            reader.add((*where, "target"), f"[models.{name}] {text}")
        if settings.task == "classification" and kind in ("number", "datetime", "text"):
            text = f"target {settings.target!r} is of type {kind}; a classification needs category, boolean or integer"
            reader.add((*where, "target"), f"[models.{name}] {text}")


def _schedules(reader: _Reader, service: ServiceSettings | None, sections: Any) -> None:
    """Also of models that have other mistakes."""
    for name, section in sections.items() if isinstance(sections, dict) else ():
        for key in ("check_schedule", "retrain_schedule"):
            expression = section.get(key) if isinstance(section, dict) else None
            if not isinstance(expression, str):
                continue
            try:
                cron_trigger(expression, service.timezone if service is not None else "UTC")
            except ValueError as error:
                reader.add(("models", name, key), f"[models.{name}] {key}: {error}")


def _folders(reader: _Reader, service: ServiceSettings | None, models: dict[str, ModelSettings]) -> None:
    """Folders that lie in each other would take each other's files."""
    taken: dict[Path, str] = {}
    for name, settings in models.items():
        folder = Path(os.path.realpath(_below(reader.path, settings.data_dir)))
        where = ("models", name, "data_dir")
        for other, owner in taken.items():
            if folder == other or other in folder.parents or folder in other.parents:
                reader.add(where, f"[models.{name}] data_dir {settings.data_dir!r} overlaps that of {owner}")
        taken[folder] = name
        if service is None:
            continue
        state = Path(os.path.realpath(_below(reader.path, service.state_dir)))
        if folder == state or folder in state.parents or state in folder.parents:
            reader.add(where, f"[models.{name}] data_dir {settings.data_dir!r} overlaps [service] state_dir")


def _below(path: Path, folder: str) -> Path:
    return path.absolute().parent / Path(folder).expanduser()
