"""How many labels of a file of labels find their row by id, and what is likely wrong with those that do not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daemon.reading.operations import JoinLaterRequest, JoinLaterResult, JoinRequest, JoinResult
from daemon.reading.rejects import printable, shortened
from drift.columns.casts import TYPES
from retrain.rows.retype import as_kind

MOST_IDS = 100_000
"""Of a file of labels, evenly chosen, are looked for."""
ALIKE_IDS, ALIKE_ROWS = 1_000, 500_000
"""So many ids that were not found are compared by what they likely meant, with so many of the newest rows."""
BATCH_ROWS = 1_000_000
FRACTION = re.compile(r"\.0+$")


def join(request: JoinRequest) -> JoinResult:
    """The operation: look for the labels' ids in the files of rows, newest first, until all are found."""
    wanted = _label_ids(request.labels, request)
    chosen = wanted[:: max(1, -(-len(wanted) // MOST_IDS))]
    left, read = chosen, 0
    for path in request.rows:
        if not len(left) or read >= request.most_rows:
            break
        for piece in _ids(path, request):
            left, read = left.filter(pc.invert(pc.is_in(left, value_set=_those_of(piece, left)))), read + len(piece)
    else:
        read = 0
    scale = len(wanted) / max(1, len(chosen))
    alike, pair = _alike(left[:ALIKE_IDS], request)
    return JoinResult(
        labels=len(wanted),
        joined=round((len(chosen) - len(left)) * scale),
        alike=round(alike * scale * max(1.0, len(left) / ALIKE_IDS)),
        hint="" if pair is None else _difference(*pair, request.id_column),
        complete=not len(left) or not read,
    )


def join_later(request: JoinLaterRequest) -> JoinLaterResult:
    """The operation: rows came after their labels."""
    wanted = [_label_ids(path, request) for path in request.labels]
    every = pa.concat_arrays(wanted)
    found = [_those_of(piece, every) for piece in _ids(request.rows, request)]
    rows = pa.concat_arrays(found) if found else every[:0]
    return JoinLaterResult(found=[pc.sum(pc.is_in(ids, value_set=rows)).as_py() or 0 for ids in wanted])


def _those_of(piece: Any, ids: Any) -> Any:
    """The rows' ids that are among these."""
    return piece.filter(pc.is_in(piece, value_set=ids))


def _label_ids(path: Path, request: JoinRequest | JoinLaterRequest) -> Any:
    """A file's different ids that have a label."""
    pieces = list(_ids(path, request, request.target))
    return pc.unique(pa.concat_arrays(pieces)) if pieces else pa.array([], TYPES[request.kind])


def _ids(path: Path, request: JoinRequest | JoinLaterRequest, known: str | None = None) -> Iterator[Any]:
    """A snapshot's ids, of the kind that the schema has now, in batches; none where it has no such column. `known`: of
    rows alone where that column is not empty."""
    columns = [request.id_column, *([known] if known is not None else [])]
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if set(columns) <= set(file.schema_arrow.names):
            for batch in file.iter_batches(columns=columns, batch_size=BATCH_ROWS):
                ids = batch.column(columns[0])
                ids = ids if known is None else ids.filter(batch.column(known).is_valid())
                yield as_kind(ids, request.kind).cast(TYPES[request.kind]).drop_null()


def _alike(left: Any, request: JoinRequest) -> tuple[int, tuple[str, str] | None]:
    """How many of the ids would find a row if zeros in front, ".0", blanks and case did not count, and the first of
    them beside the row's."""
    names = left.cast(pa.string()).to_pylist()
    wanted = {_plain(name): name for name in sorted(names, reverse=True)}
    found: dict[str, str] = {}
    read, plains = 0, pa.array(list(wanted), pa.string())
    for path in request.rows if wanted else ():
        for piece in _ids(path, request):
            texts = piece.slice(0, ALIKE_ROWS - read).cast(pa.string())
            likely = texts.filter(pc.is_in(_plain_column(texts), value_set=plains)).to_pylist()
            found |= {plain: name for name in likely if (plain := _plain(name)) not in found}
            read += len(texts)
        if read >= ALIKE_ROWS:
            break
    if not found:
        return 0, None
    first = min(found)
    return sum(_plain(name) in found for name in names), (wanted[first], found[first])


def _plain_column(texts: Any) -> Any:
    """`_plain` of a column of text."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    fractions = pc.match_substring(texts, ".0")
    if pc.any(fractions).as_py():
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    bare = pc.utf8_ltrim(texts, "0")
    bare = pc.if_else(pc.equal(bare, ""), "0", bare)
    return pc.if_else(pc.utf8_is_digit(texts), bare, texts)


def _plain(name: str) -> str:
    """
    >>> _plain(" 00123 "), _plain("123.0"), _plain("A-07")
    ('123', '123', 'a-07')
    """
    text = FRACTION.sub("", name.strip().lower())
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
