"""How much a labelled row counts where being labelled depends on the answer, and some answers were drawn at random.

A label comes of an answer with a rate that depends on the class answered: of "grant" always, of "refuse" never. What
was drawn at random makes it known how likely each row was to get which answer, hence a label; its inverse is the row's
weight (inverse propensity: Horvitz and Thompson 1952; normalised: Hájek 1971), cut off at the root of the rows, which
costs little bias for much less variance (Ionides 2008)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drift.statistics.scores import Floats

GREEDY, ANSWER, PROPENSITY, SHARE = "__greedy", "__answer", "__propensity", "__explore_share"
"""Columns of the snapshots of live traffic: the class that the version answers by itself, the one that was answered,
how likely that was, and the share of answers that were drawn."""
COLUMNS = (GREEDY, ANSWER, PROPENSITY, SHARE)
WEIGHT = "__label_weight"
"""The column of how much a row counts, where rows are read; missing: 1."""
FEWEST_DRAWN = 10
"""Labelled rows whose answer was not the version's own: fewer say nothing of the rows like them."""
RATES_APART, RATES_P = 1.5, 1e-3


@dataclass(frozen=True, eq=False)
class Answered:
    """Of n rows: `greedy` (n,) and `answer` (n,) classes as text, `propensity` (n,) of the answer, the `share` (n,) of
    drawn answers, and whether a label came (n,). Rows of which this is not known are left out."""

    greedy: NDArray[np.str_]
    answer: NDArray[np.str_]
    propensity: Floats
    share: Floats
    labelled: NDArray[np.bool_]

    @property
    def least(self) -> Floats:
        """How likely each class was that the version does not answer by itself, (n,)."""
        drawn = np.where(self.answer == self.greedy, self.propensity - (1.0 - self.share), self.propensity)
        return np.asarray(drawn, dtype=np.float64)


@dataclass(frozen=True)
class AnswerCounts:
    """By class answered, rows and those with a label; `drawn` of the latter had an answer not the version's own."""

    rows: Mapping[str, int]
    labelled: Mapping[str, int]
    drawn: int


def answer_counts(rows: Answered) -> AnswerCounts:
    """What the rates of labels are made of."""
    labelled = Counter(rows.answer[rows.labelled].tolist())
    return AnswerCounts(
        Counter(rows.answer.tolist()), labelled, int((rows.labelled & (rows.answer != rows.greedy)).sum())
    )


def label_rates(files: Sequence[AnswerCounts]) -> dict[str, float] | None:
    """By class answered, the share of rows that got a label; None where that does not depend on the answer, or too few
    labelled rows had an answer that was drawn."""
    if sum(file.drawn for file in files) < FEWEST_DRAWN:
        return None
    names = sorted({name for file in files for name in file.rows})
    rows, known = (
        np.array([sum(getattr(file, kind).get(name, 0) for file in files) for name in names])
        for kind in ("rows", "labelled")
    )
    rates = known / rows
    differ = len(names) > 1 and known.sum() < rows.sum() and rates.max() > RATES_APART * rates.min()
    if not differ or stats.chi2_contingency([known, rows - known], correction=False).pvalue > RATES_P:
        return None
    return dict(zip(names, rates.tolist(), strict=True))


def label_weights(rows: Answered, rates: Mapping[str, float]) -> Floats:
    """How much each of n rows counts, (n,), 1 on average over those with a label; 0 of rows without one.

    >>> of = lambda *words: np.array(words)
    >>> share, labelled = np.full(4, 0.5), np.array([True, True, False, True])
    >>> rows = Answered(of("a", "a", "b", "b"), of("a", "a", "b", "a"), of(0.75, 0.75, 0.75, 0.25), share, labelled)
    >>> label_weights(rows, {"a": 1.0, "b": 0.0}).round(2)
    array([0.61, 0.61, 0.  , 1.77])
    """
    own = np.array([rates.get(name, 0.0) for name in rows.greedy.tolist()])
    chance = rows.least * sum(rates.values()) + (1.0 - rows.share) * own
    weights = np.divide(rows.labelled, chance, out=np.zeros(len(own)), where=chance > 0)
    return normalised(weights)


def normalised(weights: Floats) -> Floats:
    """Weights (n,) with a mean of 1 over those that are not 0, none above the root of their number."""
    some = weights > 0
    count = int(some.sum())
    if not count:
        return weights
    cut = np.minimum(weights * (count / weights.sum()), np.sqrt(count))
    return np.asarray(cut * (count / cut.sum()), dtype=np.float64)
