"""What keys of a model that another system serves have to do with each other."""

from collections.abc import Iterator, Mapping
from typing import Any

OF_RECORDED = ("prediction_column", "probability_columns", "version_column", "challengers")
"""Keys of a model that is served elsewhere alone."""
OF_TRAINING = ("estimator", "window", "gate", "retrain_schedule")
"""Keys that say how challengers are trained and judged."""
OF_SERVING = {
    "scoring": "driftd scores no files for it",
    "rollout": "nothing of driftd's is rolled out",
    "decision": "which class is answered is decided there",
    "serving": "no server of driftd's answers for it",
    "on_promotion": "nothing is promoted",
}
"""And keys that ask for what only what driftd serves has."""


def contradicting_elsewhere(section: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The mistakes of a model's section, each with the keys that it is about; `columns` are the declared types."""
    if section.get("served") != "elsewhere":
        for key in OF_RECORDED:
            if key in section:
                yield f'{key} is of a model that another system serves; expected served = "elsewhere" beside it', key
        return
    task = section.get("task")
    if task == "recommendation":
        yield 'served is "elsewhere"; expected task = "classification" or "regression" for that', "served"
        return
    if not section.get("prediction_column"):
        yield (
            'served is "elsewhere" without prediction_column; expected the column of the data files in which the other '
            "system's predictions stand",
            "served",
        )
    yield from _taken(section, columns)
    if task == "regression" and section.get("probability_columns"):
        yield "probability_columns are of classes, and a regression has none", "probability_columns"
    for key, reason in OF_SERVING.items():
        if key in section:
            yield f'{key} is given, and served is "elsewhere": {reason}', key
    if section.get("challengers") is not True:
        for key in OF_TRAINING:
            if key in section:
                wanted = "expected challengers = true beside it, which trains some to compare"
                yield f'{key} is given, and served is "elsewhere": driftd trains nothing; {wanted}', key


def _taken(section: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Columns that have a part of their own already, or are declared as something else."""
    taken = {section[key]: key for key in ("target", "time_column", "id_column") if isinstance(section.get(key), str)}
    probabilities = section.get("probability_columns")
    named: list[tuple[Any, tuple[str, ...]]] = [
        (section.get(key), (key,)) for key in ("prediction_column", "version_column")
    ]
    if isinstance(probabilities, dict):
        named += [(column, ("probability_columns", one)) for one, column in probabilities.items()]
    for column, keys in named:
        if not isinstance(column, str):
            continue
        key = ".".join(keys)
        if column in taken:
            yield f"{key} is {column!r}, which is {taken[column]} already; expected a column of its own", *keys
        taken.setdefault(column, key)
        if keys[0] == "probability_columns" and columns.get(column) not in (None, "number"):
            yield f"{key} is {column!r}, of type {columns[column]}; expected number", *keys
