"""How the columns of a file are distributed beside those that a version was trained on: read of the file's snapshot and
of what the version keeps of its data. Both never change, so that what was read last is kept."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from daemon.ledger import deployments
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema
from retrain.store.versions import read_json

if TYPE_CHECKING:
    from drift.profiles.profile import ColumnValues, Profile

MOST_ROWS = 50_000
"""So many rows of a file are looked at, from all over it, where it has more."""
KEPT = 16
Distributions = Mapping[str, Mapping[str, Any]]


def distributions(version: Path, snapshot: Path, names: tuple[str, ...]) -> Distributions:
    """By name, of those of these columns that can be drawn, the shares of bins or categories: `reference` of the rows
    that taught the version in that folder, `current` of the file. Nothing where the snapshot or the version is no
    longer there, or cannot be read."""
    try:
        return _read(version, snapshot, names)
    except (OSError, ValueError, KeyError, Refused):
        return {}


@lru_cache(maxsize=KEPT)
def _read(version: Path, snapshot: Path, names: tuple[str, ...]) -> Distributions:
    from drift.profiles.profile import profile
    from drift.profiles.side_by_side import side_by_side

    schema = Schema.from_json(read_json(version / "schema.json"))
    reference = _reference(version / "reference", names)
    found: dict[str, Mapping[str, Any]] = {}
    for name, values in _values(snapshot, schema, reference):
        if beside := side_by_side(reference[name], profile(values)):
            found[name] = {**beside, "dates": True} if _is_date(schema, name) else beside
    return found


def taught_by(conn: Connection, model: str, number: int | None) -> str | None:
    """The newest version of a deployment, of whose data checks have their reference; None where it is not known."""
    deployment = deployments.numbered(conn, model, number)
    return None if deployment is None else max((one.version for one in deployment.members), key=_number)


def _number(version: str) -> int:
    return int(version[1:].partition("-")[0])


def _reference(folder: Path, names: Sequence[str]) -> "dict[str, Profile]":
    """The profiles of these columns, as far as there are some; their values stay on disk."""
    from drift.profiles.serialization import unpack
    from retrain.store.reference_files import read_arrays

    stored = read_json(folder / "reference.json")
    meta = {name: entry for name, entry in stored["meta"]["columns"].items() if name in names}
    return unpack(meta, read_arrays(folder, ["columns"])["columns"], grids=False)


def _values(snapshot: Path, schema: Schema, wanted: "Mapping[str, Profile]") -> "Iterator[tuple[str, ColumnValues]]":
    """Values of the wanted columns, and of what is derived of dates."""
    from drift.derived.calendar import calendar_columns
    from retrain.rows.columns import column_values, open_snapshot

    kept = [column for column in schema.columns if column.kind != "text" and _has_wanted(column, wanted)]
    with open_snapshot(snapshot, [column.name for column in kept if column.kind == "category"]) as file:
        groups = _some_groups([file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)])
        for column in kept:
            if column.name not in file.schema_arrow.names:
                continue
            read = file.read_row_groups(groups, columns=[column.name]).column(0)
            values = column_values(_some_rows(read), column.kind)
            derived = calendar_columns(column.name, values) if column.kind == "datetime" else ()  # type: ignore[arg-type]
            yield from ((name, found) for name, found in ((column.name, values), *derived) if name in wanted)


def _has_wanted(column: Column, wanted: "Mapping[str, Profile]") -> bool:
    is_date = column.kind == "datetime"
    return column.name in wanted or (is_date and any(name.startswith(f"{column.name} (") for name in wanted))


def _is_date(schema: Schema, name: str) -> bool:
    return any(column.name == name and column.kind == "datetime" for column in schema.columns)


def _some_groups(rows: Sequence[int]) -> list[int]:
    """Numbers of row groups from all over a file, with as many rows as are looked at, or a little more.

    >>> _some_groups([30_000, 30_000, 30_000, 30_000]), _some_groups([10])
    ([0, 2], [0])
    """
    step = max(1, sum(rows) // MOST_ROWS)
    return list(range(0, len(rows), step))


def _some_rows(column: Any) -> Any:
    """Every so many-th value of an Arrow column that is longer than what is looked at."""
    import numpy as np
    import pyarrow as pa

    step = -(-len(column) // MOST_ROWS)
    return column if step <= 1 else column.take(pa.array(np.arange(0, len(column), step)))
