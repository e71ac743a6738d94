"""What became of a forecast of the gate: the difference of challenger and champion on the settled files that came next,
judged as the gate judged it, whichever of the two was served."""

from collections.abc import Sequence
from typing import Any

from retrain.metrics.metric import weighted
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment
from retrain.model.threshold import decision_on
from retrain.model.version import LoadedVersion
from retrain.monitoring.assessor import decided, version_predictions
from retrain.monitoring.cache import Memory
from retrain.monitoring.paired import paired_difference
from retrain.planning.forecast import NEXT_FILES, surprise
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History, together

MOST_FILES = 4
"""So many are taken together where two have labels of one class, for which the metric has no value."""


def realised(
    history: History,
    challenger: LoadedVersion,
    champion: LoadedDeployment,
    after: int,
    forecast: dict[str, Any],
    settings: ModelSettings,
    memory: Memory,
) -> dict[str, Any] | None:
    """The difference over the first two settled files after file `after` (small ones together), with its standard
    error, and how far it lies from the recorded forecast; None as long as these are not there."""
    complete = history.pools_after(after)
    for count in range(NEXT_FILES, min(len(complete), MOST_FILES) + 1):
        batches = [history.pool(pool) for pool in complete[:count]]
        found = _difference(batches, challenger, champion, settings, memory)
        if found is not None:
            files = [seq for pool in complete[:count] for seq in pool]
            return {**found, "files": files, "surprise": surprise(forecast, found["difference"])}
    return None


def _difference(
    batches: Sequence[Batch],
    challenger: LoadedVersion,
    champion: LoadedDeployment,
    settings: ModelSettings,
    memory: Memory,
) -> dict[str, Any] | None:
    whole = together(batches)
    y, metric = whole.labels(challenger.schema), weighted(challenger.metric, whole.weights)
    asked = [version_predictions({challenger.name: challenger}, batch, memory) for batch in batches]
    known = [version_predictions(champion.versions, batch, memory) for batch in batches]
    said = concatenate([one[challenger.name] for one in asked])
    before = concatenate([champion.answer(one) for one in known])
    said, before = (decided(one, decision_on(challenger, one, y, metric, settings)) for one in (said, before))
    found = paired_difference(metric, y, said, before, settings.estimator.seed)
    return None if found is None else {"difference": found.gain, "se": found.se, "rows": found.rows}
