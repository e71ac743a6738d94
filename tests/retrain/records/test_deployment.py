"""Deployments: what they are named by, and that one in memory answers the same whoever asks."""

from typing import Any, cast

import numpy as np

from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.records.deployment import Deployment
from retrain.records.predictions import Predictions

OLD, NEW = "v0001-aaaaaaaa", "v0002-bbbbbbbb"


def test_digests_are_those_of_every_ledger_before() -> None:
    """The same members and recalibration are found again in older ledgers, in whatever order they come."""
    blend = Deployment.of(3, "m", {OLD: 0.3, NEW: 0.7}, {"kind": "line", "slope": 1.5})
    assert blend.digest == "1637a9cab4c0ecbd690dcab186e6a975ec18a961db6ec43f23086dcd761d2b68"
    assert [member.version for member in blend.members] == [NEW, OLD] and blend.name == "d0003-1637a9ca"
    alone = Deployment.of(1, "m", {OLD: 1.0})
    assert alone.digest == "2dc87f4ce9013a065b59f7468808137e12ae25679b450ee66a982db707b31c4a" and alone.name == OLD


def test_predictions_of_more_versions_than_answer_change_no_bit() -> None:
    """A check, which also loads the newest version, stores what the server answers."""
    versions = {name: cast(LoadedVersion, name) for name in ("a", "b", "c", "newest")}
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    rng: Any = np.random.default_rng(0)
    predictions = {name: Predictions(rng.normal(size=1000)) for name in ("newest", "c", "b", "a")}
    checked = LoadedDeployment(versions, weights, "newest").answer(predictions)
    served = LoadedDeployment({name: versions[name] for name in weights}, weights, "a").answer(
        {name: predictions[name] for name in weights}
    )
    assert checked.equals(served)
