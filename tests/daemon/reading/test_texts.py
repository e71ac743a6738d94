"""What a file's texts are is counted once for each different text."""

import duckdb
import pyarrow as pa

from daemon.reading.texts import LONG, count_texts, different_texts


def ask(connection):
    """Rows of a query."""
    return lambda query, _name: connection.execute(query).fetchall()


def test_equal_texts_are_counted_each_time_and_long_ones_by_their_beginning():
    """Counts are of rows, whatever a column is called; a text of kilobytes is held as its beginning, and is no number."""
    digits = "1" * (LONG + 1)
    sample = pa.table({
        "t": ["1.5", "1.5", "-2", None], "n": ["yes", "no", "n/a", ""], "c": [digits, digits + "2", "x" * 9_000, None],
        "v": ["2024-05-01", "2024-05-01", "2024-05-02", "2024-05-03"], "finite": [None, None, None, None],
    }).set_column(4, "finite", pa.nulls(4, pa.string()))  # fmt: skip
    connection = duckdb.connect()
    connection.register("sample", sample)
    found = count_texts(ask(connection), lambda name: f"({different_texts(name)})", sample.column_names)
    assert {name: texts.kind for name, texts in found.items()} == {
        "t": "number", "n": "category", "c": "category", "v": "datetime", "finite": "category",
    }  # fmt: skip
    assert [found[name].present for name in sample.column_names] == [3, 4, 3, 4, 0]
    assert (found["t"].fitting["number"], found["t"].fitting["integer"], found["t"].dotted) == (3, 1, 2)
    assert (found["n"].words, found["c"].fitting["number"], found["v"].fitting["datetime"]) == (1, 0, 4)
    held = connection.execute(different_texts("c")).fetchall()
    assert max(len(text) for text, _ in held) == LONG + 1 and sum(count for _, count in held) == 3
