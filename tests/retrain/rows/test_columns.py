"""Arrow columns become numbers and codes, nulls and all."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift.profiles.categorical import Codes, categorical_profile
from retrain.rows.columns import column_values, read_column
from retrain.store.reference_files import read_arrays, release_pages, write_arrays


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


@pytest.mark.parametrize("index", [pa.int8(), pa.uint8(), pa.int32(), pa.uint32()])
@pytest.mark.parametrize("missing", [False, True])
def test_codes_of_every_width(index: pa.DataType, missing: bool) -> None:
    """Indices of any type, in chunks of one dictionary or of several, give the same words, and counts of them."""
    words = [f"w{code % 127}" for code in range(300)] + ([None] if missing else [])
    indices = pa.array([None if word is None else int(word[1:]) for word in words], index)
    one = pa.DictionaryArray.from_arrays(indices, pa.array([f"w{code}" for code in range(127)]))
    shifted = pa.array([None if word is None else int(word[1:]) // 2 for word in words], index)
    other = pa.DictionaryArray.from_arrays(shifted, pa.array([f"w{2 * code}" for code in range(64)]))
    assert _words(column_values(one, "category")) == words
    found = column_values(pa.chunked_array([one, one]), "category")
    assert _words(found) == words * 2
    assert categorical_profile(found).counts == dict(sorted(Counter(w for w in words * 2 if w is not None).items()))
    even = [None if word is None else f"w{int(word[1:]) // 2 * 2}" for word in words]
    assert _words(column_values(pa.chunked_array([one, other]), "category")) == words + even


def test_snapshots_are_read_end_to_end(tmp_path: Path) -> None:
    """A column of several snapshots is one column; one that a snapshot lacks is None."""
    for name, words in (("a", ["x", "y"]), ("b", ["z", None])):
        table = pa.table({"c": pa.array(words).dictionary_encode(), name: [1.0, 2.0]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert _words(read_column(paths, "c", "category")) == ["x", "y", "z", None]
    assert read_column(paths, "a", "number") is None


def test_released_arrays_keep_their_values(tmp_path: Path) -> None:
    """Pages of memory-mapped arrays are given back only where they are, and read again when needed."""
    values = {"a": np.arange(50_000.0), "b": np.zeros(0)}
    write_arrays(tmp_path / "stored", values)
    read = read_arrays(tmp_path / "stored", values)
    parts = (read["a"][100:9_000], np.asarray(read["a"])[-7:], read["a"][:0], read["b"], np.arange(3.0))
    assert all(part.sum() >= 0 for part in parts)
    release_pages(*parts, read["a"])
    assert np.array_equal(read["a"], values["a"]) and np.array_equal(parts[0], values["a"][100:9_000])
