"""Takes people's rows out of the state's Parquet files: each that holds some is written anew, without them.

Nothing is published: what is written lies in the work folder, and the old file stays."""

import uuid
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.reading.digest import file_digest
from daemon.reading.forgotten import among, texts
from daemon.reading.marks import GONE, LONG
from daemon.reading.mentions import Mentions
from daemon.reading.operations import ForgetRequest, ForgetResult, Rewritten
from retrain import durable
from retrain.rows.targets import class_column

ROW = "__row"


def forget(request: ForgetRequest) -> ForgetResult:
    """The operation: the files of which some rows go, and what is left of each."""
    durable.make_folder(request.work, "intake.work")
    found, unread, long = [], [], Mentions([one for one in request.values if len(one) >= LONG])
    for path in request.paths:
        try:
            found.append(_known_users(path, request) if path.suffix == ".npz" else _rewritten(path, request, long))
        except (pa.ArrowException, ValueError, BadZipFile):
            unread.append(path)
    return ForgetResult(files=tuple(one for one in found if one is not None), unread=tuple(unread))


def _rewritten(path: Path, request: ForgetRequest, long: Mentions) -> Rewritten | None:
    names = pq.read_schema(path).names if path.exists() else []
    if request.column not in names:
        return None
    ids = pq.read_table(path, columns=[request.column], pre_buffer=False).column(0)
    theirs, named = among(ids, request.values), _mentioning(path, request.column, long)
    if not theirs.any() and not named:
        return None
    table = pq.read_table(path, pre_buffer=False)
    for name, column in named.items():
        table = table.set_column(table.column_names.index(name), table.schema.field(name), column)
    gone, kept = table.filter(pa.array(theirs)), table.filter(pa.array(~theirs))
    labels = class_column(gone.column(request.target)).drop_null() if request.target in names else None
    classes = {} if labels is None or not request.by_class else _counts(labels)
    made = _write(kept, request.work) if kept.num_rows else None
    return Rewritten(
        old=path, new=made, digest="" if made is None else file_digest(made), rows=kept.num_rows,
        gone=gone.num_rows, gone_labelled=0 if labels is None else len(labels), gone_classes=classes,
        answers=_answers(kept), bytes=0 if made is None else made.stat().st_size, who=_who(ids, theirs),
        beside=_beside(path, gone, request),
    )  # fmt: skip


def _known_users(path: Path, request: ForgetRequest) -> Rewritten | None:
    """Of a version that recommends, who was known when it was made."""
    from retrain.recommendation.reference import users_without

    made = request.work / f"{uuid.uuid4().hex}.kept.npz"
    left, gone = users_without(path, np.array(request.values, dtype=object), made) if path.exists() else (0, 0)
    if not gone:
        return None
    return Rewritten(old=path, new=made, digest=file_digest(made), rows=left, gone=gone)


def _who(ids: Any, theirs: NDArray[np.bool_]) -> frozenset[str]:
    """The ids of these rows (n,)."""
    return frozenset(texts(ids.filter(pa.array(theirs)).unique()).to_pylist())


def _mentioning(path: Path, who: str, long: Mentions) -> dict[str, Any]:
    """By name, the columns of texts but for that of ids in which a long id stands, with something else in its place."""
    found: dict[str, Any] = {}
    for field in pq.read_schema(path) if long else ():
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == who or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        column = pq.read_table(path, columns=[field.name], pre_buffer=False).column(0)
        distinct = [one for one in pc.cast(column.unique(), pa.string()).to_pylist() if one is not None]
        instead = {one: long.redacted(one, GONE) for one in distinct if long.holds(one)}
        if instead:
            after = [instead.get(one, one) for one in pc.cast(column, pa.string()).to_pylist()]
            found[field.name] = pa.chunked_array([pa.array(after, pa.string()).cast(field.type)])
    return found


def _counts(labels: Any) -> dict[str, int]:
    return {str(one["values"]): one["counts"] for one in pc.value_counts(labels).to_pylist()}


def _answers(table: pa.Table) -> int:
    """Of a file of the prediction log, the rows that were answered."""
    if "__role" not in table.column_names:
        return 0
    return int(pc.sum(pc.equal(table["__role"], "answer")).as_py() or 0)


def _beside(path: Path, gone: pa.Table, request: ForgetRequest) -> dict[str, Path]:
    """By the name of each file of predictions for this snapshot, what is left of it."""
    if request.predictions is None or ROW not in gone.column_names:
        return {}
    numbers, made = gone.column(ROW), dict[str, Path]()
    for old in sorted(request.predictions.glob(f"{path.stem}.*.parquet")):
        table = pq.read_table(old, pre_buffer=False)
        rows = np.isin(table.column(ROW).to_numpy(), numbers.to_numpy())
        made[old.name] = _write(table.filter(pa.array(~rows)), request.work)
    return made


def _write(table: pa.Table, work: Path) -> Path:
    path = work / f"{uuid.uuid4().hex}.kept.parquet"
    durable.crash_point("forget.before_write")
    pq.write_table(table, path, compression="zstd", write_statistics=False)
    return path
