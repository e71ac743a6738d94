"""Versions of equal content answer once: neither blended with themselves, nor listed as served beside each other."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from daemon.reports.versions import served_versions
from retrain.monitoring.proposal import distinct
from retrain.records.deployment import Champion, Deployment
from retrain.records.predictions import Predictions


def predictions(seed: int, sure: bool = True) -> Predictions:
    """Of ten rows; `sure` gives classes alone."""
    yes = np.random.default_rng(seed).random(10)
    return Predictions(np.where(yes > 0.5, "y", "n"), None if sure else np.column_stack([1 - yes, yes]), ("n", "y"))


def archive(**said: Predictions) -> Any:
    """An archive whose newest version is v3."""
    return SimpleNamespace(
        archive=dict.fromkeys(said), served=SimpleNamespace(newest="v3"), predictions=lambda _archive, _batch: said
    )


def test_a_version_that_answers_as_a_newer_one_is_not_blended() -> None:
    """To the bit, by probabilities or numbers; classes alone may be alike by chance."""
    one, other = predictions(1, sure=False), predictions(2, sure=False)
    assert distinct(archive(v1=one, v2=other, v3=one), [None]) == ["v2", "v3"]
    assert distinct(archive(v1=other, v2=other, v3=one), [None]) == ["v2", "v3"]
    assert distinct(archive(v1=one, v2=other, v3=other, v4=other), [None]) == ["v1", "v3"]
    numbers = Predictions(np.arange(10.0))
    assert distinct(archive(v2=numbers, v3=numbers), [None]) == ["v3"]
    assert distinct(archive(v2=predictions(1), v3=predictions(1)), [None]) == ["v2", "v3"]


def test_of_versions_of_equal_content_one_is_listed_as_served() -> None:
    """The champion's newest, else the newest of them; what is served alone is listed whatever is stored beside it."""
    rows = [SimpleNamespace(name=name, digest=digest) for name, digest in (("v1", "a"), ("v2", "b"), ("v3", "b"))]
    blend = Deployment.of(1, "m", {"v1": 0.2, "v2": 0.5, "v3": 0.3})
    for newest, served in (("v3", {"v1", "v3"}), ("v2", {"v1", "v2"}), ("v1", {"v1", "v3"})):
        assert served_versions(rows, Champion(blend, 1, 0.0, "", newest, 1)) == served
    assert served_versions(rows, Champion(Deployment.of(2, "m", {"v2": 1.0}), 1, 0.0, "", "v2", 1)) == {"v2"}
