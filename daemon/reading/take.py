"""A settled file to a snapshot: read, matched with the schema, cleaned, judged; bad rows apart with their reasons.

The user's file is only read. Nothing here is published: what is written lies in the work folder.
"""

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daemon.reading import csv, json_lines
from daemon.reading.batches import batches
from daemon.reading.blame import reading
from daemon.reading.clean import clean
from daemon.reading.columns import Matched, match, target_hint
from daemon.reading.digest import file_digest, refuse_leading_out
from daemon.reading.event_quality import EventQuality
from daemon.reading.event_times import AHEAD, event_times
from daemon.reading.forgotten import in_raw, told_of
from daemon.reading.formats import OpenedFile, kind_of
from daemon.reading.header import refuse_alike
from daemon.reading.infer import infer_schema, named_columns, not_learned, require_named, sampled
from daemon.reading.look import refuse_large
from daemon.reading.marks import Marks
from daemon.reading.measure import refuse_costly
from daemon.reading.misread import advice_on, misread
from daemon.reading.nested import NO_ID, nested_ids
from daemon.reading.open_file import open_file
from daemon.reading.operations import TakeRequest, TakeResult
from daemon.reading.prepared import refuse_unprepared
from daemon.reading.quality import ColumnQuality, RowHashes
from daemon.reading.recorded import SUM_TOLERANCE, outside, sums, version_rows
from daemon.reading.rejects import Reject, Rejects, Share, misfit, shortened
from daemon.reading.sql import spill_to
from daemon.reading.take_items import take_items
from drift.columns.casts import TYPES, Cleaned
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.records.new_classes import odd_spellings, undeclared, unified
from retrain.records.schema import Column, Recorded, Schema
from retrain.records.settings import ModelSettings
from retrain.rows.event_times import AHEAD_S, time_span
from retrain.rows.targets import class_column

LISTED_REJECTS = 1000
ADVISED_REJECTS = 20
LISTED_UNCLEAR = 50
PATTERN_MARKS = "*?["
ALL_FORGOTTEN = "all its rows are of people who are forgotten"
OUTSIDE_YEARS = "is outside of the years 1 to 9999"


@dataclass
class Tally:
    """What the rows of a file come to."""

    rows: int = 0
    labelled: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    future: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    forgotten: int = 0

    def served(self) -> dict[str, Any]:
        """Of the rows that another system answered, the version that answered most of them (of some that answered as
        many the one that came last), and how many; nothing where they do not say."""
        if not self.versions:
            return {}
        version, rows = max(reversed(self.versions.items()), key=lambda one: one[1])
        return {"served_version": version, "served_rows": rows}

    def span(self) -> tuple[float | None, float | None]:
        """The first and the last event time that is not ahead of the clock."""
        return time_span(np.array(self.times or [time.time()] * bool(self.future))) or (None, None)


def take(request: TakeRequest) -> TakeResult:
    """The operation: take a file in. Refused where it is beyond repair."""
    path, work = request.path, request.work
    refuse_leading_out(path, request.root)
    durable.make_folder(work, "intake.work")
    spill_to(work)
    stem = work / uuid.uuid4().hex
    endings = "".join(one for one in path.suffixes[-2:] if one.isascii() and one[1:].isalnum())
    temporary, alias = stem.with_suffix(".raw.parquet"), stem.with_suffix(f".source{endings}")
    try:
        taker = take_items if request.items else _take
        return taker(_nameable(path, alias), stem, temporary, request)
    except BaseException as error:
        for made in (stem.with_suffix(".parquet"), stem.with_suffix(".jsonl")):
            made.unlink(missing_ok=True)
        raise _blamed(error, path, request.root is not None) from None
    finally:
        for made in (temporary, temporary.with_suffix(".copy"), alias):
            made.unlink(missing_ok=True)


def _blamed(error: BaseException, path: Path, is_watched: bool) -> BaseException:
    """The error as what it means for the file; of one in a watched folder, which anybody may have put there, without
    what it says."""
    if isinstance(error, FileNotFoundError) and not path.exists():
        return Retry(f"{path} vanished")
    if isinstance(error, PermissionError) and not os.access(path, os.R_OK):
        return Refused("may not be read by this user", "make it readable")
    return error.unquoted() if isinstance(error, Refused) and is_watched else error


def _nameable(path: Path, alias: Path) -> Path:
    """A path that libraries can be given: one whose name is no valid text, or looks like a pattern by which they would
    look at all its neighbours, gets a link with a plain name."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        is_plain = False
    else:
        is_plain = not any(mark in str(path) for mark in PATTERN_MARKS)
    if is_plain:
        return path
    alias.symlink_to(path.absolute())
    return alias


def _take(path: Path, stem: Path, temporary: Path, request: TakeRequest) -> TakeResult:
    settings = request.settings
    refuse_large(path.stat().st_size, settings.limits.max_file)
    parsed = _read(path, temporary, settings, request.schema)
    matched, rejects, snapshot = parsed.matched, parsed.rejects, stem.with_suffix(".parquet")
    misfits = Rejects()
    events = EventQuality.of(matched.schema, settings)
    tally, quality = _write(
        parsed.source, matched, snapshot, misfits, request.classes, events, settings.limits.max_cells,
        request.forgotten,
    )  # fmt: skip
    refuse_unprepared(snapshot, matched, settings, request.config_dir)
    rejects.extend(_in_file(misfits.first(), rejects.first(), parsed.skipped) if parsed.is_csv else misfits.first())
    rejects.count += misfits.count - len(misfits.first())
    if (marks := request.forgotten) is not None:
        tally.forgotten += rejects.leave_out(lambda reject: told_of(reject, marks))
    advice = advice_on([reject.reason for reject in rejects.first(ADVISED_REJECTS)], matched.schema.formats)
    if tally.forgotten and not tally.rows + rejects.count:
        raise Refused(ALL_FORGOTTEN)
    if not tally.rows + rejects.count:
        raise Refused("the file has a header and no rows", "expected rows")
    Share(settings.intake.max_reject_share).refuse(tally.rows, rejects, advice)
    first_time, last_time = tally.span()
    notes = [*parsed.notes, *(events.notes() if events else ())]
    quality |= {"unclear": [*parsed.unclear[:LISTED_UNCLEAR]], "notes": notes, "advice": advice}
    return TakeResult(
        kind=matched.kind,
        snapshot=snapshot,
        snapshot_digest=file_digest(snapshot),
        rows=tally.rows,
        labelled_rows=tally.labelled,
        class_rows=dict(tally.classes) if settings.task == "classification" else {},
        rejected=rejects.count,
        rejects=[reject.to_json() for reject in rejects.first(LISTED_REJECTS)],
        quarantine=_quarantine(rejects, stem.with_suffix(".jsonl")),
        schema=matched.schema,
        inferred=request.schema is None,
        not_learned=parsed.not_learned,
        quality=quality,
        first_time=first_time,
        last_time=last_time,
        forgotten=tally.forgotten,
    )


@dataclass(frozen=True)
class Parsed:
    """The file as the Parquet file `source`, what matched, the rows that could not even be parsed, the lines above the
    header; `unclear` is what was assumed or not understood of its formats, `notes` how else it was read, `not_learned`
    why columns of a schema that is inferred are no features."""

    source: Path
    matched: Matched
    rejects: Rejects
    is_csv: bool = False
    skipped: int = 0
    unclear: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_learned: dict[str, str] = field(default_factory=dict)


def _read(path: Path, temporary: Path, settings: ModelSettings, schema: Schema | None) -> Parsed:
    wanted = [c.name for c in schema.columns] if schema else named_columns(settings)
    refuse_costly(path, kind_of(path), settings)
    file = open_file(path, settings.intake, temporary.with_suffix(".copy"), wanted)
    left_out: dict[str, str] = {}
    if schema is None:  # before anything else: what a file says that has nothing to do with the model is not told
        require_named(file.names, settings)
    else:
        match(file.names, schema)
    refuse_alike(_told_apart(file, schema))
    if schema is None:
        sample = sampled(file, temporary.with_suffix(".piece.csv"))
        schema = infer_schema(sample, settings)
        unclear = tuple(str(finding) for finding in sample.found.findings if finding.level != "understood")
        left_out = not_learned(sample, schema)
    else:
        unclear = misread(file, schema)
    return replace(_parsed(path, temporary, file, schema), unclear=unclear, not_learned=left_out)


def _told_apart(file: OpenedFile, schema: Schema | None) -> Sequence[str]:
    """Names of columns that the reader of the format has to tell apart: of a CSV all, else those that are read."""
    if schema is None or file.kind.format == "csv":
        return file.names
    return [] if file.kind.format == "parquet" else [c.name for c in schema.columns if c.name in file.names]


def _parsed(path: Path, temporary: Path, file: OpenedFile, schema: Schema) -> Parsed:
    matched, rejects = match(file.names, schema), Rejects()
    if file.kind.format == "parquet":
        return Parsed(path, matched, rejects)
    if file.kind.format == "csv":
        csv.convert(file, matched.schema, temporary, rejects)
        return Parsed(temporary, matched, rejects, True, file.skipped, (), file.notes)
    names = [column.name for column in matched.schema.columns if column.name in file.names]
    json_lines.convert(file, names, temporary, rejects)
    return Parsed(temporary, matched, rejects, notes=file.notes)


def _write(
    source: Path,
    matched: Matched,
    snapshot: Path,
    rejects: Rejects,
    classes: Sequence[str],
    events: EventQuality | None,
    most_cells: int,
    forgotten: Marks | None = None,
) -> tuple[Tally, dict[str, Any]]:
    """Write the clean rows as the snapshot, labels as the `classes` are written; the rejected rows are added to
    `rejects`, the rows of a log to `events`; those of people who are `forgotten` are left out. Refused where there are
    more cells than `most_cells`."""
    schema, tally, hashes, cells = matched.schema, Tally(), RowHashes(), 0
    qualities = {column.name: ColumnQuality(column) for column in schema.columns}
    fields = [pa.field(column.name, TYPES[column.kind]) for column in schema.columns]
    arrow = pa.schema([*fields, pa.field("__row", pa.int64())])
    with reading("cannot be read as Parquet"):
        durable.crash_point("intake.snapshot.before_write")
        with pq.ParquetWriter(snapshot, arrow, compression="zstd", write_statistics=False) as writer:
            for batch in batches(source, [column.name for column in schema.columns], rejects):
                cells += batch.num_rows * len(schema.columns)
                if cells > most_cells:
                    reason = f"the file has more than {most_cells:,} cells, which limits.max_cells is"
                    raise Refused(reason, "raise it, or split the file")
                theirs = None if forgotten is None else in_raw(batch, schema, forgotten)
                if theirs is not None and theirs.any():
                    tally.forgotten += int(theirs.sum())
                    batch = batch.filter(pa.array(~theirs))  # noqa: PLW2901 - what is read on
                table = _clean_batch(batch, schema, qualities, rejects, classes, events)
                if table.num_rows:
                    _count(table, schema, tally)
                    if events is not None:  # which count their own repetitions
                        events.add(table)
                    else:
                        hashes.add([table.column(c.name).combine_chunks() for c in schema.columns], table.num_rows)
                    writer.write_table(table)
    if not matched.labelled:
        del qualities[schema.target]
    return tally, {
        "rows": tally.rows,
        "duplicate_rows": hashes.duplicates(),
        "future_times": tally.future,
        **tally.served(),
        "extra_columns": list(matched.extra[:50]),
        "hint": target_hint(matched),
        "columns": {name: counts for name, quality in qualities.items() if (counts := quality.to_json())},
        **({"events": events.to_json()} if events is not None and tally.rows else {}),
    }


def _clean_batch(
    batch: Any,
    schema: Schema,
    qualities: dict[str, ColumnQuality],
    rejects: Rejects,
    classes: Sequence[str],
    events: EventQuality | None = None,
) -> pa.Table:
    """The batch's good rows in the schema's types."""
    present = set(batch.schema.names)
    arrays: dict[str, Any] = {}
    infinite: dict[str, int] = {}
    good = np.ones(batch.num_rows, dtype=bool)
    named = (schema.target, *(() if schema.recorded is None else (schema.recorded.prediction,)))
    for column in schema.columns:
        if column.name not in present:
            arrays[column.name] = pa.nulls(batch.num_rows, TYPES[column.kind])
            continue
        raw = batch.column(column.name)
        if events is not None and column.name in events.ids:
            _reject_nested(batch, raw, column.name, events.ids[column.name], good, rejects)
        if events is not None and column.name == schema.time_column:
            cleaned = _moments(batch, raw, column, schema, good, rejects, events)
        else:
            cleaned = clean(raw, column.name, column.kind, schema.formats_of(column))
        bad = cleaned.bad
        if not column.nullable:
            bad = bad | cleaned.values.is_null().to_numpy(zero_copy_only=False)
        if column.name in named and column.kind == "category" and schema.task == "classification":
            cleaned = replace(cleaned, values=_spelled(cleaned.values, column.categories or classes))
        if column.name in named and column.categories is not None and schema.task == "classification":
            bad = bad | _undeclared(cleaned.values, column.categories)
        if bad.any():
            _reject(batch, raw, column, bad & good, rejects, named)
            good &= ~bad
        arrays[column.name], infinite[column.name] = cleaned.values, cleaned.infinite
    if schema.recorded is not None:
        _reject_impossible(batch, schema.recorded, arrays, good, rejects)
    table = pa.table({**arrays, "__row": batch.column("__row")})
    if not good.all():
        table = table.filter(pa.array(good))
    for column in schema.columns:
        values = table.column(column.name).combine_chunks()
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        qualities[column.name].add(values, infinite.get(column.name, 0))
    return table


def _moments(
    batch: Any, raw: Any, column: Column, schema: Schema, good: Any, rejects: Rejects, events: EventQuality
) -> Cleaned:
    """When events were; those that lie ahead are rejected here, and no longer `good`."""
    times = event_times(raw, column.name, time.time(), schema.formats_of(column))
    events.in_ms += times.in_ms

    def reason(position: int) -> str:
        return f"{shortened(str(raw[position].as_py()))!r} {AHEAD}"

    _set_aside(batch, column.name, times.ahead & good, rejects, reason)
    good &= ~times.ahead
    return times.cleaned


def _reject_nested(batch: Any, raw: Any, name: str, setting: str, good: Any, rejects: Rejects) -> None:
    """Objects and lists in a column of ids are rejected here, and no longer `good`."""
    found = nested_ids(raw, name, setting)
    _set_aside(batch, name, found & good, rejects, lambda _: NO_ID)
    good &= ~found


def _spelled(labels: Any, known: Sequence[str]) -> Any:
    """Labels (n,), what means the same written alike."""
    names, odd, listed = pc.dictionary_encode(labels), odd_spellings(known), set(known)
    written = pa.array(
        [name if name in listed else odd.get(unified(name), unified(name)) for name in names.dictionary.to_pylist()],
        names.dictionary.type,
    )
    return labels if written.equals(names.dictionary) else written.take(names.indices).cast(labels.type)


def _undeclared(labels: Any, classes: Sequence[str]) -> Any:
    """Which labels (n,) are none of the declared classes; a missing one is no wrong one."""
    return pc.invert(pc.is_in(labels, value_set=pa.array([*classes, None], labels.type))).to_numpy(zero_copy_only=False)


def _reject_impossible(batch: Any, recorded: Recorded, arrays: dict[str, Any], good: Any, rejects: Rejects) -> None:
    """Rows with impossible probabilities are rejected here, and no longer `good`."""
    for _, column in recorded.probabilities:
        values = arrays[column]
        bad = outside(values) & good
        shown = [f"{value:g} is no probability, 0 to 1" for value in values.filter(pa.array(bad)).to_pylist()]
        _set_aside(batch, column, bad, rejects, dict(zip(np.flatnonzero(bad).tolist(), shown, strict=True)).__getitem__)
        good &= ~bad
    total = sums(recorded, arrays)
    if total is not None:
        bad = ~(np.abs(total - 1.0) <= SUM_TOLERANCE) & good
        name = recorded.probabilities[0][1]
        _set_aside(batch, name, bad, rejects, lambda at: f"the probabilities add up to {total[at]:.4g}, not to 1")
        good &= ~bad


def _reject(batch: Any, raw: Any, column: Any, bad: Any, rejects: Rejects, named: Collection[str]) -> None:
    def reason(position: int) -> str:
        try:
            value = raw[position].as_py()
        except (OverflowError, ValueError):  # no moment of Python's
            return OUTSIDE_YEARS
        if value is not None and column.name in named and column.categories is not None:
            return undeclared(shortened(str(value)), column.categories)
        return "is missing" if value is None else misfit(value, column.kind)

    _set_aside(batch, column.name, bad, rejects, reason)


def _set_aside(batch: Any, name: str, bad: Any, rejects: Rejects, reason: Callable[[int], str]) -> None:
    """Add the rows that are bad (n,) to the rejects; `reason` says why of the one at a position."""
    positions = np.flatnonzero(bad)
    lines = batch.column("__row").to_numpy(zero_copy_only=False)[positions].tolist()
    rejects.add(lines, lambda place: Reject(lines[place], name, reason(int(positions[place]))))


def _count(table: pa.Table, schema: Schema, tally: Tally) -> None:
    tally.rows += table.num_rows
    tally.versions.update(version_rows(schema.recorded, table))
    target = table.column(schema.target)
    tally.labelled += table.num_rows - target.null_count
    if schema.task == "classification":
        for entry in pc.value_counts(class_column(target).drop_null()).to_pylist():
            tally.classes[entry["values"]] += entry["counts"]
    if schema.time_column is None or schema.time_column not in table.column_names:
        return
    seconds = event_seconds(table.column(schema.time_column))
    present = seconds[np.isfinite(seconds)]
    if len(present):
        ahead = present > time.time() + AHEAD_S
        tally.future += int(np.count_nonzero(ahead))
        tally.times.extend(time_span(present[~ahead]) or ())


def event_seconds(column: Any) -> Any:
    """A time column as Unix seconds (n,), NaN where missing; numbers are seconds already."""
    if pa.types.is_timestamp(column.type):
        return np.asarray(pc.cast(pc.cast(column, pa.int64()), pa.float64(), safe=False).to_numpy()) / 1e6
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy())


def _in_file(misfits: list[Reject], unparsed: list[Reject], above: int) -> list[Reject]:
    """Rejects of parsed CSV rows by their line: the header's, those above it and those of rows that could not be parsed
    count too. Exact unless values span lines."""
    skipped = sorted(reject.line or 0 for reject in unparsed)
    first = above + 1
    placed, passed = [], 0
    for reject in sorted(misfits, key=lambda one: one.line or 0):
        while passed < len(skipped) and skipped[passed] <= (reject.line or 0) + first + passed:
            passed += 1
        placed.append(replace(reject, line=(reject.line or 0) + first + passed))
    return placed


def _quarantine(rejects: Rejects, path: Path) -> Path | None:
    if not rejects.count:
        return None
    durable.crash_point("intake.quarantine.before_write")
    with path.open("w", encoding="utf-8") as file:
        for reject in rejects.first():
            file.write(json.dumps(reject.to_json(), ensure_ascii=False) + "\n")
    return path
