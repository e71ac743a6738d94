"""Rows of the problem that all servers learn: 20 numbers, 5 categories, two classes, some values missing; seeded."""

from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.serving.columns import CATEGORICAL, CLASSES, FEATURES, NUMERIC, TARGET

TRAINING_SEED, SECOND_SEED, BODY_SEED = 20_252, 20_253, 20_254
MISSING_NUMBERS, MISSING_CATEGORIES = 0.05, 0.02
UNSEEN_EVERY = 16
Row = dict[str, Any]


def generate(rows: int, seed: int) -> pa.Table:
    """A labelled table; every other numeric column and every category has missing values."""
    rng = np.random.default_rng((seed, rows))
    numbers = rng.standard_normal((rows, len(NUMERIC)))
    codes = {name: np.minimum(rng.geometric(0.3, rows) - 1, size - 1) for name, size in CATEGORICAL.items()}
    score = numbers[:, 0] * numbers[:, 1] + np.sin(2 * numbers[:, 2]) + np.abs(numbers[:, 3]) + 0.5 * numbers[:, 4]
    score += sum(np.cos(3 * code + position) for position, code in enumerate(codes.values()))
    label = score + rng.standard_normal(rows) > np.median(score)
    columns: dict[str, Any] = {}
    for position, name in enumerate(NUMERIC):
        missing = rng.random(rows) < (MISSING_NUMBERS if position % 2 else 0.0)
        columns[name] = pa.array(numbers[:, position].round(6), mask=missing)
    for name, code in codes.items():
        words = np.array([f"value {k}" for k in range(CATEGORICAL[name])])
        columns[name] = pa.array(words[code], mask=rng.random(rows) < MISSING_CATEGORIES)
    columns[TARGET] = pa.array(np.array(CLASSES)[label.astype(int)])
    return pa.table(columns)


def sample(rows: int, seed: int, plain: bool = False) -> list[Row]:
    """Rows without a label as a client sends them: some null, and an unseen category in every sixteenth; `plain`
    ones are complete and known."""
    table = generate(rows * (20 if plain else 1), seed).select(FEATURES)
    found: list[Row] = table.to_pylist()
    if plain:
        return [row for row in found if None not in row.values()][:rows]
    for position in range(UNSEEN_EVERY // 2, rows, UNSEEN_EVERY):
        found[position][next(iter(CATEGORICAL))] = "never seen"
    return found
