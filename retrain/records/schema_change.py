"""A configuration that changed what a model's rows are: in sentences, and whether old and new can be compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from retrain.records.schema import Schema


@dataclass(frozen=True)
class SchemaChange:
    """What changed since the champion's schema, in sentences. Unless `comparable`, task or target are others.
    `digest` is the new schema's, "" before it is known; `labelled_rows` and `class_rows` were read by it."""

    sentences: tuple[str, ...]
    comparable: bool
    digest: str
    labelled_rows: int = 0
    class_rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparationChange:
    """A preparation of rows that is another one than the champion's: why, in a sentence, and the `digest` of the file
    now, "" of none."""

    reason: str
    digest: str


def preparation_changed(version: str, before: Mapping[str, str], name: str | None, digest: str) -> PreparationChange:
    """What changed since a version that was made with `before` (name and digest, or nothing).

    >>> preparation_changed("v0002-1a", {}, "features.py:prepare", "ab" * 32).reason
    'features.py:prepare prepares rows now (sha256 abababababab); v0002-1a was made without'
    """
    if name is None:
        reason = f"nothing prepares rows now; {version} was made with {before['name']}"
    elif not before:
        reason = f"{name} prepares rows now (sha256 {digest[:12]}); {version} was made without"
    else:
        reason = f"{name} is another one (sha256 {digest[:12]}) than {version} was made with ({before['digest'][:12]})"
    return PreparationChange(reason, digest)


def shape_digest(schema: Schema) -> str:
    """The same for schemas that read the same columns as the same kinds for the same task; ranges, categories and
    nullability only judge values."""
    columns = sorted((column.name, column.kind, column.feature) for column in schema.columns)
    shape = [columns, schema.task, schema.target, schema.time_column, schema.id_column]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


def changes(before: Schema, after: Schema) -> list[str]:
    """What differs, one sentence each.

    >>> from retrain.records.schema import Column
    >>> a = Schema((Column("x", "number"), Column("y", "category")), "classification", "y")
    >>> b = Schema((Column("x", "category"), Column("z", "number"), Column("y", "category")), "classification", "y")
    >>> changes(a, b)
    ['x was number and is category', 'z was added (number)']
    """
    old, new = ({column.name: column for column in schema.columns} for schema in (before, after))
    sentences = [f"{name} was removed" for name in old if name not in new]
    for name, column in new.items():
        if name not in old:
            sentences.append(f"{name} was added ({column.kind})")
        elif old[name].kind != column.kind:
            sentences.append(f"{name} was {old[name].kind} and is {column.kind}")
        elif old[name].feature != column.feature:
            sentences.append(f"{name} was {'' if old[name].feature else 'not '}learned from")
    for key in ("task", "target", "time_column", "id_column"):
        was, now = getattr(before, key), getattr(after, key)
        if was != now:
            sentences.append(f"{key} was {was or 'none'} and is {now or 'none'}")
    return sentences


def comparable(before: Schema, after: Schema) -> bool:
    """Whether models of the two answer the same question, so that one can be judged against the other."""
    return (before.task, before.target) == (after.task, after.target)
