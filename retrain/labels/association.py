"""Whether two properties of rows go together within files: stratified linear rank tests, and how strongly they do.

Files are the strata, so that nothing that differs from file to file (their class shares, their ages, a drift) counts.
Within a file all orders are taken as equally likely (a permutation test). Where files contradict each other more than
chance allows, since neighbouring rows are alike, standard errors are enlarged by as much (Birge 1932)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
FEWEST_STRATA = 3
"""Below it files cannot be seen to contradict each other."""
SURE = 2.0
"""Standard errors on either side: 95 %."""


@dataclass(frozen=True)
class Association:
    """`effect` from −1 to 1, 0 without association; its standard error `error` (inf where nothing can be told), the
    two-sided `p`, and the rows of files in which both properties vary."""

    effect: float
    error: float
    p: float
    rows: int

    @property
    def z(self) -> float:
        """The effect in standard errors."""
        return self.effect / self.error if self.error > 0 else 0.0

    def surely_within(self, margin: float) -> bool:
        """The effect is shown to be smaller than `margin` (95 %): independence, for all that matters."""
        return abs(self.effect) + SURE * self.error < margin

    def surely_beyond(self, margin: float, errors: float = SURE) -> bool:
        """The effect is shown to be larger than `margin`."""
        return abs(self.effect) - errors * self.error > margin


UNKNOWN = Association(0.0, math.inf, 1.0, 0)


@dataclass(frozen=True)
class ClassAssociation:
    """`by_class`: each class against all others; `p` of all classes together."""

    by_class: Mapping[Any, Association]
    p: float

    @property
    def strongest(self) -> Association:
        """Of the class that differs most from the others, in standard errors."""
        return max(self.by_class.values(), key=lambda one: abs(one.z), default=UNKNOWN)

    def surely_within(self, margin: float) -> bool:
        """No class differs from the others by `margin`: shown for each class (95 %)."""
        return bool(self.by_class) and all(one.surely_within(margin) for one in self.by_class.values())


def rank_association(values: NDArray[Any], others: NDArray[Any], strata: NDArray[Any]) -> Association:
    """Spearman's rank correlation of two numbers of each row, within strata; all of shape (n,).

    The sum over strata of the covariances of midranks, each by 1/(n + 1) (van Elteren 1960), over the root of the
    product of the same sums of variances; permutation variance (Hollander, Wolfe and Chicken 2014, 8.5).

    >>> file = np.repeat([0, 1], 10)
    >>> round(rank_association(np.arange(20.0), -np.arange(20.0), file).effect, 3)
    -1.0
    """
    found = [
        (len(left), left @ right, left @ left, right @ right)
        for left, right in _centred(values, others, strata)
        if left.any() and right.any()
    ]
    if not found:
        return UNKNOWN
    n, both, one, other = (np.array(part, dtype=np.float64) for part in zip(*found, strict=True))
    weight = 1.0 / (n + 1.0)
    size = weight * np.sqrt(one * other)
    return _associated(weight * both, weight**2 * one * other / (n - 1.0), size, int(n.sum()))


def class_association(values: NDArray[Any], classes: NDArray[Any], strata: NDArray[Any]) -> ClassAssociation:
    """Whether a number of each row goes with its class, within strata; all of shape (n,).

    Each class against the others by the stratified rank sum test of van Elteren (1960); `effect` is Somers' D, twice
    the chance that a row of the class has the larger number, less one. `p` of all classes: the quadratic form of their
    rank sums (Landis, Heyman and Koch 1978, mean scores).

    >>> file, lag = np.repeat([0, 1], 8), np.tile([0, 0, 0, 5, 5, 5, 5, 5], 2)
    >>> found = class_association(lag, np.where(lag == 0, "yes", "no"), file)
    >>> found.by_class["yes"].effect, round(found.p, 5)
    (-1.0, 0.00018)
    """
    names, codes = np.unique(classes, return_inverse=True)
    if len(names) < 2:
        return ClassAssociation({}, 1.0)
    sums, covariances, sizes, rows = _rank_sums(values, codes, strata, len(names))
    if not rows:
        return ClassAssociation(dict.fromkeys(names.tolist(), UNKNOWN), 1.0)
    singles = [_associated(sums[:, c], covariances[:, c, c], sizes[:, c] / 2.0, rows) for c in range(len(names))]
    by_class = dict(zip(names.tolist(), singles, strict=True))
    spread = max(_contradiction(sums[:, c], covariances[:, c, c], sizes[:, c]) for c in range(len(names)))
    return ClassAssociation(by_class, _chi_squared_p(sums.sum(axis=0), covariances.sum(axis=0) * spread))


def _rank_sums(
    values: NDArray[Any], codes: NDArray[Any], strata: NDArray[Any], k: int
) -> tuple[Floats, Floats, Floats, int]:
    """By stratum: weighted rank sums less their expectation (s, k), their covariances (s, k, k), what a sum would be
    if each row of a class had the larger number, doubled (s, k); and the rows."""
    sums, covariances, sizes, rows = [], [], [], 0
    for places in _places(strata):
        ranks, counts = _midranks(values[places]), np.bincount(codes[places], minlength=k).astype(np.float64)
        n = len(places)
        if n < 2 or not ranks.any() or counts.max() == n:
            continue
        weight = 1.0 / (n + 1.0)
        sums.append(weight * np.bincount(codes[places], ranks, minlength=k))
        chance = np.diag(counts) - np.outer(counts, counts) / n
        covariances.append(weight**2 * (ranks @ ranks) / (n - 1.0) * chance)
        sizes.append(weight * counts * (n - counts))
        rows += n
    return np.array(sums), np.array(covariances), np.array(sizes), rows


def _associated(sums: Floats, variances: Floats, sizes: Floats, rows: int) -> Association:
    """Of sums, their variances and their largest possible values, by stratum, each of shape (s,)."""
    if sizes.sum() <= 0 or variances.sum() <= 0:
        return UNKNOWN
    spread = _contradiction(sums, variances, sizes)
    effect, error = sums.sum() / sizes.sum(), math.sqrt(variances.sum() * spread) / float(sizes.sum())
    return Association(float(effect), error, float(2.0 * stats.norm.sf(abs(effect) / error)), rows)


def _contradiction(sums: Floats, variances: Floats, sizes: Floats) -> float:
    """How much more strata differ from their common effect than by chance, as a factor of the variance; at least 1."""
    told = variances > 0
    if np.count_nonzero(told) < FEWEST_STRATA:
        return 1.0
    sums, variances, sizes = sums[told], variances[told], sizes[told]
    common = sums.sum() / sizes.sum() if sizes.sum() > 0 else 0.0
    return max(1.0, float(np.sum((sums - common * sizes) ** 2 / variances)) / (len(sums) - 1))


def _chi_squared_p(sums: Floats, covariances: Floats) -> float:
    degrees = int(np.linalg.matrix_rank(covariances, hermitian=True))
    if not degrees:
        return 1.0
    return float(stats.chi2.sf(sums @ np.linalg.pinv(covariances, hermitian=True) @ sums, degrees))


def _places(strata: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Positions of the rows of each stratum."""
    _, codes = np.unique(strata, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []


def _centred(values: NDArray[Any], others: NDArray[Any], strata: NDArray[Any]) -> Iterator[tuple[Floats, Floats]]:
    for places in _places(strata):
        yield _midranks(values[places]), _midranks(others[places])


def _midranks(values: NDArray[Any]) -> Floats:
    """Ranks less their mean; of equal values the mean rank."""
    ranks: Floats = stats.rankdata(values)
    return ranks - (len(values) + 1) / 2.0
