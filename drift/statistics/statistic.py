"""What a statistic declares about itself, and what it is computed from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from drift.statistics.samples import Sample
from drift.statistics.scores import Counts, Score, nothing

Kind = Literal["numeric", "categorical"]


@dataclass(frozen=True, eq=False)
class Pair:
    """One column in the reference and now, in every form that a statistic is computed from.

    `counts` are rows by category, or numbers by bin, shape (k,) each. The rest is of numbers: how many `rows` either
    side has, the standard deviation `sd` of the reference, and the sorted values themselves where they are held
    (`samples`; the reference's may be a part of its rows). Without them, the largest distance of the distribution
    functions and the area between them were counted on a grid: `distance` and `area`, off by at most their errors."""

    counts: tuple[Counts, Counts]
    rows: tuple[int, int] = (0, 0)
    sd: float = 0.0
    samples: tuple[Sample, Sample] | None = None
    distance: float = 0.0
    distance_error: float = 0.0
    area: float = 0.0
    area_error: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC):
    """One test or distance: all that the judge, the pages, the docs and the tests need to know of it.

    `name` is its key in JSON, `title` what people read; `what` and `source` its formula and origin for the docs, in
    Markdown. `is_test` where it has a p-value, `with_exact` where only `--exact` adds it. `bounds` hold for any data;
    it is `at_equality` where both sides are the same rows, None where that depends on them; `symmetric` where
    exchanging the sides leaves it as it is. `oracle` computes the same from the arguments of the statistic: its value
    and, where comparable, its p-value."""

    name: str
    title: str
    kinds: tuple[Kind, ...]
    what: str
    source: str = ""
    is_test: bool = False
    with_exact: bool = False
    bounds: tuple[float, float] = (0.0, inf)
    at_equality: float | None = 0.0
    symmetric: bool = True
    oracle: Callable[[Any, Any], tuple[float, float | None]] | None = None

    @abstractmethod
    def score(self, pair: Pair) -> Score:
        """Of one column; a reason where the pair has not what is needed."""

    def nothing(self, reason: str) -> Score:
        """The score of a column where it cannot be computed."""
        return nothing(reason, self.is_test)


def of_scipy(result: Any) -> tuple[float, float]:
    """Value and p-value of one of SciPy's tests."""
    return float(result.statistic), float(result.pvalue)


@dataclass(frozen=True, kw_only=True)
class OfCounts(Statistic):
    """A statistic of rows by category or by bin, shape (k,) each."""

    function: Callable[[Counts, Counts], Score]

    def score(self, pair: Pair) -> Score:
        """See `Statistic.score`."""
        return self.function(*pair.counts)


@dataclass(frozen=True, kw_only=True)
class OfSamples(Statistic):
    """A statistic of all sorted values of numbers. Checks count instead of sorting, so only `--exact` has it."""

    function: Callable[[Sample, Sample], Score]
    kinds: tuple[Kind, ...] = ("numeric",)
    with_exact: bool = True

    def score(self, pair: Pair) -> Score:
        """See `Statistic.score`."""
        if pair.samples is None:
            return self.nothing("only of columns that are held in memory; this one was read in pieces")
        if len(pair.samples[0]) < pair.rows[0]:
            return self.nothing("the reference keeps only a part of its values")
        return self.function(*pair.samples)


@dataclass(frozen=True, kw_only=True)
class OfNumbers(Statistic):
    """A statistic of numbers that is computed from the values or, without them, from counts on a grid."""

    function: Callable[[Sample, Sample], Score]
    of_pair: Callable[[Pair], Score]
    kinds: tuple[Kind, ...] = ("numeric",)

    def score(self, pair: Pair) -> Score:
        """See `Statistic.score`."""
        return self.of_pair(pair)
