"""config.toml as frozen objects; all its mistakes are reported at once, each with its line and what was expected."""

import os
import re
import shlex
import tomllib
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from daemon.config.contradictions import below, contradicting_keys, overlapping_folders, schedules
from daemon.config.mistakes import Mistakes, meant, validated
from daemon.config.notify import NotifySettings
from daemon.config.paths import StatePaths
from daemon.config.registries import MlflowSettings, OpenLineageSettings
from daemon.config.service import ServiceSettings
from daemon.config.toml_lines import key_lines
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings

TOML_WORDS = {
    "Cannot overwrite a value": "this key is already there, above",
    "Cannot declare": "this section is already there, above",
    "Invalid value": "expected a value after =: text in quotes, a number, true, false, [a list] or { a = table }",
    "Invalid statement": "expected key = value, or [section]; a key with more than A-Z, a-z, 0-9, _ and - is in quotes",
    "Unescaped '\\' in a string": "a \\ in double quotes begins a special character; write the text in single quotes",
}
"""By how tomllib's messages begin."""
SECTIONS = ("service", "models", "notify", "mlflow", "openlineage")
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


@dataclass(frozen=True)
class Config:
    """The whole configuration; relative paths are relative to the folder of its file."""

    path: Path
    service: ServiceSettings
    models: dict[str, ModelSettings]
    notify: tuple[NotifySettings, ...] = ()
    mlflow: MlflowSettings | None = None
    openlineage: OpenLineageSettings | None = None

    @cached_property
    def state_dir(self) -> Path:
        """Where all state lives."""
        return below(self.path, self.service.state_dir)

    @cached_property
    def paths(self) -> StatePaths:
        """Where what lies in there."""
        return StatePaths(self.state_dir)

    @cached_property
    def log_file(self) -> Path | None:
        """Where events are kept as lines of JSON besides, if anywhere."""
        return None if self.service.log.file is None else below(self.path, self.service.log.file)


class ConfigErrors(Exception):
    """All mistakes of a configuration file, one a line."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def selected(config: Config, patterns: str) -> Config:
    """The configuration with those models alone that one of the patterns matches, separated by commas, as a shell
    matches files: "churn,eu-*". Refused where there are none."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    models = {name: one for name, one in config.models.items() if any(fnmatchcase(name, each) for each in wanted)}
    if not models:
        known = ", ".join(sorted(config.models)) or "none"
        raise Refused(f"--models {patterns!r} names no model of {config.path}", f"it has {known}")
    return replace(config, models=models)


def model_data_dir(config: Config, name: str) -> Path:
    """The folder that a model's files are dropped into; asked for where `data_uri` is None."""
    assert config.models[name].data_uri is None, "its data are in an object store"
    return below(config.path, config.models[name].data_dir)


def scoring_dirs(config: Config, name: str) -> tuple[Path, Path] | None:
    """The folders that a model's files to be scored come in, and their results appear in; None where there are none."""
    scoring = config.models[name].scoring
    if scoring.in_dir is None or scoring.out_dir is None:
        return None
    return below(config.path, scoring.in_dir), below(config.path, scoring.out_dir)


def items_path(config: Config, name: str) -> Path | None:
    """A model's file of items: a bare name lies in its data folder, a path beside the configuration. None without one,
    and where it is an object of the prefix that the data are in."""
    given = config.models[name].items_file
    if given is None:
        return None
    bare = os.sep not in given and not Path(given).is_absolute()
    if bare and config.models[name].data_uri is not None:
        return None
    return model_data_dir(config, name) / given if bare else below(config.path, given)


def hook_command(config: Config, name: str) -> list[str]:
    """The words of a model's command after promotions, none where it has none: of its program a bare name is looked for
    in PATH, and a path lies beside the configuration."""
    program, *arguments = shlex.split(config.models[name].on_promotion or "") or [""]
    if os.sep in program or program.startswith("~"):
        program = str(below(config.path, program))
    return [program, *arguments] if program else []


def items_name(config: Config, name: str) -> str | None:
    """What the ledger calls a model's file of items: its path within the data folder, or as it is configured."""
    if config.models[name].data_uri is not None:
        return config.models[name].items_file
    path, folder = items_path(config, name), model_data_dir(config, name)
    if path is None:
        return None
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else config.models[name].items_file


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file; ConfigErrors has everything that is wrong with it."""
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
        raise ConfigErrors([_not_toml(path, str(error))]) from None
    mistakes = Mistakes(path, key_lines(text), [])
    service = _service(mistakes, raw)
    models = _models(mistakes, raw)
    notify = _notify(mistakes, raw)
    mlflow = _mlflow(mistakes, raw)
    lineage = _openlineage(mistakes, raw)
    sections = raw.get("models", {})
    schedules(mistakes, service, sections)
    overlapping_folders(mistakes, raw.get("service", {}), sections)
    if mistakes.errors:
        raise ConfigErrors(mistakes.sorted())
    assert service is not None
    return Config(path.absolute(), service, models, notify, mlflow, lineage)


def _not_toml(path: Path, error: str) -> str:
    """What tomllib says, as mistakes are told; in other words where its own would puzzle."""
    what, line = error, ""
    if place := re.search(r" \(at line (\d+), column \d+\)$", error):
        what, line = error[: place.start()], f":{place[1]}"
    words = next((words for start, words in TOML_WORDS.items() if what.startswith(start)), what[:1].lower() + what[1:])
    return f"{path}{line}: not valid TOML: {words}"


def _service(mistakes: Mistakes, raw: dict[str, Any]) -> ServiceSettings | None:
    for key in raw:
        if key not in SECTIONS:
            mistakes.add((key,), f"[{key}] is not a section that driftd knows{meant(key, SECTIONS)}")
    return validated(mistakes, ServiceSettings, raw.get("service", {}), ("service",))


def _models(mistakes: Mistakes, raw: dict[str, Any]) -> dict[str, ModelSettings]:
    sections = raw.get("models", {})
    if not isinstance(sections, dict) or not sections:
        mistakes.add(("models",), "no model; expected at least one section [models.NAME]")
        return {}
    models = {}
    for name, section in sections.items():
        if not re.fullmatch(NAME, name):
            expected = "letters, digits, _, . and -, at most 64, the first a letter or digit"
            mistakes.add(("models", name), f"[models.{name}] is no valid name; expected {expected}")
        settings = validated(mistakes, ModelSettings, section, ("models", name))
        contradicting_keys(mistakes, name, section)
        if settings is not None:
            models[name] = settings
    return models


def _notify(mistakes: Mistakes, raw: dict[str, Any]) -> tuple[NotifySettings, ...]:
    sections, models = raw.get("notify", []), raw.get("models", {})
    if not isinstance(sections, list):
        mistakes.add(("notify",), "[notify] is one section; expected [[notify]], once for each destination")
        return ()
    found: dict[str, NotifySettings] = {}
    for place, section in enumerate(sections):
        where = ("notify", str(place))
        settings = validated(mistakes, NotifySettings, section, where, "[notify]", quoted=False)
        if settings is None:
            continue
        if settings.name in found:
            mistakes.add((*where, "name"), f"[[notify]] name is {settings.name!r} once more; expected another name")
        for name in settings.models:
            if name not in models:
                mistakes.add(
                    (*where, "models"), f"[[notify]] models names one that there is not{meant(name, list(models))}"
                )
        found[settings.name] = settings
    return tuple(found.values())


def _mlflow(mistakes: Mistakes, raw: dict[str, Any]) -> MlflowSettings | None:
    if "mlflow" not in raw:
        return None
    return validated(mistakes, MlflowSettings, raw["mlflow"], ("mlflow",), quoted=False)


def _openlineage(mistakes: Mistakes, raw: dict[str, Any]) -> OpenLineageSettings | None:
    if "openlineage" not in raw:
        return None
    return validated(mistakes, OpenLineageSettings, raw["openlineage"], ("openlineage",), quoted=False)
