"""What the numbers of a file look like: place, scale, size and shape of each column, robust against a few outliers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats

INNER = np.linspace(0.05, 0.95, 19)
HEAVY = 0.3


@dataclass(frozen=True, eq=False)
class Shape:
    """Of d columns, without the values that are a large share of their column, such as zeros: `middle` and `scale` are
    the mean and deviation of the inner quantiles, `size` the mean of log |x|, `inner` (19, d) the quantiles in
    these units; `present` counts the values and `distinct` the different ones, heavy ones among them."""

    middle: Floats
    scale: Floats
    size: Floats
    inner: Floats
    present: NDArray[np.int64]
    distinct: NDArray[np.int64]
    first: Floats


def shape_of(X: Floats) -> Shape:
    """Of X (n, d), NaN where missing."""
    ordered = np.sort(X, axis=0)
    all_present = (~np.isnan(X)).sum(axis=0)
    fresh = (ordered[1:] > ordered[:-1]).sum(axis=0)
    light = _without_heavy(ordered, all_present)
    present = (~np.isnan(light)).sum(axis=0)
    inner = _quantiles(light, present)
    middle, scale = inner.mean(axis=0), inner.std(axis=0)
    some = inner != 0
    logs = np.log(np.abs(np.where(some, inner, 1.0)))
    size = np.where(some, logs, 0.0).sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    unit = np.where(scale > 0, scale, 1.0)
    return Shape(middle, scale, size, (inner - middle) / unit, present, fresh + (all_present > 0), ordered[0])


def _without_heavy(ordered: Floats, present: NDArray[np.int64]) -> Floats:
    """Columns, sorted, in which a value of a large share, found at a quartile, is made missing."""
    heavy = np.zeros(ordered.shape, dtype=bool)
    columns = np.arange(ordered.shape[1])
    for quartile in (0.25, 0.5, 0.75):
        value = ordered[(quartile * np.maximum(present - 1, 0)).astype(np.int64), columns]
        equal = ordered == value
        heavy |= equal & (equal.sum(axis=0) > HEAVY * present)
    return np.sort(np.where(heavy, np.nan, ordered), axis=0)


def _quantiles(ordered: Floats, present: NDArray[np.int64]) -> Floats:
    """The inner quantiles (19, d) of columns sorted with NaN last; NaN of a column without values."""
    at = np.clip(INNER[:, None] * (present - 1), 0, None)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(present - 1, 0))
    lower, upper = np.take_along_axis(ordered, low, axis=0), np.take_along_axis(ordered, high, axis=0)
    return np.asarray(lower + (at - low) * (upper - lower))
