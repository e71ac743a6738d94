"""How much more a reference's own parts differ than independent rows would, and p-values that allow for it.

Rows of one file often depend on each other, and then files differ more than the rows alone explain. Each part of
the reference against the next shows by how much: the mean of its test statistics over their degrees of freedom is
the dispersion (Rao and Scott 1984; for quasi-likelihood McCullagh and Nelder 1989). Where the parts as a whole, or
those of one test, differ more than chance explains, that test is judged as a ratio of variances, F with the parts
as the denominator; where they do not, by chi-squared, divided by the pooled dispersion where that is above 1 by more
than 1.64 standard errors. Pooled are tests whose parts vary alike: one column that is sorted says nothing of others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from drift.check.alike import alike
from drift.profiles.parts import MAX_GROUPS, MIN_PARTS, Draws, Parts, missing_draws, shape_draws

FEW_BATCHES_PARTS = 24
POOLED_Z, NOTICED_Z = 2.5, 1.64
OWN_LEVEL, NEARBY_LEVEL, DOUBTED_LEVEL = 0.01, 0.001, 0.1
"""How seldom one test of independent rows is judged by its own parts: by those as long as a batch, by the finest, and
by the former where two tests are already: one column that is sorted says nothing of others, several make one doubt."""
EFFICIENCY = 2 / 3
"""Of a variance from successive differences, which share their parts (von Neumann 1941)."""
MEAN_ERROR = 0.015
"""By which the mean ratio of independent rows may be off 1, however many columns there are: see `BINNED_MEAN`."""


@dataclass(frozen=True)
class Evidence:
    """A test's statistic that is chi-squared with `df` degrees where nothing changed and rows are independent."""

    value: float
    df: float


@dataclass(frozen=True)
class Spread:
    """One test's dispersion `factor` ≥ 1. Where `own`, it was estimated from as many as `parts` independent draws of
    `df` degrees of freedom each, and its uncertainty counts."""

    factor: float
    own: bool = False
    df: float = 1.0
    parts: float = 0.0

    def p_value(self, found: Evidence) -> float:
        """Of that statistic, allowing for the dispersion.

        >>> round(Spread(1.0).p_value(Evidence(3.841458820694124, 1.0)), 9)
        0.05
        """
        ratio = found.value / found.df / self.factor
        if self.own:
            df = min(self.df, found.df)
            return float(special.fdtrc(df, df * self.parts, ratio))
        return float(special.chdtrc(found.df, found.df * ratio))


@dataclass(frozen=True)
class Dispersion:
    """The spreads of the tests of a check, by (column, test): `pooled` is for those that have none of their own.

    `dependent` says that rows of the reference depend on each other; `parts` of `part_rows` rows told so, 0 where
    the reference is too small to be parted."""

    pooled: Spread = Spread(1.0)
    own: Mapping[tuple[str, str], Spread] | None = None
    dependent: bool = False
    parts: int = 0
    part_rows: float = 0.0

    def spread(self, column: str, test: str) -> Spread:
        """Of one test."""
        return (self.own or {}).get((column, test), self.pooled)


def dispersion(parts: Mapping[str, Parts], rows: int) -> Dispersion:
    """Of the tests of columns with these parts, for a check of `rows` rows: parts of about as many rows are compared,
    8 to 120 of them; 24 smaller ones where the reference has fewer than 8 batches and cannot show how these differ."""
    if not parts or not rows:
        return Dispersion()
    total = max(int(part.rows.sum()) for part in parts.values())
    batches = round(total / rows)
    groups = min(MAX_GROUPS, batches) if batches >= MIN_PARTS else FEW_BATCHES_PARTS
    draws = _draws(parts, groups)
    if not draws:
        return Dispersion()
    pieces = min(groups, max(len(part.rows) for part in parts.values()))
    nearby = _nearby(parts) if batches >= MIN_PARTS else {}
    mean, error = _pooled(draws)
    dependent = _beyond(mean, error) or bool(nearby and _beyond(*_pooled(nearby)))
    varying = set(draws) if dependent else _varying(draws, nearby)
    own = {key: _own(values) for key, values in draws.items() if key in varying}
    pooled = Spread(mean if mean - 1 > NOTICED_Z * error else 1.0)
    return Dispersion(pooled, own, dependent, pieces, total / pieces)


def _draws(parts: Mapping[str, Parts], groups: int) -> dict[tuple[str, str], Draws]:
    found: dict[tuple[str, str], Draws] = {}
    for name, part in parts.items():
        grouped = part.grouped(groups)
        for test, draws in (("shape", shape_draws(grouped)), ("missing", missing_draws(grouped))):
            if draws is not None:
                found[name, test] = draws
    return found


def _nearby(parts: Mapping[str, Parts]) -> dict[tuple[str, str], Draws]:
    """The draws of the finest parts: a few groups as long as a batch show that rows depend on their neighbours only
    where they do so strongly, hundreds of short parts always."""
    return {(name, test): one for name, part in parts.items() for test, one in part.finest.items()}


def _varying(draws: Mapping[tuple[str, str], Draws], nearby: Mapping[tuple[str, str], Draws]) -> set[tuple[str, str]]:
    """The tests whose own parts differ more than chance explains."""
    fine = {key for key, one in nearby.items() if _unlikely(one, NEARBY_LEVEL)}
    found = fine | {key for key, one in draws.items() if _unlikely(one, OWN_LEVEL)}
    doubted = {key for key, one in draws.items() if _unlikely(one, DOUBTED_LEVEL)} if len(found) > 1 else set()
    return found | doubted


def _beyond(mean: float, error: float) -> bool:
    return mean - 1 > POOLED_Z * error


def _pooled(draws: Mapping[tuple[str, str], Draws]) -> tuple[float, float]:
    """The mean ratio over the parts of the tests that vary alike, and its standard error from the parts. Where rows
    depend on each other, parts have one degree of freedom each."""
    most = max(len(one.ratios) for one in draws.values())
    whole = [one for one in draws.values() if len(one.ratios) == most]
    ratios = np.stack([one.ratios for one in whole])
    used = alike(ratios.mean(axis=1), np.full(len(whole), EFFICIENCY * most))
    by_part = ratios[used].mean(axis=0)
    information = [one.information for one, among in zip(whole, used, strict=True) if among]
    expected = np.sqrt(np.mean([2 / one for one in information]) / len(information))
    spread = max(float(by_part.std(ddof=1)), float(expected))
    return float(by_part.mean()), float(np.hypot(spread / np.sqrt(EFFICIENCY * most), MEAN_ERROR))


def _own(draws: Draws) -> Spread:
    """The test's own spread. A shared effect of a batch moves a whole column one way, so that the parts have one degree
    of freedom each, however many bins they are counted in."""
    return Spread(max(float(draws.ratios.mean()), 1.0), True, 1.0, EFFICIENCY * len(draws.ratios))


def _unlikely(draws: Draws, level: float) -> bool:
    """Whether independent rows would so seldom give parts that differ so much."""
    df = EFFICIENCY * len(draws.ratios) * draws.information
    return float(special.chdtrc(df, df * draws.ratios.mean())) < level
