"""Earlier versions beside the champion: how much of the answer each is worth, from the newest labelled rows.

A version's weight is exp(−z/2), z being by how many standard errors of the paired difference it costs more than the
best on the rows of the last two labelled files that none of them was trained on; the newest counts twice."""

from collections.abc import Mapping

import numpy as np

from retrain.records.predictions import Floats

# The numbers were chosen on the development streams of docs/replay.md (`make streams`).
TEMPERATURE = 0.5
"""Of a version's log weight, per standard error that it costs more than the best."""
NEWEST_FACTOR = 2.0
"""On the newest version's weight."""
SMALLEST_WEIGHT = 0.03
"""As a share of the largest; lighter versions are left out."""
FEWEST_ROWS = 3
"""Rows that a standard error is computed from."""


def blend_weights(losses: Mapping[str, Floats], newest: str, members: int) -> dict[str, float]:
    """Weights, summing to 1, of at most `members` versions, heaviest first; `losses` by version, (n,) on the same rows.

    >>> blend_weights({"v1": np.array([1.0, 0.9, 1.1, 1.0]), "v2": np.zeros(4)}, "v2", 3)
    {'v2': 1.0}
    """
    if newest not in losses or len(losses[newest]) < FEWEST_ROWS:
        return {newest: 1.0}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    raw = {
        name: float(np.exp(-TEMPERATURE * max(0.0, paired_z(found - losses[best]))))
        * (NEWEST_FACTOR if name == newest else 1.0)
        for name, found in losses.items()
    }
    ranked = sorted(raw, key=lambda name: (-raw[name], name))[:members]
    kept = {name: raw[name] for name in ranked if raw[name] > SMALLEST_WEIGHT * raw[ranked[0]]}
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}


def paired_z(differences: Floats) -> float:
    """Mean over its standard error, 0 where all (n,) are 0.

    >>> round(paired_z(np.array([1.0, 2.0, 3.0])), 3)
    4.243
    """
    error = float(differences.std()) / np.sqrt(len(differences))
    mean = float(differences.mean())
    return 0.0 if mean == 0 else float(mean / (error + 1e-9))
