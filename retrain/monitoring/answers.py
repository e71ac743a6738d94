"""What was answered to the rows of a file when they came, as it was stored: by the check that predicted them, or in the
prediction log where a server answered them. It is what late labels judge; nothing is predicted anew."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.labels.propensity import GREEDY
from retrain.operations import AnsweredFile
from retrain.records.predictions import Predictions

PROBABILITY, LOGGED = "p_", "__p_"
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


def answers_to(file: AnsweredFile, table: pa.Table, id_column: str | None) -> tuple[Predictions, Mask] | None:
    """Of what was answered to a file, that to the rows of a table with __row (n,), as far as it is known: which (n,).
    None where nothing is."""
    rows = table.column("__row").to_numpy()
    if file.logs:
        ids = table.column(id_column).to_pylist() if id_column in table.column_names else [None] * len(rows)
        return logged_answers(file.logs, file.names, rows, ids)
    return None if file.answers is None else stored_answers(file.answers, rows)


def stored_answers(path: Path, rows: Rows) -> tuple[Predictions, Mask] | None:
    """Of a check's file of predictions: those of the rows with these numbers (n,), as far as it has them: which (n,).
    None where the file is gone or damaged, or has none of them."""
    table = _read(path)
    if table is None:
        return None
    return _of_rows(table, table.column("__row").to_numpy(), rows, "prediction", PROBABILITY)


def logged_answers(
    paths: Sequence[Path], names: Collection[str], rows: Rows, ids: Sequence[str | None]
) -> tuple[Predictions, Mask] | None:
    """Of the files of the prediction log that became one data file, the same: what deployments of these names answered
    to the rows with these numbers, which count the answers of all files from 1, and `ids` (n,), to be on the safe side:
    where both name one and these differ, the row is another. Where the class of an answer was drawn at random, it is
    what the deployment would have answered by itself that counts."""
    tables = [_read(path) for path in paths]
    if any(table is None for table in tables):
        return None
    whole = pa.concat_tables([table for table in tables if table is not None], promote_options="permissive")
    answers = _own(whole.filter(pc.equal(whole.column("__role"), "answer")))
    by_them = np.flatnonzero(np.asarray(pc.is_in(answers.column("__version"), pa.array(list(names), pa.string()))))
    found = _of_rows(answers.take(pa.array(by_them)), by_them + 1, rows, "__prediction", LOGGED)
    if found is None:
        return None
    predictions, known = found
    logged = answers.column("__id").to_pylist()
    numbers = rows[known].tolist()
    same = [
        given is None or logged[number - 1] is None or str(given) == logged[number - 1]
        for number, given in zip(numbers, np.asarray(ids, dtype=object)[known].tolist(), strict=True)
    ]
    if not any(same):
        return None
    kept = known.copy()
    kept[known] = same
    return predictions.take(np.array(same)), kept


def _own(answers: pa.Table) -> pa.Table:
    """With what the deployment says by itself where the class that was answered was drawn at random."""
    if GREEDY not in answers.column_names:
        return answers
    own = pc.coalesce(answers.column(GREEDY), answers.column("__prediction"))
    return answers.set_column(answers.column_names.index("__prediction"), "__prediction", own)


def _of_rows(table: pa.Table, numbers: Rows, rows: Rows, value: str, prefix: str) -> tuple[Predictions, Mask] | None:
    """Of a table whose rows have these ascending numbers."""
    if not len(numbers):
        return None
    places = np.searchsorted(numbers, rows).clip(0, len(numbers) - 1)
    known = np.asarray(numbers[places] == rows, dtype=bool)
    found = table.take(pa.array(places[known]))
    complete = np.asarray(found.column(value).is_valid())
    known[known] = complete
    return (_predictions(found.filter(pa.array(complete)), value, prefix), known) if known.any() else None


def _predictions(table: pa.Table, value: str, prefix: str) -> Predictions:
    """Of the rows of a table; a class that one deployment knew and another did not was impossible to that."""
    if not pa.types.is_string(table.schema.field(value).type):
        return Predictions(np.asarray(table.column(value).to_numpy(), dtype=np.float64))
    names = [name.removeprefix(prefix) for name in table.column_names if name.startswith(prefix)]
    values = np.asarray(table.column(value).to_pylist(), dtype=np.str_)
    if not names:
        return Predictions(values, None, tuple(sorted(set(values.tolist()))))
    columns = [pc.fill_null(table.column(prefix + name), 0.0).to_numpy() for name in names]
    return Predictions(values, np.column_stack(columns), tuple(names))


def _read(path: Path) -> pa.Table | None:
    try:
        return pq.read_table(path, pre_buffer=False)
    except (OSError, pa.ArrowException):
        return None
