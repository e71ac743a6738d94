"""Rows of a request as plain cells: decoded and judged by the schema in one pass, mistakes named by row and field.

A decoder made of the schema reads well-formed rows; whatever it refuses is read again slowly, either to be accepted
after all (a category given as a number, a bare NaN) or to name what is wrong."""

import difflib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from daemon.server.refusal import BadRequest, quoted
from drift.notation import counted
from retrain.model.encoding import Cells
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.rows.cells import CONVERTERS, plain_quickly, plain_values, shown

MAX_ROWS = 10_000
MOST_COLUMNS_TOLD = 20
LONGEST_ID = 1_000
"""Characters: ids are echoed, logged and kept."""
LONGEST_GUESSED, MOST_GUESSED = 40, 200
"""What a misspelt name is compared with: difflib takes a tenth of a millisecond for a pair of such names."""
Ids = list[Any] | None
ID = f"text of up to {LONGEST_ID:,} characters or a whole number of 64 bits"


class RowReader:
    """Reads the rows of requests to a model of this schema: cells in the order of `schema.features`.

    `strict` refuses what the schema declares invalid: values out of range, categories that are not declared, missing
    values where `nullable` is false, absent columns. Otherwise such a value is passed on, an absent one is missing."""

    def __init__(self, schema: Schema, strict: bool) -> None:
        self.schema, self.strict = schema, strict
        self.features = schema.features
        self.names = [column.name for column in self.features]
        self._known = {column.name for column in schema.columns}
        others = [column.name for column in schema.columns if column.name not in self.names]
        self._id_place = [*self.names, *others].index(schema.id_column) if schema.id_column is not None else None
        self._times = [at for at, column in enumerate(self.features) if column.kind == "datetime"]
        self._whole = [at for at, column in enumerate(self.features) if column.kind == "integer"]
        self._decoder = msgspec.json.Decoder(_request_type(schema, others, strict))
        self._empty = (None,) * len(self.names)

    def read_json(self, body: bytes) -> tuple[list[Cells], Ids, bool]:
        """The rows and ids of {"rows": [{column: value}], "ids": [...], "explain": true}, and whether they are to be
        explained; ids are also taken from the id column."""
        return self.read_quickly(body) or self.read_slowly(body)

    def read_quickly(self, body: bytes) -> tuple[list[Cells], Ids, bool] | None:
        """The same of well-formed rows; None for others."""
        try:
            request = self._decoder.decode(body)
            whole = [msgspec.structs.astuple(row) for row in request.rows]
            rows = self._features_of(whole)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, RecursionError):
            return None
        if not 0 < len(rows) <= MAX_ROWS or self._empty in rows:
            return None
        ids = request.ids
        if ids is None and self._id_place is not None:
            ids = _ids_of_rows([row[self._id_place] for row in whole])
        elif ids is not None and len(ids) != len(rows):
            return None
        return rows, ids, request.explain

    def read_columns(self, columns: Mapping[str, Sequence[Any]], count: int) -> tuple[list[Cells], Ids]:
        """The rows and ids of columns by name, each of `count` values."""
        self.check_count(count)
        self.check_names(columns)
        if not any(name in columns for name in self.names):
            raise BadRequest(f"no feature column; expected some of {self._expected()}")
        cells = [self._cells(column, columns.get(column.name), count) for column in self.features]
        id_column = self.schema.id_column
        ids = None if id_column is None or id_column not in columns else _ids_of_rows(columns[id_column])
        return list(zip(*cells, strict=True)), ids

    def check_names(self, names: Collection[str]) -> None:
        """BadRequest for a column that the schema does not have."""
        if self._known.issuperset(names):
            return
        for name in names:
            if name not in self._known:
                raise BadRequest(f"unknown column {quoted(name)}{self._meant(name)}")

    @staticmethod
    def check_count(count: int) -> None:
        """BadRequest for no rows, or too many."""
        if not count:
            raise BadRequest("no rows; expected at least one")
        if count > MAX_ROWS:
            raise BadRequest(f"{counted(count, 'row')}; at most {MAX_ROWS:,} a request", 413)

    # --- the fast way -----------------------------------------------------------------------------------------

    def _features_of(self, whole: list[tuple[Any, ...]]) -> list[Cells]:
        """The cells of decoded rows; ValueError where only the slow way can tell."""
        rows = [row[: len(self.names)] for row in whole]
        for at in self._whole:
            for row in rows:
                if type(row[at]) is float and not row[at].is_integer():
                    raise ValueError
        for at in self._times:
            for place, row in enumerate(rows):
                if row[at] is not None:
                    rows[place] = (*row[:at], CONVERTERS["datetime"](row[at]), *row[at + 1 :])
        return rows

    # --- the slow way -----------------------------------------------------------------------------------------

    def read_slowly(self, body: bytes) -> tuple[list[Cells], Ids, bool]:
        """What read_json returns, of any body; BadRequest names what is wrong."""
        value = decode(body)
        for key in value:
            if key not in ("rows", "ids", "explain"):
                raise BadRequest(f"unknown key {quoted(key)}; expected 'rows', 'ids' and 'explain'")
        explain = truth(value.get("explain", False), "explain")
        rows = value.get("rows")
        if not isinstance(rows, list) or not rows:
            raise BadRequest('"rows" is missing or empty; expected a list of objects such as {"x": 1.5}')
        self.check_count(len(rows))
        for position, row in enumerate(rows):
            self._check_row(position, row)
        cells = [self._cells(column, _values(rows, column.name), len(rows), rows) for column in self.features]
        return list(zip(*cells, strict=True)), self._ids(value.get("ids"), rows), explain

    def _check_row(self, position: int, row: Any) -> None:
        if not isinstance(row, dict):
            raise BadRequest(f"row {position} is {_json_type(row)}; expected an object of column and value")
        for name in row:
            if name not in self._known:
                raise BadRequest(f"row {position}: unknown column {quoted(name)}{self._meant(name)}")
        if not any(name in row for name in self.names):
            raise BadRequest(f"row {position} has no feature; expected some of {self._expected()}")

    def _cells(self, column: Column, values: Sequence[Any] | None, count: int, rows: Any = None) -> Sequence[Any]:
        """One column's cells; `rows` are told apart by whether they have the column."""
        if values is None:
            if self.strict:
                raise BadRequest(f"row 0, column {column.name!r}: missing; expected {_wanted(column)}")
            return (None,) * count
        cells = plain_quickly(values, column.kind)
        if cells is None:
            cells = _plain_slowly(column, values)
        if self.strict:
            for position, cell in enumerate(cells):
                if rows is not None and column.name not in rows[position]:
                    raise BadRequest(f"row {position}, column {column.name!r}: missing; expected {_wanted(column)}")
                _check_cell(position, cell, column)
        return cells

    def _ids(self, ids: Any, rows: list[dict[str, Any]]) -> Ids:
        if ids is None:
            name = self.schema.id_column
            return None if name is None else _ids_of_rows([row.get(name) for row in rows])
        if not isinstance(ids, list) or len(ids) != len(rows):
            raise BadRequest(f'"ids" must be a list of as many ids as rows, here {len(rows):,}')
        for position, key in enumerate(ids):
            if not is_id(key):
                raise BadRequest(f"id {position} is {shown(key)}; expected {ID}")
        return ids

    def _meant(self, name: str) -> str:
        if len(name) > LONGEST_GUESSED or len(self.names) > MOST_GUESSED:
            return f"; expected some of {self._expected()}"
        close = difflib.get_close_matches(name, self.names, 1)
        return f"; did you mean {close[0]!r}?" if close else f"; expected some of {self._expected()}"

    def _expected(self) -> str:
        more = len(self.names) - MOST_COLUMNS_TOLD
        return ", ".join(self.names[:MOST_COLUMNS_TOLD]) + (f" and {more} more" if more > 0 else "")


def _plain_slowly(column: Column, values: Sequence[Any]) -> list[float | str | None]:
    for position, value in enumerate(values):
        if isinstance(value, list | dict):
            raise BadRequest(f"row {position}, column {column.name!r}: expected a single value")
    try:
        return plain_values(values, column.name, column.kind)
    except Refused as error:
        raise BadRequest(str(error)) from None


def decode(body: bytes) -> dict[str, Any]:
    """A JSON object; bare NaN and Infinity are accepted, as some clients send them."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(not_json(error)) from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(value, dict):
        raise BadRequest(f"the body is {_json_type(value)}; expected a JSON object")
    return value


def not_json(error: Exception) -> str:
    """What is said of a body that is no JSON."""
    if "set_int_max_str_digits" in str(error):
        return "the body is not valid JSON: a number has too many digits"
    return f"the body is not valid JSON: {error}"


def _values(rows: list[dict[str, Any]], name: str) -> list[Any] | None:
    """A column of rows; None where no row has it."""
    return [row.get(name) for row in rows] if any(name in row for row in rows) else None


def _check_cell(position: int, cell: Any, column: Column) -> None:
    where = f"row {position}, column {column.name!r}"
    if cell is None or cell != cell:
        if not column.nullable:
            raise BadRequest(f"{where}: missing; expected {_wanted(column)}")
    elif column.categories is not None and cell not in column.categories:
        raise BadRequest(f"{where}: {shown(cell)}; expected {_wanted(column)}")
    elif (column.minimum is not None and cell < column.minimum) or (
        column.maximum is not None and cell > column.maximum
    ):
        raise BadRequest(f"{where}: {cell:g}; expected {_wanted(column)}")


def _wanted(column: Column) -> str:
    """What is valid, in words."""
    if column.categories is not None:
        return f"one of {', '.join(column.categories[:MOST_COLUMNS_TOLD])}"
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return f"a value of type {column.kind}"
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g} to {high:g}"


def truth(value: Any, key: str) -> bool:
    """A value that is true or false; BadRequest for another."""
    if not isinstance(value, bool):
        raise BadRequest(f'"{key}" is {shown(value)}; expected true or false')
    return value


def is_id(key: Any) -> bool:
    """Whether it names a row: text of up to LONGEST_ID characters, or a whole number of 64 bits."""
    if isinstance(key, str):
        return 0 < len(key) <= LONGEST_ID
    return isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**64


def _ids_of_rows(ids: Sequence[Any]) -> Ids:
    """Ids that came in the rows' id column, null where a row has none; None where no row has one."""
    for position, key in enumerate(ids):
        if key is not None and not is_id(key):
            raise BadRequest(f"row {position}: its id is {shown(key)}; expected {ID}")
    return list(ids) if any(key is not None for key in ids) else None


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


# --- the decoder made of a schema ---------------------------------------------------------------------------------


def _request_type(schema: Schema, others: list[str], strict: bool) -> Any:
    """{"rows": [row], "ids": [...], "explain": true} as a msgspec type; the fields of a row are its features, then the
    other columns."""
    fields: list[Any] = []
    for at, column in enumerate(schema.features):
        kind = _cell_type(column, strict)
        default = () if strict else (None,)
        fields.append((f"f{at}", kind if strict and not column.nullable else kind | None, *default))
    fields += [(f"f{len(fields) + at}", Any, None) for at in range(len(others))]
    names = [*(column.name for column in schema.features), *others]
    row = msgspec.defstruct(
        "Row", fields, rename={f"f{at}": name for at, name in enumerate(names)},
        forbid_unknown_fields=True, kw_only=True, gc=False,
    )  # fmt: skip
    text, number = msgspec.Meta(min_length=1, max_length=LONGEST_ID), msgspec.Meta(ge=-(2**63), le=2**63 - 1)
    ids = list[Annotated[str, text] | Annotated[int, number]] | None
    wanted: list[Any] = [("rows", list[row]), ("ids", ids, None), ("explain", bool, False)]  # type: ignore[valid-type]
    return msgspec.defstruct("Rows", wanted, forbid_unknown_fields=True)


def _cell_type(column: Column, strict: bool) -> Any:
    """What a cell of a column may be where the fast way reads it."""
    if column.kind == "text":
        return str
    if column.kind == "category":
        return Literal[column.categories] if strict and column.categories is not None else str
    if column.kind == "boolean":
        return bool | Literal[0, 1]
    if column.kind == "datetime":
        return str | float
    bounds = msgspec.Meta(ge=column.minimum, le=column.maximum) if strict else msgspec.Meta()
    number: Any = Annotated[float, bounds]
    return number if column.kind == "number" else Annotated[int, _whole_bounds(column, strict)] | number


def _whole_bounds(column: Column, strict: bool) -> Any:
    """msgspec bounds whole numbers by whole numbers."""
    low, high = (column.minimum, column.maximum) if strict else (None, None)
    return msgspec.Meta(ge=None if low is None else math.ceil(low), le=None if high is None else math.floor(high))
