"""What of a model's predictions is watched for drift."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from drift.profiles.categorical import encode
from drift.profiles.profile import ColumnValues
from drift.statistics.scores import Floats

PREDICTION = "prediction"


def output_columns(
    values: NDArray[np.generic],
    probabilities: Floats | None = None,
    classes: Sequence[str] | None = None,
) -> Iterator[tuple[str, ColumnValues]]:
    """Named columns of n predictions: `values` (n,), `probabilities` (n, k) and the names of the k classes.

    Regression (no classes): "prediction", numeric. Classification: "prediction", categorical, and the numeric
    "p_CLASS" of every class, for two classes only of the second, since the first is its complement.

    >>> [name for name, _ in output_columns(np.array(["no", "yes"]), np.eye(2), ["no", "yes"])]
    ['prediction', 'p_yes']
    """
    if classes is None:
        yield PREDICTION, np.asarray(values, dtype=np.float64)
        return
    yield PREDICTION, encode(values.tolist())
    if probabilities is None:
        return
    for position, name in enumerate(classes):
        if len(classes) != 2 or position == 1:
            yield f"p_{name}", np.asarray(probabilities[:, position], dtype=np.float64)
