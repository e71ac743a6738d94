"""The catalogue: which items may be recommended now, and what they are.

It is replaced as a whole: an item that the newest catalogue does not list is not for sale any more, and is not
recommended. It says nothing about what people like; that is learned from events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.interactions import Codes, Names, coded
from retrain.records.errors import Refused

MOST_NAMES = 20
"""Attributes that a message names."""


@dataclass(frozen=True)
class Attribute:
    """The values of one attribute: those of item k are the `values` at the places `code[starts[k] : starts[k + 1]]`;
    none, one or several. `starts` has one more than items, `values` are sorted."""

    values: Names
    starts: Codes
    code: Codes

    def having(self, wanted: Sequence[str]) -> NDArray[np.bool_]:
        """Which items (n,) have one of these values."""
        known = {name: place for place, name in enumerate(self.values)} if len(wanted) > 1 else None
        places = [self._place(one) if known is None else known.get(one, -1) for one in wanted]
        hits = np.r_[0, np.cumsum(np.isin(self.code, [place for place in places if place >= 0]))]
        return np.asarray(hits[self.starts[1:]] > hits[self.starts[:-1]])

    def of(self, item: int) -> tuple[str, ...]:
        """The values of one item."""
        return tuple(self.values[self.code[self.starts[item] : self.starts[item + 1]]])

    def _place(self, value: str) -> int:
        place = int(np.searchsorted(self.values, value)) if len(self.values) else 0
        return place if place < len(self.values) and self.values[place] == value else -1


@dataclass(frozen=True)
class Catalogue:
    """The items (n,) by name, sorted; which are `available`; their attributes by name."""

    items: Names
    available: NDArray[np.bool_]
    attributes: Mapping[str, Attribute]

    def allowed(self, names: Names, wanted: Mapping[str, Any] | None = None) -> NDArray[np.bool_]:
        """Which of other `names` (k,), sorted, may be recommended, and have what is `wanted`: of each attribute one of
        its values. Refused where there is no such attribute, or a value is none."""
        return self._placed(names, self.available & self.matching(wanted or {}))

    def matching(self, wanted: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Which items (n,) have of each wanted attribute one of the wanted values, available or not."""
        found = np.ones(len(self.items), bool)
        for name, values in wanted.items():
            if name not in self.attributes:
                close = get_close_matches(name, self.attributes, 1)
                there = ", ".join(list(self.attributes)[:MOST_NAMES]) or "none"
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise Refused(f"no attribute {name!r} in the items file", f"{hint}it has {there}")
            found &= self.attributes[name].having(words(values))
        return found

    def of(self, item: str) -> dict[str, tuple[str, ...]]:
        """The attributes of an item; {} where it is not listed."""
        place = self._place.get(item)
        return {} if place is None else {name: one.of(place) for name, one in self.attributes.items()}

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.items)}

    def _placed(self, names: Names, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not len(self.items):
            return np.zeros(len(names), bool)
        at = np.minimum(np.searchsorted(self.items, names), len(self.items) - 1)
        return np.asarray((self.items[at] == names) & mask[at], bool)


def words(values: Any) -> list[str]:
    """One value or several as the texts that a catalogue has them as.

    >>> words(["red", 7, 2.5, True]), words(2020.0)
    (['red', '7', '2.5', 'true'], ['2020'])
    """
    several = values if isinstance(values, list | tuple) else [values]
    return [_word(one) for one in several]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise Refused(f"{value!r} is no value of an attribute", "expected text, a number, true or false, or a list of them")


def attribute_of(values: Sequence[Sequence[str]]) -> Attribute:
    """Of the values of each item, none, one or several."""
    starts = np.r_[0, np.cumsum([len(one) for one in values])].astype(np.int64)
    names, code = coded([value for one in values for value in one])
    return Attribute(names, starts, code)
