"""How many labels of a file of labels find their row by id, and what is likely wrong with those that do not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from daemon.reading.operations import JoinRequest, JoinResult
from daemon.reading.rejects import printable, shortened
from retrain.rows.retype import as_kind

MOST_ALIKE = 50
"""Ids are compared by what they likely meant in so many of the newest files."""
FRACTION = re.compile(r"\.0+$")


def join(request: JoinRequest) -> JoinResult:
    """The operation: look for the labels' ids in the files of rows, newest first, until all are found."""
    ids = {name for piece in _ids(request.labels, request) for name in piece}
    left = set(ids)
    for path in request.rows:
        for piece in _ids(path, request) if left else ():
            left.difference_update(piece)
    meant, pair = _alike(left, request)
    hint = "" if pair is None else _difference(*pair, request.id_column)
    return JoinResult(labels=len(ids), joined=len(ids) - len(left), alike=meant, hint=hint)


def _ids(path: Path, request: JoinRequest) -> Iterator[list[str]]:
    """A snapshot's ids as text, of the kind that the schema has now, in batches; none where it has no such column."""
    column = request.id_column
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if column in file.schema_arrow.names:
            for batch in file.iter_batches(columns=[column]):
                yield [str(name) for name in as_kind(batch.column(0), request.kind).to_pylist() if name is not None]


def _alike(left: set[str], request: JoinRequest) -> tuple[int, tuple[str, str] | None]:
    """How many of the ids would find a row if zeros in front, ".0", blanks and case did not count, and the first of
    them beside the row's."""
    wanted = {_plain(name): name for name in sorted(left, reverse=True)}
    found: dict[str, str] = {}
    for path in request.rows[:MOST_ALIKE] if wanted else ():
        for piece in _ids(path, request):
            found |= {plain: name for name in piece if (plain := _plain(name)) in wanted and plain not in found}
    if not found:
        return 0, None
    first = min(found)
    return sum(_plain(name) in found for name in left), (wanted[first], found[first])


def _plain(name: str) -> str:
    """
    >>> _plain(" 00123 "), _plain("123.0"), _plain("A-07")
    ('123', '123', 'a-07')
    """
    text = FRACTION.sub("", name.strip().casefold())
    return text.lstrip("0") or "0" if text.isdigit() else text


def _difference(label: str, row: str, column: str) -> str:
    """What likely happened to the ids, and the way out.

    >>> _difference("7", "007", "id").split(";")[0]
    "'7' is likely '007' of a row, without the zeros in front"
    """
    pair = tuple(repr(shortened(printable(name), 40)) for name in (label, row))
    written = f"write {column} as text (in pandas dtype=str)"
    if FRACTION.search(label.strip()) or FRACTION.search(row.strip()):
        what, way_out = "which was made a fraction", f'{written}, or declare it as "integer"'
    elif label.strip().isdigit() and row.strip().isdigit() and label.strip() != row.strip():
        shorter = len(label.strip()) < len(row.strip())
        what = f"with{'out the' if shorter else ''} zeros in front"
        way_out = f'{written}, or declare it as "integer" where the zeros mean nothing'
    else:
        what, way_out = "in another case or with other blanks", f"write {column} alike in both files"
    return f"{pair[0]} is likely {pair[1]} of a row, {what}; {way_out}"
