"""Rows become numbers, the same from a table and from a request."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from learning import rows, schema, table

from retrain.model.preprocessing import Preprocessor
from retrain.records.errors import Refused
from retrain.records.schema import Column, Schema


@pytest.mark.parametrize("encoding", ["codes", "onehot"])
@pytest.mark.parametrize("chunks", [1, 3])
def test_rows_and_tables_give_the_same_bits(encoding, chunks):
    """A request's rows and a snapshot's table give bit-equal matrices, missing, infinite and unseen cells too."""
    fitted = Preprocessor.fit(table(rows(200)), schema(), encoding)
    fresh = rows(150, seed=1)
    fresh[0]["c"] = "never seen"
    whole = fitted.transform(table(fresh, chunks=chunks))
    assert whole.tobytes() == fitted.transform_rows(fresh).tobytes()
    one_by_one = np.vstack([fitted.transform_rows([row]) for row in fresh])
    assert whole.tobytes() == one_by_one.tobytes()


@pytest.mark.parametrize("encoding", ["codes", "onehot"])
def test_json_round_trip_keeps_every_bit(encoding):
    """A preprocessor read back from JSON gives the same bits."""
    fitted = Preprocessor.fit(table(rows(200)), schema(), encoding)
    again = Preprocessor.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert again.transform_rows(rows(50)).tobytes() == fitted.transform_rows(rows(50)).tobytes()


def test_codes_go_by_frequency_then_name():
    """The most frequent category is code 0; ties go by name; missing and unseen are NaN."""
    fitted = Preprocessor.fit(_words(["b", "a", "c", "c", None]), _word_schema(), "codes")
    assert fitted.features[0].categories == ("c", "a", "b")
    matrix = fitted.transform_rows([{"c": "c"}, {"c": "a"}, {"c": "b"}, {"c": None}, {}, {"c": "z"}])
    np.testing.assert_array_equal(matrix[:, 0], [0, 1, 2, np.nan, np.nan, np.nan])
    assert fitted.categorical_mask == (True,)


def test_only_the_most_frequent_categories_have_codes():
    """Of 300 categories the 254 most frequent are kept, so that HistGradientBoosting takes them."""
    values = [f"k{i:03d}" for i in range(300) for _ in range(1 + (i < 254))]
    fitted = Preprocessor.fit(_words(values), _word_schema(), "codes")
    assert len(fitted.features[0].categories) == 254
    assert np.isnan(fitted.transform_rows([{"c": "k299"}])[0, 0])


def test_onehot_leaves_no_nan_and_marks_missing():
    """One-hot matrices are finite, numbers are standardized, and missing has a column where it was seen."""
    fitted = Preprocessor.fit(table(rows(300)), schema(), "onehot")
    matrix = fitted.transform(table(rows(300)))
    assert np.isfinite(matrix).all()
    assert matrix.shape[1] == len(fitted.feature_names) == len(fitted.categorical_mask)
    position = fitted.feature_names.index("x")
    assert abs(matrix[:, position].mean()) < 1e-9
    assert abs(matrix[:, position].std() - 1) < 1e-9
    assert {"x is missing", "c=red", "c is missing"} <= set(fitted.feature_names)
    assert not any(fitted.categorical_mask)
    assert np.isfinite(fitted.transform_rows([{}, {"c": "never seen", "x": 1e308}])).all()


def test_huge_and_constant_and_empty_columns_are_fitted():
    """Values near the largest float, a constant and an all-missing column leave the matrix finite."""
    columns = {"big": [1e308, -1e308, 1e308], "same": [7.0, 7.0, 7.0], "none": [None, None, None]}
    numbers = pa.table({name: pa.array(values, pa.float64()) for name, values in columns.items()})
    wide = Schema((*(Column(name, "number") for name in columns), Column("y", "number")), "regression", "y")
    assert np.isfinite(Preprocessor.fit(numbers, wide, "onehot").transform(numbers)).all()
    codes = Preprocessor.fit(numbers, wide, "codes").transform(numbers)
    assert np.isnan(codes[:, 2]).all()


def test_a_vanished_column_is_missing():
    """A table without one of the columns is answered as if it were missing in every row."""
    fitted = Preprocessor.fit(table(rows(100)), schema(), "codes")
    matrix = fitted.transform(table(rows(10)).drop_columns(["x"]))
    assert np.isnan(matrix[:, 0]).all()
    assert matrix.shape == (10, 5)


def test_times_are_read_in_every_form():
    """ISO text, with or without a zone, a datetime and Unix seconds are the same moment."""
    fitted = Preprocessor.fit(table(rows(20)), schema(), "codes")
    moment = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    forms = [moment, "2024-05-06T07:08:09.123456Z", "2024-05-06 07:08:09.123456", "2024-05-06T09:08:09.123456+02:00"]
    values = fitted.transform_rows([{"t": form} for form in [*forms, moment.timestamp()]])[:, 4]
    assert all(a == b for a, b in pairwise(values))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"x": "1.5"}, "a number"),
        ({"x": True}, "a number"),
        ({"n": 1.5}, "whole number"),
        ({"b": "yes"}, "true or false"),
        ({"b": 2}, "true or false"),
        ({"t": "yesterday"}, "ISO 8601"),
        ({"x": [1]}, "a number"),
        ({"x": 10**400}, "a number"),
    ],
)
def test_wrong_cells_are_named(cell, expected):
    """A cell of the wrong type is refused with its column, its row and what was expected."""
    fitted = Preprocessor.fit(table(rows(20)), schema(), "codes")
    with pytest.raises(Refused, match=rf"row 1, column '{next(iter(cell))}'.*{expected}"):
        fitted.transform_rows([{}, cell])


def test_a_table_of_another_kind_is_read_as_far_as_that_goes():
    """What is no number in a column of numbers is missing, as in snapshots of before a changed configuration."""
    fitted = Preprocessor.fit(table(rows(20)), schema(), "codes")
    matrix = fitted.transform(pa.table({"x": ["a", "1.5"], "n": [2.0, None], "b": ["no", "true"]}))
    np.testing.assert_array_equal(matrix[:, :3], [[np.nan, 2.0, 0.0], [1.5, np.nan, 1.0]])


def test_no_features_is_refused():
    """A schema of nothing but a target has nothing to learn from."""
    with pytest.raises(Refused, match="no feature columns"):
        Preprocessor.fit(table(rows(5)), Schema((Column("y", "category"),), "classification", "y"), "codes")


def _words(values: list[str | None]) -> pa.Table:
    return pa.table({"c": pa.array(values).dictionary_encode()})


def _word_schema() -> Schema:
    return Schema((Column("c", "category"), Column("y", "category")), "classification", "y")
