"""What each column of a file is, judged by the types and values of its first rows; a schema of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from daemon.reading import csv, json_lines
from daemon.reading.batches import refuse_long_cells
from daemon.reading.blame import reading
from daemon.reading.clean import clean
from daemon.reading.event_times import event_times
from daemon.reading.first_rows import FirstRows, of_parquet, of_table
from daemon.reading.formats import SAMPLE_ROWS, OpenedFile
from daemon.reading.header import refuse_nul
from daemon.reading.local_formats.found import Found, find_formats
from daemon.reading.measure import first_rows
from daemon.reading.rejects import printable
from daemon.reading.sql import connect, identifier
from daemon.reading.texts import Texts, count_texts, different_texts, text_columns
from drift.derived.identifiers import identifying
from drift.derived.text import is_text
from drift.profiles.categorical import Codes
from drift.profiles.profile import profile
from retrain.records.errors import Refused, WrongUse
from retrain.records.formats import PLAIN
from retrain.records.schema import Column, Schema, event_schema, recorded_columns, with_recorded
from retrain.records.settings import ColumnKind
from retrain.rows.columns import column_values

if TYPE_CHECKING:
    from retrain.records.settings import ModelSettings

SHOWN_NAMES = 20
TEXT_PROBE = 1_000
"""So many values tell sentences from names."""
NUMBERS = ("FLOAT", "DOUBLE", "DECIMAL", "REAL")
MOMENTS = ("DATE", "TIMESTAMP")
WIDER = ("UBIGINT", "HUGEINT", "UHUGEINT")
"""Integers that may not fit in 64 bits with a sign; their values tell."""
ROLES = (
    ("target", "time_column", "id_column"),
    ("user_column", "item_column", "time_column", "event_column", "value_column"),
)
"""Settings that name columns: of rows with a target, and of events."""


@dataclass(frozen=True)
class Sampled:
    """The first `rows` of a file, as `sample` of a connection, to be read by these options; Refused where they cannot
    be read. `quoted` counts by column the values that the file says are text, of formats that can say so of a value."""

    connection: duckdb.DuckDBPyConnection
    file: OpenedFile
    rows: FirstRows
    quoted: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """Of each column, by name."""
        return {name: self._worded(name, kind) for name, kind in (self._plain_kinds | dict(self.found.kinds)).items()}

    @cached_property
    def found(self) -> Found:
        """The local formats that the texts are written in."""
        return find_formats(
            text_columns(self.ask, self._different_texts, self._texts, self._plain_kinds, self.file.delimiter),
            self.file.intake,
        )

    def counts(self, name: str) -> tuple[int, int]:
        """How many values of a column are not missing, and how many of them are different."""
        column = identifier(name)
        ((present, distinct),) = self.ask(f"SELECT count({column}), count(DISTINCT {column}) FROM sample", name)
        return int(present), int(distinct)

    @cached_property
    def identifiers(self) -> dict[str, str]:
        """Why columns only name or date their rows, by name: learned by heart, they would alarm in every file."""
        reasons = {name: self._identifying(name, kind) for name, kind in self.kinds.items() if kind != "text"}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def _identifying(self, name: str, kind: ColumnKind) -> str | None:
        column = self.column(name)
        formats = self.found.formats
        if name in self.found.plain:
            formats = replace(PLAIN, na_values=formats.na_values)
        try:
            values = column_values(clean(column, name, kind, formats).values, kind)
        except Refused:  # a type that the intake refuses, too
            return None
        order = None if isinstance(values, Codes) else values
        return identifying(name, profile(values), order, moments=kind == "datetime")

    def column(self, name: str) -> Any:
        """Its values as an Arrow array."""
        if self.rows.table is not None:
            return self.rows.table.column(name).combine_chunks()
        with reading("cannot be read"):
            self.rows.show(name)
            table = self.connection.sql(f"SELECT {identifier(name)} FROM sample").to_arrow_table()
        return table.column(0).combine_chunks()

    def ask(self, query: str, name: str | None = None) -> list[Any]:
        """The rows of a query of `sample`, in which at least the column of this name is."""
        with reading("cannot be read"):
            self.rows.show(name)
            return list(self.connection.execute(query).fetchall())

    @cached_property
    def _types(self) -> dict[str, str]:
        described = [row for group in self.rows.groups() for row in self.ask("DESCRIBE sample", group[0])]
        return {name: str(type_name) for name, type_name, *_ in described}

    @cached_property
    def _texts(self) -> dict[str, Texts]:
        """What the columns are that are text to the reader."""
        typed = self.file.kind.format == "parquet"
        wide = {name for name, type_name in self._types.items() if type_name.split("(")[0] in WIDER}
        counted = {}
        for group in self.rows.groups():
            names = [name for name in group if name in wide or self._types[name] == "VARCHAR"]
            for name, texts in count_texts(self.ask, self._different_texts, names).items() if names else ():
                is_declared = (typed and name not in wide) or 0 < texts.present == self.quoted.get(name)
                counted[name] = replace(texts, is_declared=is_declared)
        return counted

    def _different_texts(self, name: str) -> str:
        """Of a file with few columns that is read again by each query as a table, which is made once."""
        if self.rows.table is not None or len(self.rows.groups()) > 1:
            return f"({different_texts(name)})"
        if name not in self._held:
            self._held[name] = identifier(f"texts {len(self._held)}")
            self.ask(f"CREATE TEMP TABLE {self._held[name]} AS {different_texts(name)}", name)
        return self._held[name]

    @cached_property
    def _held(self) -> dict[str, str]:
        """Tables of different texts by column."""
        return {}

    @cached_property
    def _plain_kinds(self) -> dict[str, ColumnKind]:
        """As the file's types or the values of its texts say, written as programs do."""
        return {
            name: self._texts[name].kind if name in self._texts else _declared_kind(type_name)
            for name, type_name in self._types.items()
        }

    def _worded(self, name: str, kind: ColumnKind) -> ColumnKind:
        if kind != "category":
            return kind
        rows = self.ask(f"SELECT CAST({identifier(name)} AS VARCHAR) FROM sample LIMIT {TEXT_PROBE}", name)
        return "text" if is_text([row[0] for row in rows]) else kind


def sampled(file: OpenedFile, piece_file: Path) -> Sampled:
    """The first 50,000 rows of a file, of long texts fewer; `piece_file` is as in `csv.in_pieces`. Refused where the
    file cannot be read."""
    refuse_nul(file.names)
    connection, missing = connect(), file.intake.na_values or ()
    most_rows = first_rows(file.path, file.kind)
    if file.kind.format == "csv":
        table = csv.first_rows(file, piece_file, missing, most_rows)
        return Sampled(connection, file, of_table(connection, table))
    if file.kind.format in ("json", "jsonl"):
        table, quoted = json_lines.first_rows(file, missing, most_rows)
        return Sampled(connection, file, of_table(connection, table), quoted)
    with reading("cannot be read as Parquet"):
        refuse_long_cells(file.path, file.names, SAMPLE_ROWS)
    return Sampled(connection, file, of_parquet(connection, file.path, file.names))


def named_columns(settings: "ModelSettings") -> list[str]:
    """The columns that a task's settings name."""
    roles = (getattr(settings, role) for role in ROLES[settings.task == "recommendation"])
    recorded = recorded_columns(settings)
    return [name for name in (*roles, *(() if recorded is None else recorded.names)) if name is not None]


def require_named(names: Sequence[str], settings: "ModelSettings") -> None:
    """Refused where a column that the settings name is none of a first file's."""
    wanted_of = {role: getattr(settings, role) for role in ROLES[settings.task == "recommendation"]}
    if settings.is_elsewhere:  # whose labels may all come later
        wanted_of |= {"target": None, "prediction_column": settings.prediction_column}
        wanted_of |= {f"probability_columns.{name}": column for name, column in settings.probability_columns.items()}
        wanted_of |= {"version_column": settings.version_column}
    for role, wanted in wanted_of.items():
        if wanted is not None and wanted not in names:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            close = get_close_matches(wanted, names, 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            shown = ", ".join(printable(name) for name in names[:SHOWN_NAMES])
            raise WrongUse(
                f"{role} {wanted!r} is no column",
                "the first file shows the columns: drop a labelled one first, or declare [models.NAME.columns]",
                f"; {meant}the file has {shown}{more}",
            )


def infer_schema(sample: Sampled, settings: "ModelSettings") -> Schema:
    """The schema of the columns of a first file, for the task that the settings name; Refused where the target,
    time or id column is not in it."""
    require_named(list(sample.kinds), settings)
    if settings.task == "recommendation":
        return _infer_events(sample, settings)
    if settings.time_column is not None:
        _refuse_unclear_time(sample, settings.time_column)
    columns = tuple(_column(sample, name, settings) for name in sample.kinds)
    columns = tuple(replace(c, plain=c.name in sample.found.plain) for c in columns)
    if settings.is_elsewhere and settings.target not in sample.kinds:
        assert settings.prediction_column is not None
        columns = (*columns, replace(_target(sample, settings.prediction_column, settings), name=settings.target))
    formats = sample.found.formats
    schema = Schema(columns, settings.task, settings.target, settings.time_column, settings.id_column, formats)
    return with_recorded(schema, settings)


def _infer_events(sample: Sampled, settings: "ModelSettings") -> Schema:
    schema, name = event_schema(settings, sample.found.formats, sample.found.plain), str(settings.time_column)
    column = sample.column(name)
    times = event_times(column, name, math.inf, schema.formats_of(schema.column(name)))
    present = len(column) - column.null_count
    if len(times.cleaned.values) - times.cleaned.values.null_count < (1 - settings.intake.max_reject_share) * present:
        _refuse_unclear_time(sample, name)
        raise Refused(
            f"the schema cannot be inferred: time_column {name!r} holds no times",
            "expected dates, or numbers of seconds or milliseconds since 1970",
        )
    return schema


def _refuse_unclear_time(sample: Sampled, name: str) -> None:
    """Event times decide about windows: they are never left to a guess."""
    for finding in sample.found.findings:
        if finding.column == name and finding.level == "not understood" and sample.kinds[name] == "category":
            raise Refused(f"the schema cannot be inferred: time_column {finding}")


def _column(sample: Sampled, name: str, settings: "ModelSettings") -> Column:
    kind = sample.kinds[name]
    if name == settings.target:
        return _target(sample, name, settings)
    if name == settings.id_column:
        return Column(name, "integer" if kind == "integer" else "category")
    return Column(name, kind, feature=name == settings.time_column or name not in sample.identifiers)


def _target(sample: Sampled, name: str, settings: "ModelSettings") -> Column:
    """What is predicted, of the values of a column."""
    kind = sample.kinds[name]
    if settings.task == "regression":
        return Column(name, "integer" if kind == "integer" else "number")
    return Column(name, "category" if kind in ("number", "datetime", "text") else kind)


def not_learned(sample: Sampled, schema: Schema) -> dict[str, str]:
    """By name, why columns of the inferred schema are not learned from."""
    if schema.task == "recommendation":
        return {}
    return {name: reason for name, reason in sample.identifiers.items() if not schema.column(name).feature}


def _declared_kind(type_name: str) -> ColumnKind:
    """Of a type other than text."""
    base = type_name.split("(")[0]
    if type_name.endswith("]"):
        return "category"
    if base == "BOOLEAN":
        return "boolean"
    if base.startswith(MOMENTS):
        return "datetime"
    if base in NUMBERS:
        return "number"
    return "integer" if base.endswith("INT") or base in ("INTEGER", "UINTEGER") else "category"
