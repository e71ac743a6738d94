"""A column's values as plain cells."""

import math
from typing import Any

import pytest

from retrain.records.errors import Refused
from retrain.records.settings import ColumnKind
from retrain.rows.cells import plain_quickly, plain_values


class Own(float):
    """A number of another type than those that are read quickly."""


def slowly(values: list[Any], name: str, kind: ColumnKind) -> list[float | str | None]:
    """The same values where a type among them keeps them from the quick way: what is expected of that."""
    known = {"number": Own(1.0), "integer": 1.0, "category": Own(1.0), "boolean": True, "datetime": 0}
    return plain_values([*values, known[kind]], name, kind)[:-1]


@pytest.mark.parametrize("kind", ["number", "integer", "category"])
@pytest.mark.parametrize(
    "values",
    [
        [1.5, None, 0.0, -0.0, 3], [1, 2, None], [1.0, 2.0], [2.5], [math.nan, 1.0], [math.inf, -math.inf, 1.0, None],
        [1e308, 1e308, -1e308], [None, None], [], ["a", None, ""], ["a", 1, True, 2.0], [True, 1], ["1.5"],
        [2**53 + 1, 2**64],
    ],
    ids=str,
)  # fmt: skip
def test_the_quick_way_gives_what_the_slow_one_gives(kind: ColumnKind, values: list[Any]) -> None:
    """Values of usual types become the same cells, of the same types, as beside one of an unusual type; what is refused
    there is refused here."""
    try:
        expected = slowly(values, "x", kind)
    except Refused as error:
        with pytest.raises(Refused) as caught:
            plain_values(values, "x", kind)
        assert str(caught.value) == str(error)
        return
    found = plain_values(values, "x", kind)
    assert [(type(cell), repr(cell)) for cell in found] == [(type(cell), repr(cell)) for cell in expected]


def test_what_no_float_holds_is_refused() -> None:
    """A whole number beyond the floats is refused by its row and column, however it is read."""
    for kind in ("number", "integer"):
        assert plain_quickly([1, 10**400], kind) is None
        with pytest.raises(Refused, match="row 1, column 'x'"):
            plain_values([1, 10**400], "x", kind)


def test_usual_values_are_read_quickly() -> None:
    """What clients send most takes the quick way."""
    assert plain_quickly([0.5, None, 2], "number") == [0.5, None, 2.0]
    assert plain_quickly([3, None], "integer") == [3.0, None]
    assert plain_quickly(["a", None], "category") == ["a", None]
