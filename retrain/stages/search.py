"""A seeded random search over an estimator's parameters, judged on the newest fifth of the training rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrain.metrics.metric import Metric
from retrain.model.decision import Decision
from retrain.model.recalibration import Recalibration
from retrain.model.tasks import Task
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels
from retrain.records.settings import SearchSettings

VALIDATION_SHARE = 0.2
MAX_DRAWS = 20
BOOSTING_SPACE: dict[str, list[Any]] = {
    "learning_rate": [0.03, 0.05, 0.1, 0.2],
    "max_iter": [100, 200, 400],
    "max_leaf_nodes": [15, 31, 63],
    "min_samples_leaf": [10, 20, 50, 100],
    "l2_regularization": [0.0, 0.1, 1.0, 10.0],
}
Make = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Candidate:
    """One candidate and its score; None where the metric was undefined."""

    params: dict[str, Any]
    score: float | None


def search_params(
    make: Make, settings: SearchSettings, task: Task, metric: Metric, X: Floats, y: Labels,
    weight: Floats | None, seed: int, native: bool, rule: Decision | None = None,
) -> tuple[dict[str, Any], list[Candidate]]:  # fmt: skip
    """The best parameters and all trials; rows are oldest first. `make` gives an untrained estimator with
    parameters added; `native` says that HistGradientBoosting's default space fits; a configured `rule` decides."""
    space = settings.params or (BOOSTING_SPACE if native else {})
    if not space:
        raise Refused("search has no parameters", "expected [models.NAME.estimator.search.params] name = [values]")
    cut = max(1, round(len(y) * (1 - VALIDATION_SHARE)))
    if task.classes is not None and len(set(y[:cut].tolist())) < 2:
        return {}, []
    trials = []
    for params in draw(space, settings.iterations, seed):
        estimator = make(params)
        task.fit(estimator, X[:cut], y[:cut], None if weight is None else weight[:cut])
        held_out = None if weight is None else weight[cut:]
        answered = Recalibration(task.classes, rule=rule).apply(task.predict(estimator, X[cut:]))
        score = metric.score(y[cut:], answered, held_out)
        trials.append(Candidate(params, score))
    sign = 1.0 if metric.greater_is_better else -1.0
    best = max(trials, key=lambda trial: -math.inf if trial.score is None else sign * trial.score)
    return best.params, trials


def draw(space: Mapping[str, Sequence[Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """The configured parameters as they are ({}), then up to `count` − 1 different random candidates."""
    rng = np.random.default_rng(seed)
    names = sorted(space)
    candidates: list[dict[str, Any]] = [{}]
    for _ in range(MAX_DRAWS * count):
        if len(candidates) >= min(count, 1 + math.prod(len(space[name]) for name in names)):
            break
        candidate = {name: space[name][int(rng.integers(len(space[name])))] for name in names}
        if candidate not in candidates:
            candidates.append(candidate)
    return candidates
