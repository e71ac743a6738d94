"""The catalogue says which items may be recommended, and finds them by their attributes."""

from pathlib import Path

import numpy as np
import pytest

from retrain.recommendation.catalogue import Catalogue, attribute_of
from retrain.recommendation.catalogue_file import read_catalogue, write_catalogue
from retrain.records.errors import Refused, Retry

NAMES = np.array(["a", "b", "c", "x"], dtype=object)


def catalogue() -> Catalogue:
    return Catalogue(
        np.array(["a", "b", "c"], dtype=object),
        np.array([True, True, False]),
        {
            "genre": attribute_of([["war", "drama"], ["drama"], []]),
            "year": attribute_of([["2001"], ["2002"], ["2001"]]),
        },
    )


def test_what_is_not_listed_or_not_available_is_not_allowed() -> None:
    """The catalogue is whole: x is sold no more, c is out of stock."""
    assert catalogue().allowed(NAMES).tolist() == [True, True, False, False]


def test_filters_take_a_value_or_several_of_each_attribute() -> None:
    """Several values of one attribute: any of them; several attributes: all of them; numbers are found as texts are."""
    one = catalogue()
    assert one.allowed(NAMES, {"genre": "drama"}).tolist() == [True, True, False, False]
    assert one.allowed(NAMES, {"genre": ["war", "none"], "year": 2001}).tolist() == [True, False, False, False]
    assert one.allowed(NAMES, {"genre": []}).tolist() == [False] * 4
    assert one.of("a") == {"genre": ("drama", "war"), "year": ("2001",)} or one.of("a")["genre"] == ("war", "drama")


def test_an_attribute_that_there_is_not_is_told_with_those_that_there_are() -> None:
    """As a request's mistake, with a near name."""
    with pytest.raises(Refused, match=r"no attribute 'genres' in the items file; did you mean 'genre'\?"):
        catalogue().allowed(NAMES, {"genres": "war"})
    with pytest.raises(Refused, match="is no value of an attribute"):
        catalogue().allowed(NAMES, {"genre": {"not": "war"}})


def test_a_snapshot_gives_the_same_catalogue(tmp_path: Path) -> None:
    """Items, availability and attributes come back as they were, of an empty one too; a lost one is tried again."""
    for one in (catalogue(), Catalogue(np.zeros(0, object), np.zeros(0, bool), {})):
        write_catalogue(tmp_path / "items.parquet", one)
        found = read_catalogue(tmp_path / "items.parquet")
        assert found.items.tolist() == one.items.tolist()
        assert found.available.tolist() == one.available.tolist()
        assert {name: [each.of(k) for k in range(len(one.items))] for name, each in found.attributes.items()} == {
            name: [each.of(k) for k in range(len(one.items))] for name, each in one.attributes.items()
        }
    with pytest.raises(Retry):
        read_catalogue(tmp_path / "gone.parquet")
