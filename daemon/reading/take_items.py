"""A file of items to a snapshot of the catalogue: the item column, `available`, and attributes to filter by."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.reading import csv, json_lines
from daemon.reading.blame import reading
from daemon.reading.digest import file_digest
from daemon.reading.formats import OpenedFile, kind_of
from daemon.reading.measure import refuse_costly
from daemon.reading.open_file import open_file
from daemon.reading.operations import TakeRequest, TakeResult
from daemon.reading.rejects import Reject, Rejects, shortened
from drift.columns.casts import TRUTHS
from drift.notation import agreed, counted
from retrain import durable
from retrain.recommendation.catalogue import Catalogue, attribute_of
from retrain.recommendation.catalogue_file import write_catalogue
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema, event_schema
from retrain.records.settings import ModelSettings

AVAILABLE = "available"
SEPARATOR = "|"
"""Between several values of one attribute in one cell, as in "Action|Comedy"."""
LONGEST = 200
"""Characters of a value that people filter by; longer ones are descriptions."""
MOST_ATTRIBUTES = 64
FEW_UNLISTED = 0.5
"""The share of the items of the newest events that a file of items may lack without a word."""
LISTED_REJECTS = 1000


@dataclass
class _Items:
    """What the rows say, by item: the last one counts."""

    available: dict[str, bool] = field(default_factory=dict)
    values: dict[str, list[list[str]]] = field(default_factory=dict)
    rejects: Rejects = field(default_factory=Rejects)
    again: int = 0


def take_items(path: Path, stem: Path, temporary: Path, request: TakeRequest) -> TakeResult:
    """Take a file of items in; Refused where it has no item column, or no row that names an item."""
    settings = request.settings
    item = str(settings.item_column)
    refuse_costly(path, kind_of(path), settings)
    file = open_file(path, settings.intake, temporary.with_suffix(".copy"), [item])
    if item not in file.names:
        raise Refused(f"the items file has no column {item!r}", quoted=f"; it has {', '.join(file.names[:20])}")
    names = [name for name in file.names if name not in (item, AVAILABLE)][:MOST_ATTRIBUTES]
    found, chosen = _Items(), [item, *([AVAILABLE] if AVAILABLE in file.names else []), *names]
    table = _table(file, chosen, temporary, found.rejects)
    _add(found, table, item, names, 1 + file.skipped if file.kind.format == "csv" else 0)
    rejects = found.rejects
    _check_share(len(found.available) + found.again, rejects, settings)
    snapshot = stem.with_suffix(".parquet")
    durable.crash_point("intake.snapshot.before_write")
    catalogue = _catalogue(found, names)
    notes = [*file.notes, *_unlisted(catalogue, request.chosen, item)]
    write_catalogue(snapshot, catalogue)
    return TakeResult(
        kind="items",
        snapshot=snapshot,
        snapshot_digest=file_digest(snapshot),
        rows=len(catalogue.items),
        labelled_rows=0,
        class_rows={},
        rejected=rejects.count,
        rejects=[reject.to_json() for reject in rejects.first(LISTED_REJECTS)],
        quarantine=None,
        schema=request.schema or event_schema(settings),
        inferred=False,
        not_learned={},
        quality=_quality(catalogue, found, notes),
        first_time=None,
        last_time=None,
    )


def _table(file: OpenedFile, names: Sequence[str], temporary: Path, rejects: Rejects) -> pa.Table:
    """These columns, texts but for those of Parquet, with `__row` where the format counts lines; what cannot be parsed
    is added to `rejects`."""
    if file.kind.format == "parquet":
        with reading("cannot be read as Parquet"):
            return pq.read_table(file.path, columns=list(names), pre_buffer=False)
    schema = Schema(tuple(Column(name, "category") for name in names), "classification", names[0])
    if file.kind.format == "csv":
        csv.convert(file, schema, temporary, rejects)
    else:
        json_lines.convert(file, list(names), temporary, rejects)
    return pq.read_table(temporary, pre_buffer=False)


def _add(found: _Items, table: pa.Table, item: str, names: Sequence[str], above: int) -> None:
    """Add what the rows say; `above` them there are so many lines."""
    columns = table.to_pydict()
    lines = columns.get("__row") or range(1, table.num_rows + 1)
    stated = columns.get(AVAILABLE) or [None] * table.num_rows
    for row, (line, name, state) in enumerate(zip(lines, columns[item], stated, strict=True)):
        known, truth = _text(name), _truth(state)
        if known is None or truth is None:
            reason = "is missing" if known is None else f"{shortened(str(state))!r} is not true or false"
            found.rejects.append(Reject(line + above, item if known is None else AVAILABLE, reason))
            continue
        found.again += known in found.available
        found.available[known] = truth
        found.values[known] = [_values(columns[one][row]) for one in names]


def _catalogue(found: _Items, names: Sequence[str]) -> Catalogue:
    """Sorted by name; attributes without any value are left out."""
    items = np.array(sorted(found.available), dtype=object)
    available = np.array([found.available[one] for one in items], bool)
    attributes = {name: attribute_of([found.values[one][place] for one in items]) for place, name in enumerate(names)}
    return Catalogue(items, available, {name: one for name, one in attributes.items() if len(one.values)})


def _values(value: Any) -> list[str]:
    """The values of a cell: of a list, its parts; of a text, what stands between bars. None twice, no long one."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    several = value if isinstance(value, list) else value.split(SEPARATOR) if isinstance(value, str) else [value]
    texts = [text for one in several if not isinstance(one, dict) and (text := _text(one)) is not None]
    return list(dict.fromkeys(text for text in texts if len(text) <= LONGEST))


def _text(value: Any) -> str | None:
    """As a category reads it; None where there is nothing."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def _truth(value: Any) -> bool | None:
    """Whether an item is available: unless somebody says no. None where it is neither."""
    text = _text(value)
    return True if text is None else TRUTHS.get(text.lower())


def _check_share(good: int, rejects: Rejects, settings: ModelSettings) -> None:
    rows = good + rejects.count
    if not rows:
        raise Refused("the items file has no rows", "expected one row an item")
    if not good or rejects.count / rows > settings.intake.max_reject_share:
        (first,) = rejects.first(1)
        where = f"line {first.line}" + (f", column {first.column}" if first.column else "")
        bad = f"{rejects.count:,} of {counted(rows, 'row')} {agreed(rejects.count, 'are')} bad"
        raise Refused(f"{bad}; the first: {where}: {first.reason}", "the items that were known stay")


def _unlisted(catalogue: Catalogue, snapshots: Sequence[Path], item: str) -> list[str]:
    """How many items of the newest events it lacks, where these are many. Refused where it lacks all: with it every
    list would be empty, and what was known stays instead."""
    chosen = {name for path in snapshots for name in pq.read_table(path, columns=[item]).column(0).unique().to_pylist()}
    chosen.discard(None)
    lacking = chosen - set(catalogue.items)
    if chosen and lacking == chosen:
        raise Refused(
            f"none of the {counted(len(chosen), 'item')} of the newest events is in it: these are written like "
            f"{shortened(min(chosen))!r}, the file's like {shortened(str(catalogue.items[0]))!r}",
            "write them alike; the items that were known stay",
        )
    if len(lacking) <= FEW_UNLISTED * len(chosen):
        return []
    of = f"of {counted(len(chosen), 'item')} of the newest events"
    return [f"{len(lacking):,} {of} {agreed(len(lacking), 'are')} not listed, and not recommended any more"]


def _quality(catalogue: Catalogue, found: _Items, notes: Sequence[str]) -> dict[str, Any]:
    told, away = list(notes), int(np.count_nonzero(~catalogue.available))
    if away:
        told.append(f"{counted(away, 'item')} of {len(catalogue.items):,} {agreed(away, 'are')} not available")
    if found.again:
        told.append(f"{counted(found.again, 'item')} came twice; the last row of each counts")
    return {
        "rows": len(catalogue.items), "duplicate_rows": 0, "future_times": 0, "extra_columns": [], "hint": "",
        "columns": {}, "unclear": [], "notes": told, "advice": "", "available": len(catalogue.items) - away,
        "attributes": list(catalogue.attributes),
    }  # fmt: skip
