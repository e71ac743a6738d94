"""One answer of several models: the weighted mean of what they say."""

from collections.abc import Sequence

import numpy as np

from retrain.records.predictions import Floats, Predictions, label_codes


def blend(members: Sequence[Predictions], weights: Sequence[float]) -> Predictions:
    """The predictions of all members for the same n rows, weighted; one member answers alone, unchanged.

    Classes are those of the first member, then those that only later ones know (probability 0 where unknown).
    A member without probabilities counts as certain of its class.

    >>> a, b = Predictions(np.array([1.0])), Predictions(np.array([4.0]))
    >>> blend([a, b], [2, 1]).values
    array([2.])
    """
    if len(members) == 1:
        return members[0]
    shares = np.asarray(weights, dtype=np.float64) / sum(weights)
    if members[0].classes is None:
        values = sum(share * member.values for share, member in zip(shares, members, strict=True))
        return Predictions(np.asarray(values, dtype=np.float64))
    classes = tuple(dict.fromkeys(name for member in members for name in member.classes or ()))
    aligned = [share * _aligned(member, classes) for share, member in zip(shares, members, strict=True)]
    probabilities: Floats = np.sum(aligned, axis=0)
    return Predictions(np.array(classes)[probabilities.argmax(axis=1)], probabilities, classes)


def concatenate(pieces: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive rows by one model as one; at least one piece."""
    if len(pieces) == 1:
        return pieces[0]
    matrices = [piece.probabilities for piece in pieces if piece.probabilities is not None]
    probabilities = np.concatenate(matrices) if len(matrices) == len(pieces) else None
    return Predictions(np.concatenate([piece.values for piece in pieces]), probabilities, pieces[0].classes)


def _aligned(member: Predictions, classes: tuple[str, ...]) -> Floats:
    """Probabilities (n, k) with a column for each of `classes`."""
    matrix = np.zeros((len(member), len(classes)))
    if member.probabilities is None:
        matrix[np.arange(len(member)), label_codes(member.values, classes)] = 1.0
        return matrix
    matrix[:, [classes.index(name) for name in member.classes or ()]] = member.probabilities
    return matrix
