"""What fuzzers try: JSON near what is meant, text near a table, and bytes of either that were tampered with."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

NAMES = [
    "x", "n", "b", "t", "c", "w", "id", "y", "X", "", "rows", "ids", "labels", "label", "inputs", "outputs", "name", "shape",
    "datatype", "data", "parameters", "binary_data_size", "instances", "dataframe_split", "dataframe_records", "columns", "index",
    "params", "users", "history", "items", "user", "item", "time", "value", "type", "events", "k", "explain", "exclude", "filter",
    "content_type", "classification", "__row", "☃",
]  # fmt: skip
WORDS = [
    "yes", "no", "red", "FP64", "INT8", "INT64", "BOOL", "BYTES", "FP16", "UINT64", "2001-05-01", "2001-05-01T10:00:00Z", "NaN",
    "9999-12-31T23:59:59+99:99", "0001-01-01T00:00:00+14:00", "1e400", "-0", "\x00", "\ud800", "10" * 40, "a" * 70, "[]", "{}", "Infinity",
]  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-3, 40), st.integers(), st.floats(), st.sampled_from([2**53, 2**63, -(2**63) - 1, 2**64, 1e308, 10**30, 1e16])
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=4))
ANY = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)), max_leaves=20
)  # fmt: skip


@st.composite
def tampered(draw: Any, of: st.SearchStrategy[bytes]) -> bytes:
    """Bytes, a few of which may be other ones, gone, or there twice."""
    data = bytearray(draw(of))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\\", b"\x00", b"\xff", b"{", b"]", b"\n", b",,"]))
        )
        data[at : at + draw(st.integers(0, 3))] = piece
    return bytes(data)


def near(*keys: str) -> st.SearchStrategy[bytes]:
    """JSON of an object with some of these keys and others, tampered with."""
    objects = st.dictionaries(st.one_of(st.sampled_from(keys), KEYS), ANY, max_size=4)
    return tampered(st.one_of(objects, ANY).map(lambda value: json.dumps(value).encode("utf-8", "replace")))


def cells(names: Sequence[str]) -> st.SearchStrategy[list[Any]]:
    """Rows of these columns."""
    return st.lists(
        st.dictionaries(st.one_of(st.sampled_from(list(names)), KEYS), st.one_of(SCALARS, ANY), max_size=7), max_size=4
    )


FIELDS = st.one_of(
    SCALARS.map(str), st.sampled_from(['"', '""', '"a', 'a"b', '"a,b"', '"a\nb"', ";", "\t", "1.234,5", "31.12.2025"])
)
TABLES = tampered(
    st.tuples(
        st.lists(st.one_of(st.sampled_from(NAMES), FIELDS), min_size=1, max_size=6), st.lists(st.lists(FIELDS, max_size=7), max_size=12),
        st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]),
    ).map(lambda made: made[3].join(made[2].join(row) for row in [made[0], *made[1]]).encode(made[4], "replace"))
)  # fmt: skip
LINES = tampered(
    st.lists(st.one_of(st.dictionaries(KEYS, ANY, max_size=6), ANY), max_size=8).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode("utf-8", "replace")
    )
)  # fmt: skip
