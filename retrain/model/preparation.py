"""Preparation of the user's own, `features.py:prepare`: a function from frame to frame between the raw columns of data
files and requests and the columns that a model learns from.

This is the one place where it is called: training, checks, replay and serving all come here through the preprocessor of
a version, which has its own copy of the file."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drift.columns.casts import TYPES
from drift.columns.kinds import kind_of
from retrain.model.frames import Library, column_for, frame_of, library_module
from retrain.model.preprocessing import Feature, Preprocessor
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind, ModelSettings
from retrain.rows.retype import as_kind
from retrain.user_code import load_function

LONGEST_ERROR = 300
"""Characters of what the function raises that are told."""
LACKING, LISTED = ("KeyError", "AttributeError", "ColumnNotFoundError"), 20
"""What a column that is not there raises, and how many of those that are there are told then."""
COMPARED_ROWS = 20
"""Rows that are prepared alone, too: a value that depends on other rows would be another one in service."""
ANNOTATE = "annotate its first argument: def prepare(rows: pandas.DataFrame), or polars.DataFrame"
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Preparation:
    """The function `name` of a file whose content has the `digest`; its frames are of `library`, made of the cells of
    `raw`, a preprocessor of raw cells, and have the columns `outputs`."""

    name: str
    digest: str
    library: Library
    raw: Preprocessor
    outputs: tuple[Column, ...]
    function: Callable[[Any], Any] = field(compare=False)
    code: bytes = field(compare=False, repr=False)

    @property
    def file(self) -> str:
        """What the file is called."""
        return Path(self.name.rpartition(":")[0]).name

    def of_table(self, table: pa.Table) -> pa.Table:
        """A snapshot's table with the outputs in place of the inputs; what else it has, such as target and origin, is
        kept. Refused names the row, by its number in the file if the table has that."""
        numbers = table.column("__row").to_numpy() if "__row" in table.column_names else None
        prepared = self.of_cells(self.raw.transform(table), numbers)
        gone = {*(one.name for one in self.raw.features), *(one.name for one in self.outputs)}
        for name in (name for name in table.column_names if name not in gone):
            prepared = prepared.append_column(name, table.column(name))
        return prepared

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """The outputs of rows as JSON gives them."""
        return self.of_cells(self.raw.transform_rows(rows))

    def of_cells(self, cells: Any, numbers: Numbers | None = None) -> pa.Table:
        """The outputs of raw cells (n, inputs): a table of n rows with the columns of `outputs`."""
        if not len(cells):
            return pa.table({one.name: pa.nulls(0, TYPES[one.kind]) for one in self.outputs})
        found = self._called(cells, numbers)
        wanted = {one.name for one in self.outputs}
        lacking, more = sorted(wanted - set(found.column_names)), sorted(set(found.column_names) - wanted)
        if lacking or more:
            differs = [f"no column {name!r}" for name in lacking] + [f"a column {name!r} besides" for name in more]
            raise Refused(f"{self.name} gave {', '.join(differs[:5])}", "it must give the same columns each time")
        return pa.table({one.name: _plain(found.column(one.name), one.kind) for one in self.outputs})

    def model_schema(self, schema: Schema) -> Schema:
        """The schema of prepared tables: the outputs as features, and target, time and id of the raw one."""
        return prepared_schema(schema, self.outputs)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without the code."""
        return {
            "name": self.name,
            "digest": self.digest,
            "library": self.library,
            "inputs": [{"name": one.name, "kind": one.kind} for one in self.raw.features],
            "outputs": [asdict(one) for one in self.outputs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], folder: Path) -> "Preparation":
        """The inverse of `to_json`, with the copy of the code in `folder`; Refused where it is gone or fails."""
        file, _, function = value["name"].rpartition(":")
        own = _Own.load(f"{Path(file).name}:{function}", folder)
        inputs = tuple(Feature(one["name"], one["kind"]) for one in value["inputs"])
        outputs = msgspec.convert(value["outputs"], tuple[Column, ...])
        raw = Preprocessor("raw", inputs, value["library"])
        return cls(value["name"], own.digest, value["library"], raw, outputs, own.function, own.code)

    def _called(self, cells: Any, numbers: Numbers | None) -> pa.Table:
        try:
            return self._asked(cells)
        except (Refused, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            at, raised = self._first_failing(cells, error)
            where = "" if at is None else f" at row {int(numbers[at]) if numbers is not None else at}"
            text = " ".join(f": {raised}".split())
            short = text if len(text) <= LONGEST_ERROR else text[:LONGEST_ERROR] + "…"
            kind, names = type(raised).__name__, [one.name for one in self.raw.features]
            hint = f"its frames have the columns {', '.join(names[:LISTED])}" if kind in LACKING else ""
            raise Refused(f"{self.name} raises {kind}{where}", hint, short) from error

    def _asked(self, cells: Any) -> pa.Table:
        """What the function gives, as Arrow; Refused where that is no frame of as many rows."""
        columns = [column_for(self.library, cells[:, at], one.kind) for at, one in enumerate(self.raw.features)]
        frame = self.function(frame_of(self.library, [one.name for one in self.raw.features], columns))
        module = library_module(self.library)
        if not isinstance(frame, module.DataFrame):
            raise Refused(f"{self.name} gave {type(frame).__name__}", f"expected a {self.library}.DataFrame")
        if not len(frame.columns):
            raise Refused(f"{self.name} gave no columns", "its columns are what the model learns from")
        table = _arrow(frame, self.library)
        if table.num_rows != len(cells):
            raise Refused(f"{self.name} gave {table.num_rows:,} rows for {len(cells):,}", "it must keep all rows")
        return table

    def _first_failing(self, cells: Any, error: BaseException) -> tuple[int | None, BaseException]:
        """The place of a row on which the function fails, found by halving, and what it raises there; None where it
        fails on none alone."""
        low, high, raised = 0, len(cells), error
        while high - low > 1:
            middle = (low + high) // 2
            first = self._failure(cells[low:middle])
            second = self._failure(cells[middle:high]) if first is None else None
            if first is None and second is None:
                return None, error
            low, high, raised = (low, middle, first) if first is not None else (middle, high, second or error)
        return low, raised

    def _failure(self, cells: Any) -> BaseException | None:
        try:
            self._asked(cells)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            return error
        return None


@dataclass(frozen=True)
class _Own:
    """A function of the user's, and the file that it is of."""

    function: Callable[[Any], Any]
    code: bytes
    digest: str

    @classmethod
    def load(cls, name: str, folder: Path) -> "_Own":
        function = load_function(name, folder, "prepare")
        code = (folder / name.rpartition(":")[0]).resolve().read_bytes()
        return cls(function, code, hashlib.sha256(code).hexdigest())


def library_of(name: str, folder: Path) -> Library:
    """Whose frames the configured function reads; Refused where it cannot be loaded, does not say it, or the library is
    not there."""
    library = _library_of(_Own.load(name, folder).function, name)
    library_module(library)
    return library


def new_preparation(name: str, folder: Path, schema: Schema) -> Preparation:
    """The configured function, its path relative to `folder`, for the rows of a schema that `raw_schema` gave; its
    outputs are not known yet. Refused where it cannot be loaded, or does not say what frames it reads."""
    own = _Own.load(name, folder)
    library = _library_of(own.function, name)
    library_module(library)
    inputs = tuple(Feature(one.name, one.kind) for one in schema.features)
    if not inputs:
        raise Refused(f"{name} has no columns to read", "expected some besides target and id")
    file, _, function = name.rpartition(":")
    raw = Preprocessor("raw", inputs, library)
    return Preparation(f"{Path(file).name}:{function}", own.digest, library, raw, (), own.function, own.code)


def learned(preparation: Preparation, table: pa.Table, schema: Schema) -> Preparation:
    """With the outputs that it gives for a snapshot's table of ≥ 1 rows. Refused where it gives no features, or the
    target, or other values for rows that stand alone."""
    cells = preparation.raw.transform(table)
    numbers = table.column("__row").to_numpy() if "__row" in table.column_names else None
    found = preparation._called(cells, numbers)
    outputs = tuple(Column(name, _kind(found.column(name))) for name in found.column_names)
    taken = [one.name for one in outputs if one.name in (schema.target, schema.id_column) or one.name.startswith("__")]
    if taken:
        raise Refused(f"{preparation.name} gave a column {taken[0]!r}, which is no feature", "give it another name")
    made = replace(preparation, outputs=outputs)
    _refuse_dependent(made, cells)
    return made


def raw_schema(schema: Schema, settings: ModelSettings) -> Schema:
    """The schema of a version with a preparation: requests have what the function reads. These are all columns, in the
    order of the schema, but target and id, and those that are declared no features: a date that merely was not learned
    from as it is may be what the function makes an hour of."""
    withheld = {schema.target, schema.id_column}
    withheld |= {name for name, one in (settings.columns or {}).items() if one.feature is False}
    return replace(schema, inputs=tuple(c.name for c in schema.columns if c.name not in withheld))


def prepared_schema(schema: Schema, outputs: Sequence[Column]) -> Schema:
    """The outputs as features, and target, time and id of a raw schema."""
    names = {one.name for one in outputs}
    roles = {schema.target, schema.id_column, schema.time_column}
    kept = (column for column in schema.columns if column.name in roles and column.name not in names)
    return replace(schema, columns=(*outputs, *kept), inputs=tuple(one.name for one in outputs))


def _library_of(function: Callable[[Any], Any], name: str) -> Library:
    """By the annotation of its first argument, an object or its text."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise Refused(f"prepare {name!r}: {error}", ANNOTATE) from None
    if not parameters:
        raise Refused(f"prepare {name!r} takes no argument", ANNOTATE)
    told = parameters[0].annotation
    text = told if isinstance(told, str) else f"{getattr(told, '__module__', '')}."
    first = text.partition(".")[0].strip()
    libraries: dict[str, Library] = {"pandas": "pandas", "pd": "pandas", "polars": "polars", "pl": "polars"}
    if told is inspect.Parameter.empty or first not in libraries:
        raise Refused(f"prepare {name!r} does not say whether it reads frames of pandas or polars", ANNOTATE)
    return libraries[first]


def _arrow(frame: Any, library: Library) -> pa.Table:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(f"it gave two columns {twice!r}", "give one of them another name")
    if library == "polars":
        return frame.to_arrow().rename_columns(names)
    plain = frame.reset_index(drop=True)
    plain.columns = names
    return pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)


def _kind(column: pa.ChunkedArray) -> ColumnKind:
    if pa.types.is_null(column.type):
        return "number"
    found = kind_of(column)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or found == "text"
    return "category" if text else found


def _plain(column: pa.ChunkedArray, kind: ColumnKind) -> pa.ChunkedArray:
    """A column as snapshots have it."""
    if kind == "datetime" and pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if kind in ("category", "text") and pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    return as_kind(column, kind)


def _refuse_dependent(preparation: Preparation, cells: Any) -> None:
    """Refused where the first rows are prepared otherwise alone than among others."""
    few = min(COMPARED_ROWS, len(cells))
    among, alone = preparation.of_cells(cells).slice(0, few), preparation.of_cells(cells[:1])
    first = preparation.of_cells(cells[:few])
    for one in preparation.outputs:
        for told, count in ((first, few), (alone, 1)):
            if not _alike(told.column(one.name).to_pylist(), among.column(one.name).to_pylist()[:count]):
                raise Refused(
                    f"{preparation.name} gives other values of {one.name!r} for rows that stand alone",
                    "in service a row comes alone: no value may depend on other rows, as a mean over them does",
                )


def _alike(a: list[Any], b: list[Any]) -> bool:
    return all(x == y or (x is None and y is None) or (x != x and y != y) for x, y in zip(a, b, strict=True))
