"""What keys of a configuration have to do with each other: columns, schedules, folders."""

import os
from pathlib import Path
from typing import Any

from daemon.config.cron import cron_trigger
from daemon.config.mistakes import Mistakes, meant
from daemon.config.service import ServiceSettings
from retrain.records.settings import METRICS, ModelSettings
from retrain.user_code import is_own

REFUSED_TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    "time_column": (("boolean", "category", "text"), "expected datetime, number or integer"),
    "id_column": (("text",), "expected category or integer"),
    "regression": (("boolean", "category", "datetime", "text"), "a regression needs number or integer"),
    "classification": (("number", "datetime", "text"), "a classification needs category, boolean or integer"),
}
"""Types that a column cannot have, and what is expected, by its key; of the target by the task."""


def contradicting_keys(mistakes: Mistakes, name: str, settings: ModelSettings) -> None:
    """What keys must have to do with each other."""

    def add(text: str, *keys: str) -> None:
        section = ".".join(("models", name, *keys[:-1]))
        mistakes.add(("models", name, *keys), f"[{section}] {text}")

    metrics = METRICS[settings.task]
    if settings.metric not in ("auto", *metrics) and not is_own(settings.metric):
        choices = f"a {settings.task} has auto, {', '.join(metrics)}, or file.py:function"
        add(f"metric is {settings.metric!r}; {choices}", "metric")
    columns = settings.columns
    if columns is None:
        return
    undeclared = f"which [models.{name}.columns] does not declare"
    for key in ("target", "time_column", "id_column"):
        column = getattr(settings, key)
        if column is not None and column not in columns:
            add(f"{key} is {column!r}, {undeclared}{meant(column, list(columns))}", key)
    for column in settings.gate.slices:
        if column not in columns:
            add(f"slices names {column!r}, {undeclared}{meant(column, list(columns))}", "gate", "slices")
    for key, rule in (("time_column", "time_column"), ("id_column", "id_column"), ("target", settings.task)):
        column, (refused, expected) = getattr(settings, key), REFUSED_TYPES[rule]
        if column in columns and columns[column].type in refused:
            add(f"{key} {column!r} is of type {columns[column].type}; {expected}", key)


def schedules(mistakes: Mistakes, service: ServiceSettings | None, sections: Any) -> None:
    """Cron expressions that mean nothing, also of models that have other mistakes."""
    for name, section in sections.items() if isinstance(sections, dict) else ():
        for key in ("check_schedule", "retrain_schedule"):
            expression = section.get(key) if isinstance(section, dict) else None
            if not isinstance(expression, str):
                continue
            try:
                cron_trigger(expression, service.timezone if service is not None else "UTC")
            except ValueError as error:
                mistakes.add(("models", name, key), f"[models.{name}] {key}: {error}")


def overlapping_folders(mistakes: Mistakes, service: ServiceSettings | None, models: dict[str, ModelSettings]) -> None:
    """Folders that lie in each other would take each other's files."""
    taken: dict[Path, str] = {}
    if service is not None:
        taken[Path(os.path.realpath(below(mistakes.path, service.state_dir)))] = "[service] state_dir"
    for name, settings in models.items():
        folder, where = Path(os.path.realpath(below(mistakes.path, settings.data_dir))), ("models", name, "data_dir")
        for other, owner in taken.items():
            if folder.is_relative_to(other) or other.is_relative_to(folder):
                mistakes.add(where, f"[models.{name}] data_dir {settings.data_dir!r} overlaps {owner}")
        taken.setdefault(folder, f"that of {name}")


def below(path: Path, folder: str) -> Path:
    """A folder of the configuration; relative ones lie beside its file."""
    return path.absolute().parent / Path(folder).expanduser()
