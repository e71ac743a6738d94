"""The schema of a model's rows: declared in the configuration or inferred once, then fixed."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import convert

from retrain.records.formats import PLAIN, Formats, configured_formats
from retrain.records.settings import ColumnKind

if TYPE_CHECKING:
    from retrain.records.settings import ModelSettings


@dataclass(frozen=True)
class Column:
    """A column by name; `minimum`, `maximum` and `categories` are what the user declared as valid; a `plain` one is
    not written in the schema's local formats."""

    name: str
    kind: ColumnKind
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    nullable: bool = True
    feature: bool = True
    plain: bool = False


@dataclass(frozen=True)
class Recorded:
    """The columns in which the files of a model that is served elsewhere have what was predicted: the `prediction`, the
    `probabilities` as pairs of class and column, and the `version` that predicted. None of them is a feature."""

    prediction: str
    probabilities: tuple[tuple[str, str], ...] = ()
    version: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all these columns."""
        own = () if self.version is None else (self.version,)
        return (*self.predicted, *own)

    @property
    def predicted(self) -> tuple[str, ...]:
        """Of those that predictions are read from."""
        return (self.prediction, *(column for _, column in self.probabilities))


@dataclass(frozen=True)
class Schema:
    """All columns of a model, the target, time and id columns among them, and how files write their values; of a model
    that is served elsewhere what was predicted is in those that are `recorded`. `inputs` names what an adopted pipeline
    reads, in its order, whatever else is known of these columns."""

    columns: tuple[Column, ...]
    task: str
    target: str
    time_column: str | None = None
    id_column: str | None = None
    formats: Formats = PLAIN
    recorded: Recorded | None = None
    inputs: tuple[str, ...] | None = None

    @property
    def features(self) -> tuple[Column, ...]:
        """What the model sees, in a fixed order: `inputs`, else neither target, time, id nor free text."""
        if self.inputs is not None:
            return tuple(self.column(name) for name in self.inputs)
        apart = {self.target, self.time_column, self.id_column}
        return tuple(c for c in self.columns if c.feature and c.kind != "text" and c.name not in apart)

    @property
    def model_columns(self) -> tuple[str, ...]:
        """Names of what a model reads: its features, what was predicted elsewhere, and the target."""
        predicted = () if self.recorded is None else self.recorded.predicted
        return (*(column.name for column in self.features), *predicted, self.target)

    @property
    def texts(self) -> tuple[Column, ...]:
        """Free text: compared by checks, not learned from."""
        return tuple(c for c in self.columns if c.kind == "text")

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def formats_of(self, column: Column) -> Formats:
        """How files write a column's values."""
        return replace(PLAIN, na_values=self.formats.na_values) if column.plain else self.formats

    def learning_from(self, ignore: Collection[str], only: Collection[str] = ()) -> "Schema":
        """Without the features to ignore, and where `only` some are named, with these alone."""
        kept = {c.name: c.name not in ignore and (c.name in only if only else c.feature) for c in self.columns}
        roles = {self.target, self.time_column, self.id_column}
        return replace(
            self, columns=tuple(c if c.name in roles else replace(c, feature=kept[c.name]) for c in self.columns)
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values. What is as it was before there were local formats is left out, so that digests stay."""
        value = asdict(self)
        for column in value["columns"]:
            if not column["plain"]:
                del column["plain"]
        absent = {name for name in ("recorded", "inputs") if value[name] is None} | {"formats"}
        formats = self.formats.to_json()
        return {k: v for k, v in value.items() if k not in absent} | ({"formats": formats} if formats else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":
        """The inverse of `to_json`."""
        return convert(value, cls)

    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def event_schema(settings: "ModelSettings", formats: Formats = PLAIN, plain: Collection[str] = ()) -> Schema:
    """The schema of a log of events: only the named columns. Users, items and types of events are text, whatever they
    look like; times are moments, in whatever form files write them."""
    assert settings.user_column is not None
    assert settings.time_column is not None
    who, what, when = settings.user_column, settings.target, settings.time_column
    columns = [
        Column(who, "category", nullable=False),
        Column(what, "category", nullable=False),
        Column(when, "datetime", nullable=False),
    ]
    if settings.event_column is not None:
        columns.append(Column(settings.event_column, "category", feature=False))
    if settings.value_column is not None:
        columns.append(Column(settings.value_column, "number", feature=False))
    marked = tuple(replace(column, plain=column.name in plain) for column in columns)
    return Schema(marked, settings.task, what, when, None, formats)


def recorded_columns(settings: "ModelSettings") -> Recorded | None:
    """The columns of what another system predicted; None where the model is served here."""
    if not settings.is_elsewhere or settings.prediction_column is None:
        return None
    return Recorded(
        settings.prediction_column, tuple(sorted(settings.probability_columns.items())), settings.version_column
    )


def with_recorded(schema: Schema, settings: "ModelSettings") -> Schema:
    """The schema with the columns of what another system predicted, none of which is a feature or may be empty; without
    those of before, where the model is served here."""
    recorded, before = recorded_columns(settings), schema.recorded
    former = set(() if before is None else before.names) - set(() if recorded is None else recorded.names)
    columns = {column.name: column for column in schema.columns if column.name not in former}
    if recorded is not None:
        target = next((one for one in schema.columns if one.name == schema.target), None)
        kind: ColumnKind = "category" if target is None else target.kind
        if settings.task == "regression":
            kind = "number"
        categories = None if target is None else target.categories
        made = [Column(recorded.prediction, kind, categories=categories)]
        made += [Column(column, "number") for _, column in recorded.probabilities]
        made += [] if recorded.version is None else [Column(recorded.version, "category")]
        for column in made:
            plain = column.name in columns and columns[column.name].plain
            columns[column.name] = replace(column, nullable=False, feature=False, plain=plain)
    return replace(schema, columns=tuple(columns.values()), recorded=recorded)


def declared_schema(settings: "ModelSettings") -> Schema | None:
    """The schema that the configuration declares; None where it is left to be inferred."""
    if settings.columns is None:
        return None
    columns = tuple(
        Column(name, c.type, c.min, c.max, c.categories, c.nullable, c.feature is not False, c.plain)
        for name, c in settings.columns.items()
    )
    formats = configured_formats(settings.intake)
    schema = Schema(columns, settings.task, settings.target, settings.time_column, settings.id_column, formats)
    return with_recorded(schema, settings)
