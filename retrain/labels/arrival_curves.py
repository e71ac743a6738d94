"""How late labels come, by class, of rows of which the later labels are not yet in.

Only rows whose label has come are looked at, and one of a young file can only have come quickly: the lags are
truncated on the right by the age of the row. In reverse time that is the usual left truncation, and the product limit
holds (Lagakos, Barraj and De Gruttola 1988; Kalbfleisch and Lawless 1991; Lawless 1994)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
THIRDS = ("low", "middle", "high")


@dataclass(frozen=True, eq=False)
class ArrivalCurve:
    """Of the labels that come within `reach` (the greatest age of a row): `shares` (m,) have come at `lags` (m,), which
    ascend, with standard errors `errors` (m,). `rows` of them were seen. What comes later than `reach`, or never, is
    not known of."""

    lags: Floats
    shares: Floats
    errors: Floats
    rows: int
    reach: float

    def share(self, age: float) -> float:
        """The share of labels that are in at an age; 0 where none were seen."""
        place = int(np.searchsorted(self.lags, age, side="right")) - 1
        return float(self.shares[place]) if place >= 0 else 0.0

    def error(self, age: float) -> float:
        """The standard error of `share`."""
        place = int(np.searchsorted(self.lags, age, side="right")) - 1
        return float(self.errors[place]) if place >= 0 else 0.0

    def quantile(self, share: float) -> float:
        """The age at which a share of the labels is in; nan where none were seen.

        >>> arrival_curve(np.array([0, 1, 1, 2]), np.array([9, 9, 9, 9])).quantile(0.5)
        1.0
        """
        if not len(self.lags):
            return math.nan
        return float(self.lags[min(int(np.searchsorted(self.shares, share - 1e-9)), len(self.lags) - 1)])


def arrival_curve(lags: NDArray[Any], ages: NDArray[Any]) -> ArrivalCurve:
    """Of labelled rows: how long after the row each label came, and how old the row is, both (n,), in files or seconds.

    F(t) is the product over lags u > t of 1 − d/n: d labels came at u, n did by then of rows that are at least as old.
    Its standard error is Greenwood's. A correction that came after the age is left out.

    >>> young, old = np.zeros(30), np.repeat([0, 1], 30)
    >>> curve = arrival_curve(np.concatenate([young, old]), np.repeat([0, 1], [30, 60]))
    >>> curve.lags, curve.shares
    (array([0., 1.]), array([0.5, 1. ]))
    """
    possible = lags <= ages
    came, limit = np.sort(lags[possible].astype(np.float64)), np.sort(ages[possible].astype(np.float64))
    points, counts = np.unique(came, return_counts=True)
    at_risk = np.searchsorted(came, points, side="right") - np.searchsorted(limit, points, side="left")
    stay = 1.0 - counts / at_risk
    shares = np.append(np.cumprod(stay[:0:-1])[::-1], 1.0)[: len(points)]
    part = np.divide(counts, at_risk * stay * at_risk, out=np.zeros(len(points)), where=stay > 0)
    greenwood = np.append(np.cumsum(part[:0:-1])[::-1], 0.0)[: len(points)]
    reach = float(limit[-1]) if len(limit) else 0.0
    return ArrivalCurve(points, shares, shares * np.sqrt(greenwood), len(came), reach)


def curves_by_class(lags: NDArray[Any], ages: NDArray[Any], classes: NDArray[Any]) -> dict[str, ArrivalCurve]:
    """The curve of each class; `classes` (n,) of the rows, as text."""
    return {
        str(name): arrival_curve(lags[classes == name], ages[classes == name]) for name in np.unique(classes).tolist()
    }


def slowest(curves: Mapping[str, ArrivalCurve], share: float) -> float:
    """The age at which a share of the labels of every class is in; nan without curves."""
    return max((curve.quantile(share) for curve in curves.values()), default=math.nan)


def thirds(values: NDArray[Any]) -> NDArray[np.str_]:
    """Numbers (n,) as classes: low, middle and high thirds; what is equal stays together.

    >>> thirds(np.array([1.0, 9.0, 5.0])).tolist()
    ['low', 'high', 'middle']
    """
    if not len(values):
        return np.array([], dtype="<U6")
    limits = np.quantile(values, [1 / 3, 2 / 3])
    return np.array(THIRDS)[np.searchsorted(limits, values, side="left")]
