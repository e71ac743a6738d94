"""Arrow columns become numbers and codes, nulls and all."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift import Codes
from retrain.columns import column_values, read_column


def _words(column: Codes) -> list[str | None]:
    return [None if code < 0 else column.names[code] for code in column.codes]


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([1.5, None, float("nan")]), "number", [1.5, np.nan, np.nan]),
        (pa.array([2**60, None], pa.int64()), "integer", [2.0**60, np.nan]),
        (pa.array([1_500_000, None], pa.timestamp("us", "UTC")), "datetime", [1.5, np.nan]),
        (pa.array([], pa.float64()), "number", []),
    ],
)
def test_numbers(column: pa.Array, kind: str, expected: list[float]) -> None:
    """Nulls are NaN, datetimes are Unix seconds, for arrays and chunked arrays alike."""
    np.testing.assert_array_equal(column_values(column, kind), expected)
    np.testing.assert_array_equal(column_values(pa.chunked_array([column, column]), kind), expected * 2)


def test_categories() -> None:
    """Text, dictionaries of different chunks, dictionaries with a null and booleans become codes."""
    plain = pa.chunked_array([pa.array(["b", None]), pa.array(["a", "b"])])
    assert _words(column_values(plain, "category")) == ["b", None, "a", "b"]
    assert _words(column_values(plain.dictionary_encode(), "category")) == ["b", None, "a", "b"]
    coded = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x", None])),
        pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["y", "x"])),
    ]
    assert _words(column_values(pa.chunked_array(coded), "category")) == ["x", None, "x", "y"]
    assert _words(column_values(pa.array([True, None, False]), "boolean")) == ["true", None, "false"]


def test_snapshots_are_read_end_to_end(tmp_path: Path) -> None:
    """A column of several snapshots is one column; one that a snapshot lacks is None."""
    for name, words in (("a", ["x", "y"]), ("b", ["z", None])):
        table = pa.table({"c": pa.array(words).dictionary_encode(), name: [1.0, 2.0]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert _words(read_column(paths, "c", "category")) == ["x", "y", "z", None]
    assert read_column(paths, "a", "number") is None
