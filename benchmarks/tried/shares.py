"""The classes' shares of rows without labels if nothing else changed, for the decision while labels are out."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.tried.placing import replaced
from retrain.monitoring import newer_rows
from retrain.monitoring.assessor import Assessor
from retrain.records.predictions import Floats

STEPS = 100
"""Of the expectation maximisation; it is close after ten."""
SMALLEST = 1e-3


def em_shares(probabilities: Floats, prior: Floats, steps: int = STEPS) -> Floats:
    """Shares of the classes (k,) among rows of which a model says `probabilities` (n, k), where `prior` (k,) were the
    shares in its training: expectation maximisation (Saerens, Latinne and Decaestecker 2002).

    >>> em_shares(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]), np.array([0.5, 0.5])).round(2)
    array([0.71, 0.29])
    """
    prior = np.maximum(prior, SMALLEST)
    shares = prior / prior.sum()
    for _ in range(steps):
        tilted = probabilities * (shares / prior)
        shares = (tilted / tilted.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(shares, dtype=np.float64)


def em_following(relative: bool, assessor: Assessor, proposal: Mapping[str, Any], up_to: int) -> dict[str, Any]:
    """In place of `retrain.monitoring.newer_rows.following`; `relative`: by the ratio of such shares in newer and in
    labelled rows, so that the method's own error cancels."""
    prior = np.array(assessor.served.version.baseline.probabilities or ())
    with replaced(newer_rows, "moved_shares", partial(_moved, prior, relative)):
        return newer_rows.following(assessor, proposal, up_to)


def _moved(prior: Floats, relative: bool, shares: Floats, labelled: Floats, newer: Floats) -> Floats:
    found = em_shares(newer, prior)
    if relative:
        found = shares * found / np.maximum(em_shares(labelled, prior), SMALLEST)
    found = np.maximum(found / found.sum(), SMALLEST)
    rows = min(len(labelled), len(newer))
    return (rows * found + newer_rows.PRIOR_ROWS * shares) / (rows + newer_rows.PRIOR_ROWS)
