"""Twins, tiny models that estimate a gain, learn something however many classes there are."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from retrain.model.preprocessing import Feature, Preprocessor
from retrain.model.tasks import Classification
from retrain.model.version import LoadedVersion
from retrain.monitoring.twins import fit_twin
from retrain.records.schema import Column, Schema

WIDTH = 8


@pytest.mark.parametrize("classes", [2, 12, 40])
def test_a_twin_of_many_classes_does_not_overshoot(classes):
    """On 1,000 rows of classes that are clouds apart it is right far more often than by chance; at the learning rate of
    two classes, twins of forty were hardly better than that."""
    rng, names = np.random.default_rng(3), tuple(f"c{number:02d}" for number in range(classes))
    centers, y = rng.normal(0, 2, (classes, WIDTH)), rng.integers(0, classes, 2000)
    X = centers[y] + rng.normal(size=(2000, WIDTH))
    columns = tuple(Column(f"x{i}", "number") for i in range(WIDTH))
    version = LoadedVersion(
        "v", Path(), Schema((*columns, Column("y", "category")), "classification", "y"), Classification(names),
        Preprocessor("codes", tuple(Feature(c.name, "number") for c in columns)), HistGradientBoostingClassifier(), {}, {},
    )  # fmt: skip
    labels = np.array(names)[y]
    twin = fit_twin(version, X[:1000], labels[:1000], seed=0)
    assert np.mean(twin(X[1000:]).values == labels[1000:]) > 0.7
