"""The classes' shares of rows without labels: how the decision could follow them while labels are out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from retrain.model.recalibration import Recalibration
from retrain.monitoring.assessor import SHARE_FILES, Assessor, version_predictions
from retrain.records.predictions import Floats
from retrain.rows.history import Batch

STEPS = 100
"""Of the expectation maximisation; it is close after ten."""
NEWEST_FILES = 2
"""Whose rows are asked, labelled or not."""
PRIOR_ROWS = 60.0
"""As which the shares by labels count beside those without."""
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


def by_newest_rows(assessor: Assessor, found: Mapping[str, Any], relative: bool) -> dict[str, Any]:
    """The proposal with its decision moved to the shares in the newest two files; `relative`: by the ratio of such
    shares there and in the labelled files that the decision follows, so that the method's own error cancels."""
    recalibration = Recalibration.from_json(found["recalibration"])
    usual = assessor.decision(max(assessor.history.past(), default=0))
    if usual is None or recalibration is None or not recalibration.decision or usual.classes is None:
        return {}
    history = assessor.history
    newest = [history.rows_alone(seq) for seq in history.seqs[-NEWEST_FILES:]]
    told = _without_labels(assessor, newest)
    before = np.exp(-np.array(usual.decision))
    if told is None or len(told[0]) != len(before):
        return {}
    shares, rows = told
    if relative:
        labelled = _without_labels(assessor, history.newest_pools(SHARE_FILES))
        if labelled is None:
            return {}
        shares = before * shares / np.maximum(labelled[0], SMALLEST)
        shares = shares / shares.sum()
    shares = (rows * shares + PRIOR_ROWS * before) / (rows + PRIOR_ROWS)
    known = dict(zip(usual.classes, np.log(before / np.maximum(shares, SMALLEST)), strict=True))
    classes = recalibration.classes or ()
    moved = [weight + float(known.get(name, 0.0)) for name, weight in zip(classes, recalibration.decision, strict=True)]
    return {"recalibration": Recalibration(classes, recalibration.offset, tuple(moved)).to_json()}


def _without_labels(assessor: Assessor, batches: list[Batch]) -> tuple[Floats, int] | None:
    """By EM, in the order of the newest version's classes, and of how many rows; None where it gives no
    probabilities."""
    version, said = assessor.served.version, []
    for batch in batches:
        valid = assessor.unseen([version], batch)
        if valid is not None:
            said.append(version_predictions({version.name: version}, batch, assessor.memory)[version.name].take(valid))
    given = [one.probabilities for one in said if one.probabilities is not None]
    if not given or version.baseline.probabilities is None:
        return None
    whole = np.concatenate(given)
    return em_shares(whole, np.array(version.baseline.probabilities)), len(whole)
