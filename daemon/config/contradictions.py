"""What keys of a configuration have to do with each other: columns, schedules, folders."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from daemon.config.cron import cron_trigger
from daemon.config.elsewhere import contradicting_elsewhere
from daemon.config.mistakes import Mistakes, meant
from daemon.config.real_paths import RealPaths
from daemon.config.service import ServiceSettings
from retrain.records.settings import FORMER_METRICS, METRICS, OF_PROBABILITIES
from retrain.records.store_uri import is_uri
from retrain.user_code import is_own

REFUSED_TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    "time_column": (("boolean", "category", "text"), "expected datetime, number or integer"),
    "id_column": (("text",), "expected category or integer"),
    "regression": (("boolean", "category", "datetime", "text"), "a regression needs number or integer"),
    "classification": (("number", "datetime", "text"), "a classification needs category, boolean or integer"),
}
"""Types that a column cannot have, and what is expected, by its key; of the target by the task."""
ROLES = ("target", "time_column", "id_column")
"""Of a recommendation's columns the settings say the same."""
WHOLE = re.compile(r"0|-?[1-9][0-9]*")
DEFAULT_STATE = ServiceSettings().state_dir


def contradicting_keys(mistakes: Mistakes, name: str, section: Any) -> None:
    """What keys must have to do with each other, told beside all other mistakes: of a model's section as it is read
    from the file, where a key of another type is told elsewhere."""
    if not isinstance(section, dict):
        return
    task = section.get("task") if section.get("task") in (*METRICS,) else None
    metric, columns = section.get("metric", "auto"), _types(section.get("columns"))

    def add(text: str, *keys: str) -> None:
        where = ".".join(("models", name, *keys[:-1]))
        mistakes.add(("models", name, *keys), f"[{where}] {text}")

    if isinstance(metric, str) and task is not None and not is_own(metric):
        metrics = ("auto", *METRICS[task])
        if FORMER_METRICS.get(metric, metric) not in metrics:
            choices = f"a {task} has {', '.join(metrics)}, or file.py:function"
            add(f"metric is {metric!r}; {choices}{_close(metric, metrics)}", "metric")
    if (text := _idle_threshold(section, metric)) is not None:
        add(text, "decision", "threshold")
    for text, key in _roles(section, columns or {}):
        add(text, key)
    for text, *keys in contradicting_elsewhere(section, columns or {}):
        add(text, *keys)
    if columns is None:
        return
    negative, classes = _negative(section), _categories(section)
    if negative is not None and classes is not None and negative not in classes:
        declared = f"which [models.{name}.columns] does not declare as a category of {section.get('target')!r}"
        add(f"negative is {negative!r}, {declared}{meant(negative, classes)}", "labels", "negative")
    elif negative is not None and (expected := _unlike(negative, columns.get(str(section.get("target"))))) is not None:
        add(f"negative is {negative!r}, which no {section.get('target')!r} is called; {expected}", "labels", "negative")
    for key, named in _decided(section):
        if classes is not None and named not in classes:
            declared = f"which [models.{name}.columns] does not declare as a category of {section.get('target')!r}"
            add(f"{key} names {named!r}, {declared}{meant(named, classes)}", "decision", key)
    groups = section.get("groups")
    positive = groups.get("positive") if isinstance(groups, dict) else None
    if classes is not None and isinstance(positive, str) and positive not in classes:
        declared = f"which [models.{name}.columns] does not declare as a category of {section.get('target')!r}"
        add(f"positive is {positive!r}, {declared}{meant(positive, classes)}", "groups", "positive")
    undeclared = f"which [models.{name}.columns] does not declare"
    for key in ("target", "time_column", "id_column"):
        column = section.get(key)
        if isinstance(column, str) and column not in columns:
            add(f"{key} is {column!r}, {undeclared}{meant(column, list(columns))}", key)
    gate = section.get("gate")
    slices = gate.get("slices") if isinstance(gate, dict) else None
    for column in slices if isinstance(slices, list) else ():
        if isinstance(column, str) and column not in columns:
            add(f"slices names {column!r}, {undeclared}{meant(column, list(columns))}", "gate", "slices")
    for key, rule in (("time_column", "time_column"), ("id_column", "id_column"), ("target", task)):
        column, (refused, expected) = section.get(key), REFUSED_TYPES.get(str(rule), ((), ""))
        if isinstance(column, str) and columns.get(column) in refused:
            add(f"{key} {column!r} is of type {columns[column]}; {expected}", key)


def _idle_threshold(section: dict[str, Any], metric: Any) -> str | None:
    """Why no threshold can be chosen; None where one can, or need not."""
    decision = section.get("decision")
    if not isinstance(decision, dict) or decision.get("threshold") != "auto" or decision.get("costs"):
        return None
    if metric not in OF_PROBABILITIES:
        return None
    ways = 'give decision.costs, a number, or a metric of answers such as "balanced_accuracy"'
    return f'threshold is "auto", and {metric} goes by probabilities: no threshold does better than another; {ways}'


def _roles(section: dict[str, Any], columns: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the columns that have a part of their own, and the key: none may have two."""
    if "" in columns:
        yield 'columns names "", which is no name', "columns"
    taken: dict[str, str] = {}
    for key in ROLES:
        column = section.get(key)
        if not isinstance(column, str):
            continue
        if not column.strip():
            if key == "target":
                yield f"{key} is {column!r}; expected the name of a column", key
        elif (other := taken.get(column.strip())) is not None:
            yield f"{key} is {column!r}, which is {other} already; expected another column", key
        else:
            taken[column.strip()] = key


def _types(columns: Any) -> dict[str, Any] | None:
    """The declared type of each column; None where no columns are declared."""
    if not isinstance(columns, dict):
        return None
    return {name: spec.get("type") if isinstance(spec, dict) else spec for name, spec in columns.items()}


def _negative(section: dict[str, Any]) -> str | None:
    """The class that silence means."""
    labels = section.get("labels")
    negative = labels.get("negative") if isinstance(labels, dict) else None
    return negative if isinstance(negative, str) else None


def _decided(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The classes that the decision names, and by which key."""
    decision = section.get("decision")
    if not isinstance(decision, dict):
        return
    costs, positive = decision.get("costs"), decision.get("positive")
    for truth, cost in costs.items() if isinstance(costs, dict) else ():
        yield "costs", str(truth)
        yield from (("costs", str(answered)) for answered in (cost if isinstance(cost, dict) else ()))
    if isinstance(positive, str):
        yield "positive", positive


def _categories(section: dict[str, Any]) -> list[str] | None:
    """The target's classes, where they are declared."""
    column = section["columns"].get(section.get("target"))
    found = column.get("categories") if isinstance(column, dict) else None
    return list(map(str, found)) if isinstance(found, list) else None


def _unlike(negative: str, kind: Any) -> str | None:
    """What a class of a target of this type is called, where it cannot be called so."""
    if kind == "boolean" and negative not in ("false", "true"):
        return "expected false or true"
    if kind == "integer" and WHOLE.fullmatch(negative) is None:
        return "expected a whole number as text"
    return None


def _close(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


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


def overlapping_folders(mistakes: Mistakes, service: Any, sections: Any) -> None:
    """Folders that lie in each other would take each other's files; models may share one. `service` and `sections` are
    as the file has them."""
    state = service.get("state_dir", DEFAULT_STATE) if isinstance(service, dict) else DEFAULT_STATE
    taken, real = _Taken(), RealPaths()
    if isinstance(state, str) and "\0" not in state:
        taken.add(real.of(below(mistakes.path, state)), f"{state!r}, [service] state_dir", False)
    log = service.get("log") if isinstance(service, dict) else None
    file = log.get("file") if isinstance(log, dict) else None
    if isinstance(file, str) and "\0" not in file:
        taken.add(real.of(below(mistakes.path, file)), f"{file!r}, [service.log] file", False)
    for name, section in sections.items() if isinstance(sections, dict) else ():
        data_dir = section.get("data_dir") if isinstance(section, dict) else None
        if not isinstance(data_dir, str) or "\0" in data_dir or is_uri(data_dir):
            continue
        folder, where = real.of(below(mistakes.path, data_dir)), ("models", name, "data_dir")
        for owner in taken.overlapping(folder):
            mistakes.add(where, f"[models.{name}] data_dir {data_dir!r} overlaps {owner}; neither may lie in the other")
        taken.add(folder, f"{data_dir!r}, [models.{name}] data_dir", True)
    for name, key, given in _scoring_folders(sections):
        folder, section_name = real.of(below(mistakes.path, given)), f"models.{name}.scoring"
        for owner in taken.overlapping(folder):
            overlaps = f"[{section_name}] {key} {given!r} overlaps {owner}; neither may lie in the other"
            mistakes.add(("models", name, "scoring", key), overlaps)
        taken.add(folder, f"{given!r}, [models.{name}.scoring] {key}", False)


def _scoring_folders(sections: Any) -> Iterator[tuple[str, str, str]]:
    """The model, the key and the folder, as the file has them, of each that files are scored from or to."""
    for name, section in sections.items() if isinstance(sections, dict) else ():
        scoring = section.get("scoring") if isinstance(section, dict) else None
        for key in ("in_dir", "out_dir"):
            given = scoring.get(key) if isinstance(scoring, dict) else None
            if isinstance(given, str) and "\0" not in given:
                yield name, key, given


class _Taken:
    """Folders with their owners; those that overlap another one are found without a look at all the rest."""

    def __init__(self) -> None:
        self._owners: dict[Path, list[tuple[str, bool]]] = {}
        self._below: dict[Path, list[str]] = {}

    def add(self, folder: Path, owner: str, may_be_shared: bool) -> None:
        """A folder is taken."""
        self._owners.setdefault(folder, []).append((owner, may_be_shared))
        for above in folder.parents:
            self._below.setdefault(above, []).append(owner)

    def overlapping(self, folder: Path) -> Iterator[str]:
        """The owners of what is above, below or the same and may not be shared."""
        yield from (owner for owner, may_be_shared in self._owners.get(folder, ()) if not may_be_shared)
        yield from (owner for above in folder.parents for owner, _ in self._owners.get(above, ()))
        yield from self._below.get(folder, ())


def below(path: Path, folder: str) -> Path:
    """A folder of the configuration; relative ones lie beside its file."""
    return path.absolute().parent / Path(folder).expanduser()
