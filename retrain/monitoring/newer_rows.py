"""Where balanced accuracy asks for a decision by the classes' shares and labels of newer files are out: the decision
follows what the newest version says of the rows of these files.

The best decision is for the class whose probability exceeds its share by the largest factor. Where rows change and what
makes a class stays, that share is the mean of the probabilities, whose ratio to the same mean over the labelled files
cancels a model's own bias. Rows that were asked for over HTTP do not count: who only asks must not move what others are
answered. Where instead only the classes' shares change, the best decision stays as it is: shares by
expectation maximisation (Saerens et al. 2002), which assume that, serve worse here (`make tried`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrain.model.recalibration import LARGEST, Recalibration
from retrain.monitoring.assessor import SHARE_FILES, Assessor, version_predictions
from retrain.records.predictions import Floats
from retrain.rows.history import Batch

NEWEST_FILES = 2
"""Whose rows are followed."""
PRIOR_ROWS = 60.0
"""As so many more rows the shares by labels count: what is moved by few rows is moved little."""
SMALLEST_SHARE = 1e-3
FEWEST_Z = 2.0
"""Standard errors by which the mean probability of a class must differ from that over labelled rows to be followed."""


def following(assessor: Assessor, proposal: Mapping[str, Any], up_to: int) -> dict[str, Any]:
    """The decision of a proposal by the labels up to a file, moved as far as newer rows ask for it, and the classes'
    shares before and after, by class; {} where nothing is to be moved."""
    recalibration = Recalibration.from_json(proposal["recalibration"])
    there = [seq for seq in assessor.history.seqs if seq not in assessor.history.traffic]
    newer = [seq for seq in there if seq > up_to]
    if not assessor.balanced or recalibration is None or not up_to or not newer:
        return {}
    usual, history = assessor.decision(up_to), assessor.history
    labelled = _said(assessor, history.newest_pools(SHARE_FILES, up_to, representative=True))
    rows = _said(assessor, [history.rows_alone(seq) for seq in there[-NEWEST_FILES:]])
    if usual is None or usual.classes is None or labelled is None or rows is None or not differ(labelled, rows):
        return {}
    before = np.exp(-np.array(usual.decision))
    after = moved_shares(before / before.sum(), labelled, rows)
    asked = np.clip(np.log(before / before.sum() / after), -LARGEST, LARGEST)
    moves = dict(zip(usual.classes, asked.tolist(), strict=True))
    classes = recalibration.classes or ()
    decision = [was + moves.get(name, 0.0) for name, was in zip(classes, recalibration.decision, strict=True)]
    told = {"labelled": before / before.sum(), "newer": after}
    return {
        "recalibration": Recalibration(classes, recalibration.offset, tuple(decision), recalibration.rule).to_json(),
        "shares": {name: dict(zip(usual.classes, one.round(6).tolist(), strict=True)) for name, one in told.items()},
    }


def differ(labelled: Floats, newer: Floats) -> bool:
    """Whether the mean probabilities of labelled rows (n, k) and newer ones (m, k) differ beyond chance.

    >>> differ(np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.8, 0.2], [0.3, 0.7]]))
    False
    """
    error = np.sqrt(labelled.var(axis=0) / len(labelled) + newer.var(axis=0) / len(newer))
    return bool((np.abs(newer.mean(axis=0) - labelled.mean(axis=0)) > FEWEST_Z * error + 1e-9).any())


def moved_shares(shares: Floats, labelled: Floats, newer: Floats) -> Floats:
    """Shares of the classes (k,) among labelled rows, of which a model says `labelled` (n, k), moved to what it says of
    newer ones (m, k), shrunk as if either had sixty rows like the labelled ones more.

    >>> moved_shares(np.array([0.8, 0.2]), np.full((540, 2), 0.5), np.tile([0.25, 0.75], (540, 1))).round(2)
    array([0.59, 0.41])
    """
    ratio = newer.mean(axis=0) / np.maximum(labelled.mean(axis=0), SMALLEST_SHARE)
    found = np.maximum(shares * ratio, SMALLEST_SHARE)
    rows = min(len(labelled), len(newer))
    shrunk = (rows * found / found.sum() + PRIOR_ROWS * shares) / (rows + PRIOR_ROWS)
    return np.asarray(shrunk / shrunk.sum(), dtype=np.float64)


def _said(assessor: Assessor, batches: Sequence[Batch]) -> Floats | None:
    """The newest version's probabilities (n, classes) of the rows that it was not trained on; None without any."""
    version, found = assessor.served.version, []
    for batch in batches:
        valid = assessor.unseen([version], batch)
        said = version_predictions({version.name: version}, batch, assessor.memory)[version.name]
        if valid is not None and said.probabilities is not None:
            found.append(said.probabilities[valid])
    return np.concatenate(found) if found else None
