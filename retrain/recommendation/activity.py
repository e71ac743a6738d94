"""What accounts did: the rows of event logs as the drift check compares them, one account in one file together.

Rows of one account depend on each other, so that an account in a file is the unit, never a row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrain.recommendation.interactions import Codes, Interactions, Names
from retrain.records.predictions import Floats

FEWEST_ACCOUNTS = 20
"""With fewer, nobody can be told from the others."""
BOT_EVENTS, BOT_SHARE, BOT_FACTOR = 100, 0.05, 10
"""An account stands out with so many events of a file, which are such a share of it and so many times those of the
account that is busier than 99 % of all."""
MOST_UNITS = 4000
"""Accounts of a side that are compared; of more so many are drawn."""


@dataclass(frozen=True)
class Activity:
    """Rows (m,), in order of their accounts within files: `place` of each one's file, `unit` of its account in
    that file, `type` its place among `types` (−1: missing), `value` (NaN: missing), and how far its item is `unknown`
    to the version, from 0 to 1. `fresh` (units,) are accounts that the version did not know, `hours` (files,) how long
    each file is."""

    place: Codes
    unit: Codes
    type: Codes
    types: tuple[str, ...]
    value: Floats
    unknown: Floats
    fresh: NDArray[np.bool_]
    hours: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def units(self) -> int:
        """How many accounts there are, each counted once a file."""
        return len(self.fresh)

    @property
    def file_of_unit(self) -> Codes:
        """The place (units,) of each one's file."""
        found = np.zeros(self.units, np.int64)
        found[self.unit] = self.place
        return found

    def of_units(self, chosen: NDArray[np.bool_]) -> "Activity":
        """The rows of a mask (units,)."""
        kept, place = chosen[self.unit], np.cumsum(chosen) - 1
        arrays = {name: getattr(self, name)[kept] for name in ("place", "type", "value", "unknown")}
        return replace(self, unit=place[self.unit[kept]], fresh=self.fresh[chosen], **arrays)

    @property
    def outlandish(self) -> NDArray[np.bool_]:
        """Which units (units,) stand out in their files, as bots do."""
        counts, files = np.bincount(self.unit, minlength=self.units), self.file_of_unit
        least = {place: outlandish_from(counts[files == place]) for place in np.unique(files).tolist()}
        return np.asarray(counts >= np.array([least[place] for place in files.tolist()]), bool)

    def sampled(self, seed: int, most: int = MOST_UNITS) -> "Activity":
        """At most so many units, drawn by `seed`."""
        if self.units <= most:
            return self
        drawn = np.random.default_rng(seed).choice(self.units, most, replace=False)
        chosen = np.zeros(self.units, bool)
        chosen[drawn] = True
        return self.of_units(chosen)


def outlandish_from(counts: Codes) -> float:
    """From how many events on an account stands out, of the numbers of events (n,) of a file's accounts."""
    if len(counts) < FEWEST_ACCOUNTS:
        return np.inf
    usual = float(np.quantile(counts, 0.99, method="lower"))
    return max(BOT_EVENTS, BOT_SHARE * float(counts.sum()), BOT_FACTOR * usual)


def support_without(item: Codes, known: NDArray[np.bool_], support: Codes) -> Floats:
    """How far items (m,) would be unknown to a version that had not seen the account that chose them: 1 where it would
    not have kept them, a share where it keeps some of those with so much support. `known` and `support` (items,) are
    what the version keeps and how many users had to do with it.

    What an account chose is in the version because of it: without this, all who come later seem to choose novelties.
    """
    kept = support[known]
    if not len(kept):
        return np.ones(len(item))
    least = int(kept.min())
    share = float(np.mean(known[support == least]))
    without = np.where(known[item], support[item] - 1, 0)
    return np.where(without > least, 0.0, np.where((without == least) & known[item], 1.0 - share, 1.0))


def support_of(events: Interactions) -> Codes:
    """How many users had to do with each item (items,), of the events that teach."""
    taught = events.positive()
    pairs = np.unique(taught.user * max(1, len(events.items)) + taught.item)
    return np.bincount(pairs % max(1, len(events.items)), minlength=len(events.items)).astype(np.int64)


def among(names: Names, known: Sequence[str] | Names) -> NDArray[np.bool_]:
    """Which of `names` (n,) are known."""
    found = set(known)
    return np.array([one in found for one in names], bool)
