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


def _pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        "normal": (rng.normal(size=500), rng.normal(0.2, 1, size=300)),
        "equal sizes": (rng.normal(size=200), rng.normal(size=200)),
        "ties": (rng.integers(0, 4, 400).astype(float), rng.integers(0, 5, 250).astype(float)),
        "constant and constant": (np.full(30, 2.0), np.full(20, 2.0)),
        "two constants": (np.full(30, 2.0), np.full(20, 3.0)),
        "one row each": (np.array([1.0]), np.array([2.0])),
        "one row against many": (rng.normal(size=1000), np.array([0.1])),
        "two rows against many": (np.array([-0.3, 1.1]), rng.normal(size=1000)),
        "few rows": (rng.normal(size=9), rng.normal(1, 1, size=12)),
        "few rows, tied": (rng.integers(0, 4, 9).astype(float), rng.integers(0, 4, 20).astype(float)),
        "eight against many": (rng.normal(0.5, 1, size=8), rng.normal(size=300)),
        "heavy tails": (rng.standard_cauchy(700), rng.standard_cauchy(650) * 2),
        "large offset": (rng.normal(1e9, 1, 900), rng.normal(1e9 + 0.3, 1, 800)),
        "apart": (rng.uniform(0, 1, 100), rng.uniform(5, 6, 90)),
        "many": (rng.normal(size=12_000), rng.normal(0.01, 1, size=3_000)),
        "many, drifted": (rng.normal(size=3_000), rng.normal(0.5, 1, size=15_000)),
    }


PAIRS = _pairs()
"""A reference and a current sample each, ties, constants and tiny ones included."""
