"""What keys of a configuration have to do with each other: columns, schedules, folders."""

import os
from pathlib import Path
from typing import Any

from daemon.config.cron import cron_trigger
from daemon.config.mistakes import Mistakes, meant
from daemon.config.service import ServiceSettings
from retrain.records.settings import METRICS, ModelSettings


def contradicting_keys(mistakes: Mistakes, name: str, settings: ModelSettings) -> None:
    """What keys must have to do with each other."""
    where = ("models", name)
    metrics = METRICS[settings.task]
    if settings.metric not in ("auto", *metrics) and ".py:" not in settings.metric:
        known = f"a {settings.task} has auto, {', '.join(metrics)}, or file.py:function"
        mistakes.add((*where, "metric"), f"[models.{name}] metric is {settings.metric!r}; {known}")
    columns = settings.columns
    if columns is None:
        return
    for key in ("target", "time_column", "id_column"):
        column = getattr(settings, key)
        if column is not None and column not in columns:
            text = f"{key} is {column!r}, which [models.{name}.columns] does not declare"
            mistakes.add((*where, key), f"[models.{name}] {text}{meant(column, list(columns))}")
    for column in settings.gate.slices:
        if column not in columns:
            text = f"slices names {column!r}, which [models.{name}.columns] does not declare"
            mistakes.add((*where, "gate", "slices"), f"[models.{name}.gate] {text}{meant(column, list(columns))}")
    if settings.time_column in columns and columns[settings.time_column].type not in ("datetime", "number", "integer"):
        kind = columns[settings.time_column].type
        text = f"time_column {settings.time_column!r} is of type {kind}; expected datetime, number or integer"
        mistakes.add((*where, "time_column"), f"[models.{name}] {text}")
    if settings.id_column in columns and columns[settings.id_column].type == "text":
        text = f"id_column {settings.id_column!r} is of type text; expected category or integer"
        mistakes.add((*where, "id_column"), f"[models.{name}] {text}")
    if settings.target in columns:
        kind = columns[settings.target].type
        if settings.task == "regression" and kind not in ("number", "integer"):
            text = f"target {settings.target!r} is of type {kind}; a regression needs number or integer"
            mistakes.add((*where, "target"), f"[models.{name}] {text}")
        if settings.task == "classification" and kind in ("number", "datetime", "text"):
            text = f"target {settings.target!r} is of type {kind}; a classification needs category, boolean or integer"
            mistakes.add((*where, "target"), f"[models.{name}] {text}")


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
    for name, settings in models.items():
        folder = Path(os.path.realpath(below(mistakes.path, settings.data_dir)))
        where = ("models", name, "data_dir")
        for other, owner in taken.items():
            if folder == other or other in folder.parents or folder in other.parents:
                mistakes.add(where, f"[models.{name}] data_dir {settings.data_dir!r} overlaps that of {owner}")
        taken[folder] = name
        if service is None:
            continue
        state = Path(os.path.realpath(below(mistakes.path, service.state_dir)))
        if folder == state or folder in state.parents or state in folder.parents:
            mistakes.add(where, f"[models.{name}] data_dir {settings.data_dir!r} overlaps [service] state_dir")


def below(path: Path, folder: str) -> Path:
    """A folder of the configuration; relative ones lie beside its file."""
    return path.absolute().parent / Path(folder).expanduser()
