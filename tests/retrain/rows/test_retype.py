"""Snapshots of before a changed configuration are read by today's."""

import datetime as dt

import pyarrow as pa
import pytest

from daemon.reading.moments import local_moments
from retrain.records.formats import Formats
from retrain.records.schema import Column, Schema
from retrain.rows.local_formats import plain_moments
from retrain.rows.retype import as_kind, conform

TEXTS = ["31.12.2025", " 1.2.2025 08:30 ", "03.04.2025, 11:05:06", "01.02.2025T12:00 PM", "29.02.2025", "soon", None]


def test_formats_that_are_set_later_hold_for_older_files() -> None:
    """Dates and numbers that were kept as text; what is of no format is missing."""
    schema = Schema(
        (Column("when", "datetime"), Column("price", "number"), Column("y", "category")), "classification", "y",
        formats=Formats(decimal=",", thousands=".", date_format=("%d.%m.%Y",)),
    )  # fmt: skip
    table = pa.table({"when": ["31.12.2025", "2025-01-02", "soon"], "price": ["1.234,5", "2", "-"], "y": ["a"] * 3})
    found = conform(table, schema).to_pydict()
    assert found["when"] == [dt.datetime(2025, 12, 31), dt.datetime(2025, 1, 2), None]
    assert found["price"] == [1234.5, 2.0, None]


@pytest.mark.parametrize("date_format", [("%d.%m.%Y",), ("%d.%m.%y", "%d.%m.%Y")])
def test_dates_of_older_files_are_those_that_the_intake_reads(date_format: tuple[str, ...]) -> None:
    """Whichever reads them."""
    texts = pa.array(TEXTS)
    plain = plain_moments(texts, Formats(date_format=date_format))
    assert as_kind(plain, "datetime").to_pylist() == local_moments(texts, date_format).to_pylist()
