"""What columns do to predictions over many rows."""

import numpy as np
import pyarrow as pa
import pytest
from learning import fast, published, rows, table

from retrain.model.deployment import LoadedDeployment
from retrain.monitoring.contributions import (
    ROWS,
    SAMPLED_ROWS,
    contributions,
    importance,
    reference_contributions,
    shifts,
)
from retrain.store.versions import load_version

pytestmark = pytest.mark.xdist_group("contributions")  # what they share is made once

KINDS = {"trees": fast(), "forest": fast("sklearn.ensemble.RandomForestClassifier", n_estimators=4, max_depth=4)}


@pytest.fixture(scope="module", params=KINDS)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedDeployment:
    """One version alone: of trees, and of a forest, which is sampled."""
    version = load_version(published(tmp_path_factory.mktemp(request.param), estimator=KINDS[request.param]))
    return LoadedDeployment({version.name: version}, {version.name: 1.0}, version.name)


def test_what_matters_and_what_drift_moved(deployment):
    """In these rows y depends on x and c, not on n. Where x rose by 2 alone, its contributions moved, and all moves
    together are that of the mean of what is explained."""
    before = rows(600, seed=5)
    after = [row | {"x": None if row["x"] is None else row["x"] + 2} for row in before]
    reference, current = contributions(deployment, table(before)), contributions(deployment, table(after))
    most = ROWS if reference.errors is None else SAMPLED_ROWS
    assert len(reference) == len(current) == most
    ranked = importance(reference)
    assert next(iter(ranked)) == "x" and ranked["x"] > 3 * ranked["n"]
    moved = shifts(reference, current)
    total = sum(shift.mean[0] for shift in moved.values())
    assert total == pytest.approx(current.explained.mean() - reference.explained.mean(), abs=1e-9)
    assert moved["x"].mean[0] > 3 * moved["x"].error[0] > 0
    assert max(moved, key=lambda name: abs(moved[name].mean[0])) == "x"


def test_the_rows_that_trained_a_version_are_what_a_file_is_compared_with(deployment):
    """Those that it keeps: here its 20 probe rows. Of rows like them nothing moved much."""
    reference = reference_contributions(deployment)
    assert len(reference) == 20
    moved = shifts(reference, contributions(deployment, table(rows(600, seed=5))))
    assert all(abs(one.mean[0]) <= 4 * one.error[0] + 1e-9 for one in moved.values())


def test_few_rows_and_none(deployment):
    """One row has no standard error; no rows are a mistake, and so are two deployments."""
    one = contributions(deployment, table(rows(1)))
    assert len(one) == 1 and not np.isnan(shifts(one, one)["x"].error).any()
    with pytest.raises(ValueError, match="no rows"):
        contributions(deployment, pa.table({"x": pa.array([], pa.float64())}))
    other = contributions(deployment, table(rows(1)))
    with pytest.raises(ValueError, match="two deployments"):
        shifts(one, type(other)(other.method, other.scale, ("z",), other.base, other.values))
