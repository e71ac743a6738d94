"""Which columns a file has, against those that the schema wants."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from daemon.reading.rejects import printable, shortened
from retrain.records.errors import Refused
from retrain.records.schema import Schema

LISTED = 8


@dataclass(frozen=True)
class Matched:
    """What the file is: `rows` (of features, labelled or not) or `labels` (of id and target); its extra columns."""

    kind: Literal["rows", "labels"]
    schema: Schema
    extra: tuple[str, ...]
    labelled: bool


def match(names: Sequence[str], schema: Schema) -> Matched:
    """Columns are matched by name: order does not matter, extra ones are ignored, a missing one refuses the
    file, except the target, which may be missing: these rows have no label."""
    present = set(names)
    wanted = [column.name for column in schema.columns]
    extra = tuple(name for name in names if name not in set(wanted))
    features = {column.name for column in schema.features}
    pair = {schema.id_column, schema.target}
    recorded = set(() if schema.recorded is None else schema.recorded.names)
    if schema.id_column is not None and pair <= present and not (features | recorded) & present:
        columns = tuple(c for c in schema.columns if c.name in pair)
        return Matched("labels", replace(schema, columns=columns, recorded=None), extra, True)
    may_lack = {schema.target} if schema.task != "recommendation" else set[str]()
    missing = [name for name in wanted if name not in present | may_lack]
    if missing:
        raise Refused(_missing(missing, wanted), _hint(missing, names, schema), f"; the file has {_listed(names)}")
    return Matched("rows", schema, extra, schema.target in present)


def target_hint(matched: Matched) -> str:
    """A column that may be the target under another name, where the file has none; else empty."""
    target = matched.schema.target
    close = difflib.get_close_matches(target.lower(), [name.lower() for name in matched.extra], 1, 0.8)
    if matched.labelled or not close:
        return ""
    meant = next(name for name in matched.extra if name.lower() == close[0])
    return f"no column {target!r}, so the rows have no label; did {meant!r} mean it?"


def _missing(missing: list[str], wanted: list[str]) -> str:
    count = f"{len(missing)} of {len(wanted)} columns are missing" if len(missing) > 1 else "a column is missing"
    return f"{count}: {_listed(missing)}"


def _hint(missing: list[str], names: Sequence[str], schema: Schema) -> str:
    lowered = {name.lower().strip(): name for name in names}
    close = [(name, lowered[name.lower()]) for name in missing if name.lower() in lowered]
    if close:
        return f"did {close[0][1]!r} mean {close[0][0]!r}? Names must be written alike"
    if len(names) == 1 and any(mark in names[0] for mark in ";,\t|"):
        return "is the delimiter another one? Set intake.delimiter"
    if schema.recorded is not None and set(missing) & set(schema.recorded.names):
        return "the model is served elsewhere, so each file has what was predicted: prediction_column says where"
    if schema.task == "recommendation":
        return "name columns alike in all files; user_column, item_column, time_column and others say how"
    return "rename the file's columns, or change [models.NAME.columns]"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shortened(printable(name), 40) for name in names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"
