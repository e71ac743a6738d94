"""How fast something grows, and how surely: a line through looks that depend on the looks before them. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOUR_S = 3_600.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trend:
    """Growth in percent of the mean an hour, and its standard error."""

    percent_an_hour: float
    standard_error: float
    mean: float


def trend(at_s: Floats, values: Floats) -> Trend:
    """The slope by least squares; shapes (n,) and (n,), n of 3 at least, `at_s` in seconds and evenly spaced.

    What grows between two sweeps and falls at each has looks that go together: the standard error is that of Newey and
    West (1987) with Bartlett's weights and lags up to n ** (1/2), which span some sweeps.

    >>> round(trend(np.arange(0.0, 3600.0, 60.0), np.linspace(100.0, 102.0, 60)).percent_an_hour, 2)
    2.01
    >>> trend(np.arange(0.0, 300.0, 60.0), np.zeros(5)).percent_an_hour  # a folder that is mostly empty
    0.0
    """
    hours = (at_s - at_s.mean()) / HOUR_S
    mean, spread = float(values.mean()), float((hours**2).sum())
    slope = float((hours * (values - mean)).sum()) / spread
    moments = hours * (values - mean - slope * hours)
    count = len(values)
    lags = int(count**0.5)
    variance = float((moments**2).sum())
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float((moments[lag:] * moments[:-lag]).sum())
    error = (max(variance, 0.0) * count / (count - 2)) ** 0.5 / spread
    share = 100 / mean if mean else 0.0
    return Trend(share * slope, share * error, mean)


def by_minute(at_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The middle and the median of each minute with looks, shapes (m,): a training that lasts seconds is no trend."""
    minutes = (at_s // 60.0).astype(int)
    kept = np.unique(minutes)
    medians = np.array([np.median(values[minutes == minute]) for minute in kept])
    return 60.0 * kept + 30.0, medians
