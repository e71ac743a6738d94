"""Ids that are no ids but objects or lists: whoever asks for a user by name would never find one."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daemon.reading.rejects import shortened
from retrain.records.errors import Refused

BRACKETS = r"^\s*(\{.*\}|\[.*\])\s*$"
"""What may be an object or a list; a title such as "[REC]" is none."""
SOME = 0.5
"""With so large a share of them it is no odd row, but the wrong column."""
NO_ID = "is an object or a list, no id"


def nested_ids(column: Any, name: str, setting: str) -> NDArray[np.bool_]:
    """Which of an Arrow array of ids (n,) are objects or lists, of Parquet or in JSON; a missing one is none. Refused
    where most of a column are, which this setting names."""
    if pa.types.is_nested(column.type):
        value: Any = next((one for one in column.to_pylist() if one is not None), [])
        raise _refusal(
            value, name, setting, f"flatten the file, or write JSON lines and {_field(value, name, setting)}"
        )
    texts = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        return np.zeros(len(column), dtype=bool)
    found = pc.fill_null(pc.match_substring_regex(texts, BRACKETS), False).to_numpy(zero_copy_only=False).copy()
    places = np.flatnonzero(found)
    values = [_parsed(text) for text in texts.take(pa.array(places)).to_pylist()]
    found[places] = [value is not None for value in values]
    if found.sum() > SOME * len(found):
        value = next(one for one in values if one is not None)
        raise _refusal(value, name, setting, f"name the field that is one: {_field(value, name, setting)}")
    return np.asarray(found, dtype=bool)


def _refusal(value: Any, name: str, setting: str, way_out: str) -> Refused:
    """An object has a field to name; a list has to be taken apart."""
    if isinstance(value, dict):
        return Refused(f"{setting} {name!r} holds objects such as {_shown(value)}, no ids", way_out)
    return Refused(f"{setting} {name!r} holds lists such as {_shown(value)}, no ids", "write one row for each element")


def _field(value: Any, name: str, setting: str) -> str:
    """The setting that names the field of an object that looks most like an id."""
    keys = list(value) if isinstance(value, dict) else []
    plain = [key for key in keys if not isinstance(value[key], dict | list)]
    ids = sorted((key for key in plain if key.lower().endswith("id")), key=len)
    return f'{setting} = "{name}.{next(iter(ids or plain or keys), "id")}"'


def _shown(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


def _parsed(text: str) -> dict[str, Any] | list[Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
