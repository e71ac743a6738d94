"""Distributions and changes of them that any statistic must stand."""

import numpy as np

SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, size=n),
    "very heavy": lambda rng, n: rng.lognormal(0, 4, size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "counts": lambda rng, n: rng.poisson(4, size=n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 1, size=n)),
    "two decimals": lambda rng, n: np.round(rng.normal(size=n), 2),
    "timestamps": lambda rng, n: 1.7e9 + rng.uniform(0, 1e6, size=n),
    "wide integers": lambda rng, n: rng.integers(0, 10**9, size=n).astype(float),
    "two values": lambda rng, n: rng.integers(0, 2, size=n).astype(float),
    "outlier": lambda rng, n: np.append(rng.normal(size=n - 1), 1e300),
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-300,
}
CHANGES = {
    "same": lambda x: x,
    "shifted": lambda x: x + np.std(x[np.abs(x) < 1e200]) / 7,
    "scaled": lambda x: x * 1.5,
    "far away": lambda x: x + 1e12,
    "negative": lambda x: -x,
    "few": lambda x: x[:70],
    "holes": lambda x: np.where(np.arange(len(x)) % 3 == 0, np.nan, x),
    "infinite": lambda x: np.append(x, [np.inf, -np.inf]),
}
