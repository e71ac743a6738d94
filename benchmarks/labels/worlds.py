"""Worlds that short streams are drawn from: two classes, a change or none, how rare and plain the positive class is."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from retrain.records.predictions import Floats

SMALLEST, LARGEST = 1000, 2000
CHANGES = ("none", "abrupt", "gradual", "shares")
MANY = 3000


@dataclass(frozen=True)
class World:
    """What a stream is drawn from: its rows, how it changes and when, how well the positive class can be told, and from
    which signal on a row is of it."""

    rows: int
    change: str
    turn: float
    noise: float
    threshold: float = 0.0

    def draw(self, rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
        """Rows (n, 5) and their signals (n,) at these shares of the stream (n,)."""
        X, n = rng.normal(0, 1, (len(at), 5)), len(at)
        gradual = rng.random(n) < 1 / (1 + np.exp(-15 * (at - self.turn)))
        later = {"abrupt": at > self.turn, "gradual": gradual}.get(self.change, at > 1)
        signal = np.where(later, X[:, 2] - X[:, 1], X[:, 0] + X[:, 1]) + self.noise * rng.normal(size=n)
        return X, signal + (1.5 * (at - 0.5) if self.change == "shares" else 0.0)

    def table(self, rng: np.random.Generator, at: Floats) -> pa.Table:
        """Rows with their labels."""
        X, signal = self.draw(rng, at)
        y = np.where(signal > self.threshold, "yes", "no")
        return pa.table({**{f"x{place}": X[:, place] for place in range(X.shape[1])}, "y": y})


def world(rng: np.random.Generator) -> World:
    """A stream's world, with a tenth to a half of the rows positive."""
    rows, change = int(rng.integers(SMALLEST, LARGEST + 1)), str(rng.choice(CHANGES))
    made = World(rows, change, rng.uniform(0.3, 0.7), rng.uniform(0.2, 1.5))
    signals = made.draw(rng, np.linspace(0, 1, MANY))[1]
    return replace(made, threshold=float(np.quantile(signals, 1 - rng.uniform(0.1, 0.5))))
