"""What the columns do to predictions over many rows: how much each matters, and what a drifted one moved."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from retrain.model.deployment import LoadedDeployment
from retrain.model.explaining.contributions import Contributions, Step, no_step
from retrain.model.explaining.explainer import Explainer, explainer_of
from retrain.records.predictions import Floats
from retrain.store.background import background_rows

ROWS = 500
"""Of a file that are explained at most, evenly spread over it: a fifth of a second for the default trees."""
SAMPLED_ROWS = 20
"""The same where each row takes thousands of predictions."""


@dataclass(frozen=True, eq=False)
class Shift:
    """By how much a column's mean contribution differs between two files, for each class that is explained (k,), and
    the standard error of that by their rows."""

    mean: Floats
    error: Floats


def contributions(
    deployment: LoadedDeployment, rows: pa.Table, explainer: Explainer | None = None, step: Step = no_step
) -> Contributions:
    """Of the columns to what is said of at most ROWS of a snapshot's rows, before recalibration; by the deployment's
    `explainer` where it is there, `step` as it calls it. Refused where the deployment cannot be explained, ValueError
    where there are no rows."""
    if not rows.num_rows:
        raise ValueError("no rows to explain")
    explainer = explainer or _explainer(deployment)
    kept = rows.take(pa.array(_spread(explainer, rows.num_rows)))
    return explainer.explain([version.matrix(kept) for version in deployment.members], step)


def reference_contributions(
    deployment: LoadedDeployment, explainer: Explainer | None = None, step: Step = no_step
) -> Contributions:
    """The same of rows that trained the deployment's newest version, as it keeps them (`background_rows`)."""
    explainer, rows = explainer or _explainer(deployment), background_rows(deployment.version).rows
    kept = [rows[at] for at in _spread(explainer, len(rows))]
    return explainer.explain([version.preprocessor.transform_rows(kept) for version in deployment.members], step)


def _explainer(deployment: LoadedDeployment) -> Explainer:
    return explainer_of(deployment, lambda: background_rows(deployment.version))


def _spread(explainer: Explainer, rows: int) -> NDArray[np.int64]:
    """Places of the rows that are explained."""
    count = min(ROWS if explainer.is_exact else SAMPLED_ROWS, explainer.most_rows, rows)
    return np.linspace(0, rows - 1, count).astype(np.int64)


def importance(found: Contributions) -> dict[str, float]:
    """How much each column matters on these rows: its mean absolute contribution, of several classes their sum
    (Lundberg et al. 2020), the largest first; in the unit of `found.scale`.

    >>> from retrain.model.explaining.contributions import Scale
    >>> one = np.array([[[1.0], [-0.5]], [[-3.0], [0.5]]])
    >>> importance(Contributions("TreeSHAP", Scale("the prediction"), ("x", "z"), np.zeros(1), one))
    {'x': 2.0, 'z': 0.5}
    """
    means = np.abs(found.values).mean(axis=0).sum(axis=1).tolist()
    return dict(sorted(zip(found.columns, means, strict=True), key=lambda pair: -pair[1]))


def shifts(reference: Contributions, current: Contributions) -> dict[str, Shift]:
    """What each column does to predictions on the current rows beyond what it does on the reference's: its mean
    contribution there minus that here, of one deployment. All columns' together are the change of the mean of what
    is explained.

    >>> from retrain.model.explaining.contributions import Scale
    >>> at = lambda *rows: Contributions("TreeSHAP", Scale("the prediction"), ("x",), np.zeros(1), np.array(rows))
    >>> shifts(at([[1.0]], [[3.0]]), at([[4.0]], [[6.0]]))["x"].mean
    array([3.])
    """
    if (reference.columns, reference.scale) != (current.columns, current.scale):
        raise ValueError("contributions of two deployments cannot be compared")
    means = current.values.mean(axis=0) - reference.values.mean(axis=0)
    errors = np.sqrt(_squared_error(current) + _squared_error(reference))
    return {name: Shift(mean, error) for name, mean, error in zip(current.columns, means, errors, strict=True)}


def _squared_error(found: Contributions) -> Floats:
    """Of the means (columns, k); 0 where there is one row."""
    spread: Floats = found.values.var(axis=0, ddof=min(1, len(found) - 1)) / len(found)
    return spread
