"""MLflow's scoring protocol: dataframe_split, dataframe_records, instances or inputs to rows.

https://mlflow.org/docs/latest/genai/serving and mlflow.pyfunc.scoring_server."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from daemon.server.refusal import BadRequest, quoted
from daemon.server.rows import Ids, RowReader, decode
from drift.notation import counted
from retrain.model.encoding import Cells

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
BESIDES = ("params",)
MOST_KEYS_TOLD = 10


def read_invocation(body: bytes, content_type: bytes | None, reader: RowReader) -> tuple[list[Cells], Ids]:
    """The rows of a scoring request and their ids."""
    if content_type is not None and content_type.split(b";")[0].strip().lower() != b"application/json":
        media_type = content_type.decode("latin-1")[:60]
        raise BadRequest(f"Content-Type {media_type!r}; expected application/json", 415)
    value = decode(body)
    given = [form for form in FORMS if form in value]
    if len(given) != 1 or any(key not in (*FORMS, *BESIDES) for key in value):
        got = ", ".join(map(quoted, islice(value, MOST_KEYS_TOLD))) or "nothing"
        raise BadRequest(f"expected exactly one of {', '.join(FORMS)}; got {got}")
    form, content = given[0], value[given[0]]
    if form == "dataframe_split":
        return _split(content, reader)
    if isinstance(content, dict):
        return _columns(form, content, reader)
    if not isinstance(content, list) or not content:
        raise BadRequest(f"{form!r} is empty or no list; expected rows")
    if isinstance(content[0], dict):
        return _records(form, content, reader)
    return _lists(form, content, reader.names, reader)


def _split(content: Any, reader: RowReader) -> tuple[list[Cells], Ids]:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise BadRequest('"dataframe_split" needs "columns" and "data"')
    columns = content.get("columns", reader.names)
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise BadRequest('"columns" must be a list of names')
    reader.check_names(columns)
    if len(set(columns)) != len(columns):
        raise BadRequest('"columns" names a column twice')
    return _lists("data", content["data"], columns, reader)


def _records(form: str, content: list[Any], reader: RowReader) -> tuple[list[Cells], Ids]:
    reader.check_count(len(content))
    names: dict[str, None] = {}
    for position, row in enumerate(content):
        if not isinstance(row, dict):
            raise BadRequest(f"row {position} of {form!r} is no object of column and value")
        reader.check_names(row)  # so that there are no more names than columns
        if not row.keys() <= names.keys():
            names |= dict.fromkeys(row)
    return reader.read_columns({name: [row.get(name) for row in content] for name in names}, len(content))


def _columns(form: str, content: dict[str, Any], reader: RowReader) -> tuple[list[Cells], Ids]:
    """Lists by column name, a single value standing for a list of one."""
    reader.check_names(content)
    columns = {name: values if isinstance(values, list) else [values] for name, values in content.items()}
    counts = {len(values) for values in columns.values()}
    if len(counts) != 1:
        raise BadRequest(f"the columns of {form!r} are not of one length")
    flat = {name: [v[0] if isinstance(v, list) and len(v) == 1 else v for v in vs] for name, vs in columns.items()}
    return reader.read_columns(flat, counts.pop())


def _lists(form: str, content: list[Any], names: Sequence[str], reader: RowReader) -> tuple[list[Cells], Ids]:
    if content:
        reader.check_count(len(content))
    for position, row in enumerate(content):
        if not isinstance(row, list) or len(row) != len(names):
            given = f"{counted(len(row), 'value')}" if isinstance(row, list) else "no list"
            raise BadRequest(f"row {position} of {form!r} has {given}; expected {len(names)}: {', '.join(names[:20])}")
    columns = list(zip(*content, strict=True)) if content else [()] * len(names)
    return reader.read_columns(dict(zip(names, columns, strict=True)), len(content))
