"""A data file without a schema as columns that are read one at a time, by the kinds that the intake would infer.

A value that does not fit its column's kind is missing, where the intake would set the row aside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.reading import csv, json_lines
from daemon.reading.clean import clean
from daemon.reading.formats import OpenedFile
from daemon.reading.infer import Sampled, sampled
from daemon.reading.layout import Layout
from daemon.reading.local_formats.findings import read_with
from daemon.reading.local_formats.found import Found
from daemon.reading.open_file import open_file, require_file
from daemon.reading.rejects import Rejects
from daemon.reading.sql import release
from drift.columns.casts import TYPES, Cleaned
from drift.columns.kinds import as_texts
from drift.columns.values import join
from drift.notation import agreed, counted
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from retrain.records.errors import Refused, Retry
from retrain.records.formats import Formats
from retrain.records.settings import ColumnKind, IntakeSettings
from retrain.rows.columns import column_values, open_snapshot

BATCH_ROWS = 131_072
INTAKE = IntakeSettings()


@dataclass
class Table:
    """The columns `names` of the Parquet file `path`, read as the layout says ("integer" is "number" here: a fraction
    is a difference, no error). `misfits` counts by name the values that do not fit, of columns that were read."""

    path: Path
    names: tuple[str, ...]
    layout: Layout
    rows: int
    notes: list[str] = field(default_factory=list)
    misfits: dict[str, int] = field(default_factory=dict)

    @property
    def kinds(self) -> Mapping[str, ColumnKind]:
        """Of each column, by name."""
        return self.layout.kinds

    def chunks(self, name: str) -> Iterator[ColumnValues]:
        """The column as its kind, a batch of rows at a time; what does not fit it is missing."""
        kind = "category" if self.kinds[name] == "text" else self.kinds[name]
        misfits = 0
        for column in self._read(name):
            fitted = _fitted(column, name, kind, self.layout.formats_of(name))
            misfits += int(np.count_nonzero(fitted.bad))
            yield column_values(fitted.values, kind)
        self.misfits[name] = max(misfits, self.misfits.get(name, 0))

    def texts(self, name: str) -> Iterator[Any]:
        """The column as Arrow arrays of text, a batch of rows at a time."""
        for column in self._read(name):
            texts = as_texts(column)
            yield texts.dictionary_decode() if pa.types.is_dictionary(texts.type) else texts

    def values(self, name: str, step: int = 1) -> ColumnValues:
        """The column, or every `step`-th value; copied, so that the rest is not kept with them."""
        pieces: list[ColumnValues] = []
        skip = 0
        for chunk in self.chunks(name):
            if step == 1:
                pieces.append(chunk)
            elif isinstance(chunk, Codes):
                pieces.append(Codes(chunk.codes[skip::step].copy(), chunk.names))
            else:
                pieces.append(chunk[skip::step].copy())
            skip = (skip - (len(chunk.codes) if isinstance(chunk, Codes) else len(chunk))) % step
        if pieces:
            return join(pieces)
        numeric = self.kinds[name] in ("number", "datetime")
        return np.zeros(0) if numeric else Codes(np.zeros(0, dtype=np.int64), ())

    def words(self, name: str, most: int) -> list[str | None]:
        """At most so many texts of a column, from all over it."""
        step, skip = max(1, -(-self.rows // most)), 0
        words: list[str | None] = []
        for texts in self.texts(name):
            words += texts.take(pa.array(np.arange(skip, len(texts), step))).to_pylist()
            skip = (skip - len(texts)) % step
        return words

    def note_misfits(self, name: str) -> None:
        """Note how many values of a column that was read are not of its kind."""
        if self.misfits.get(name):
            count, they = self.misfits[name], "it counts" if self.misfits[name] == 1 else "they count"
            no_such = f"{agreed(count, 'are')} no {self.kinds[name]}"
            self.notes.append(f"{counted(count, 'value')} of {name} {no_such}; {they} as missing")

    @cached_property
    def _footer(self) -> Any:
        return pq.read_metadata(self.path)

    @cached_property
    def _types(self) -> Any:
        return self._footer.schema.to_arrow_schema()

    def _read(self, name: str) -> Iterator[Any]:
        words = self.kinds[name] in ("category", "text") and pa.types.is_string(self._types.field(name).type)
        try:
            with open_snapshot(self.path, (name,) if words else (), self._footer) as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[name]):
                    yield batch.column(name)
        except (pa.ArrowException, OSError) as error:
            raise Refused(f"{self.path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def open_table(path: Path, converted: Path, reference: Layout | None = None, wanted: Sequence[str] = ()) -> Table:
    """The file as a table, with what is `wanted` of the fields of JSON objects; None: its kinds are inferred, else they
    are those of the reference, and where the file's own values do not tell how they are written, so is that. Text
    formats are first rewritten as the Parquet file `converted`. Refused, with the path, where it cannot be read."""
    require_file(path)
    copy = converted.with_suffix(".copy")
    try:
        file = open_file(path, INTAKE, copy, wanted)
        if reference is not None and file.kind.format == "parquet":
            return _table(path, file, converted, reference, [])
        sample = sampled(file, converted.with_suffix(".piece.csv"))
        layout = _layout(sample) if reference is None else _alike(_layout(sample), sample.found, reference)
        told = [*file.notes, *(str(finding) for finding in sample.found.findings if finding.level == "assumed")]
        if reference is None or layout.formats != reference.formats:
            told += [text] if (text := read_with(layout.formats)) else []
        return _table(path, file, converted, layout, [f"{path.name}: {text}" for text in told])
    except (Refused, Retry) as error:
        raise Refused(f"{path}: {error.message}", error.hint) from None
    finally:
        copy.unlink(missing_ok=True)
        release()


def _layout(sample: Sampled) -> Layout:
    kinds: dict[str, ColumnKind] = {n: "number" if kind == "integer" else kind for n, kind in sample.kinds.items()}
    return Layout(kinds, sample.found.formats, sample.found.plain)


def _alike(own: Layout, found: Found, reference: Layout) -> Layout:
    """The reference's kinds; of its formats those that the file's own values leave open."""
    numbers = own if found.certain else reference
    dates = dict.fromkeys((*own.formats.date_format, *reference.formats.date_format))
    words = dict.fromkeys((*own.formats.na_values, *reference.formats.na_values))
    formats = replace(numbers.formats, date_format=tuple(dates), na_values=tuple(words))
    return Layout(reference.kinds, formats, numbers.plain)


def _table(path: Path, file: OpenedFile, converted: Path, layout: Layout, notes: list[str]) -> Table:
    left_out = 0
    if file.kind.format == "csv":
        left_out = csv.convert_all(file, layout, converted)
    elif file.kind.format != "parquet":
        rejects = Rejects()
        json_lines.convert(file, file.names, converted, rejects)
        left_out = rejects.count
    if left_out:
        notes.append(f"{counted(left_out, 'row', 'were')} left out of {path.name}: they could not be parsed")
    source = file.path if file.kind.format == "parquet" else converted
    metadata = pq.read_metadata(source)
    if not metadata.num_rows:
        notes.append(f"{path} has no rows")
    return Table(source, file.names, layout, metadata.num_rows, notes, _misfits(file, metadata))


def _misfits(file: OpenedFile, metadata: Any) -> dict[str, int]:
    """The values of a converted CSV that did not fit, by column; see `csv.convert_all`."""
    if file.kind.format != "csv":
        return {}
    places = {metadata.schema.column(place).name: place for place in range(metadata.num_columns)}
    counts = {}
    for position, name in enumerate(file.names):
        place = places.get(csv.misfits_of(position))
        if place is not None:
            groups = (metadata.row_group(group).column(place) for group in range(metadata.num_row_groups))
            counts[name] = sum(group.num_values - group.statistics.null_count for group in groups)
    return counts


def _fitted(column: Any, name: str, kind: ColumnKind, formats: Formats) -> Cleaned:
    """An Arrow array as that kind; all of it is missing where its type can hold no such values."""
    if kind == "category":
        return Cleaned(as_texts(column), np.zeros(len(column), dtype=bool))
    try:
        return clean(column, name, kind, formats)
    except Refused:
        return Cleaned(pa.nulls(len(column), TYPES[kind]), column.is_valid().to_numpy(zero_copy_only=False))
