"""An alarm without labels: versions of the archive disagree on a file more than on those before it.

In the manner of D3M (disagreement-driven deterioration monitoring), which calibrates the disagreement of models that
explain the same rows alike; here these are the versions that were served before."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from daemon.tools.replay.engine import Engine
from retrain.monitoring.assessor import version_predictions
from retrain.records.finished_check import FinishedCheck
from retrain.records.predictions import Floats, Predictions

FEWEST_FILES, SIGMAS, LEAST_SPREAD = 4, 3.0, 0.01
"""Files since the newest version that an alarm is calibrated on; standard deviations above their mean; of the smallest
spread that counts."""


@dataclass
class Alarm:
    """What disagreement says after each batch of one replay; `raised` are the batches of its alarms, `since` the newest
    file when a version became the newest."""

    raised: list[int] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)

    def evidence(self, engine: Engine) -> FinishedCheck | None:
        """As a check that saw a drop; None without an alarm, or where it was heeded."""
        place = len(engine.run.scores)
        since = self.since.setdefault(engine.deployments.current.newest, engine.deployments.newest_seq)
        if place <= engine.state.handled_check or not alarms(disagreements(engine, since)):
            return None
        if place not in self.raised:
            self.raised.append(place)
        return FinishedCheck(place, engine.deployments.newest_seq, False, performance_dropped=True)


def alarms(path: Sequence[float]) -> bool:
    """Whether the newest value lies far above those before it.

    >>> alarms([0.1, 0.11, 0.1, 0.12, 0.3]), alarms([0.1, 0.11, 0.1, 0.12, 0.12])
    (True, False)
    """
    if len(path) <= FEWEST_FILES:
        return False
    before = np.array(path[:-1])
    return bool(path[-1] > before.mean() + SIGMAS * max(float(before.std(ddof=1)), LEAST_SPREAD))


def disagreements(engine: Engine, since: int) -> list[float]:
    """By file of rows after one, how far the others are from the newest version, in the mean."""
    history, newest = engine._labels.history, engine.deployments.current.newest
    versions = engine.deployments.archive(engine.settings.adaptation.archive)
    if history is None or len(versions) < 2:
        return []
    found = []
    for seq in [seq for seq in history.seqs if seq > since]:
        said = version_predictions(versions, history.rows_alone(seq), engine._labels.memory)
        found.append(float(np.mean([_apart(said[newest], said[name]) for name in versions if name != newest])))
    return found


def _apart(a: Predictions, b: Predictions) -> float:
    """Of classes the mean total variation, else the mean distance in units of the first's spread."""
    if a.probabilities is not None and b.probabilities is not None and a.classes == b.classes:
        return float(0.5 * np.abs(a.probabilities - b.probabilities).sum(axis=1).mean())
    if a.classes is not None:
        return float(np.mean(a.values != b.values))
    first, second = (np.asarray(one.values, dtype=np.float64) for one in (a, b))
    return float(np.abs(first - second).mean() / (_spread(first) + 1e-9))


def _spread(values: Floats) -> float:
    return float(np.subtract(*np.quantile(values, [0.75, 0.25])))
