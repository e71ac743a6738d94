"""What `make tried` puts in the product's place: the estimates themselves, and that they leave no trace."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.kept import Run
from benchmarks.streams.runs import settings_of, thinned
from benchmarks.tried.ahead import slope
from benchmarks.tried.disagreement import alarms
from benchmarks.tried.estimates import density_ratios
from benchmarks.tried.placing import replaced
from benchmarks.tried.shares import em_shares
from benchmarks.tried.variants import VARIANTS


def test_shares_without_labels_are_those_of_the_rows() -> None:
    """Of a model that says the true probabilities of a half and half mix, on rows of which a fifth is positive."""
    rng = np.random.default_rng(0)
    x = rng.normal(np.where(rng.random(4000) < 0.2, 1.0, -1.0), 1.0)
    positive = 1 / (1 + np.exp(-2 * x))
    found = em_shares(np.column_stack([1 - positive, positive]), np.array([0.5, 0.5]))
    assert found == pytest.approx([0.8, 0.2], abs=0.03) and positive.mean() > 0.25


def test_a_trend_that_chance_explains_is_none() -> None:
    """A straight path keeps its slope, a ragged one loses it, and two files tell none."""
    assert slope(np.array([0.0, 1.0, 2.0, 3.1])) == pytest.approx(1.03, abs=0.01)
    assert slope(np.array([0.0, 1.0, 0.0, 1.0])) == 0 and slope(np.array([0.0, 1.0])) == 0


def test_disagreement_alarms_beyond_what_it_was() -> None:
    """Not by what is usual, nor before there is anything usual."""
    usual = [0.1, 0.11, 0.1, 0.12]
    assert alarms([*usual, 0.3]) and not alarms([*usual, 0.12]) and not alarms([0.1, 0.1, 0.1, 0.3])


def test_rows_like_the_new_ones_weigh_more() -> None:
    """By their density there, to a mean of 1."""
    rng = np.random.default_rng(0)
    reference, current = rng.normal(0, 1, (1000, 2)), rng.normal([1.0, 0.0], 1, (1000, 2))
    found = density_ratios(reference, current, 0)
    assert found.mean() == pytest.approx(1) and np.corrcoef(found, np.exp(reference[:, 0]))[0, 1] > 0.7


def test_what_is_put_in_place_goes_with_the_replay() -> None:
    """Also where that fails; and all that was tried can be put in place."""
    place = SimpleNamespace(name="usual")
    with pytest.raises(ZeroDivisionError), replaced(place, "name", "other"):
        assert place.name == "other"
        1 / 0  # noqa: B018
    assert place.name == "usual"
    for variant in VARIANTS.values():
        with variant.place():
            pass


def test_a_learner_is_of_the_task_and_a_longer_stream_is_thinned(tmp_path: Path) -> None:
    """A forest of numbers is a regressor; rows are taken in equal steps, the last among them."""
    path = tmp_path / "stream.parquet"
    rng = np.random.default_rng(0)
    pq.write_table(pa.table({"x": np.arange(500.0), "target": rng.normal(size=500)}), path)
    run = Run(path, "policy", tmp_path, estimator="forest", rows=100)
    assert settings_of(run).estimator.type == "sklearn.ensemble.RandomForestRegressor"
    (work := tmp_path / "work").mkdir()
    assert pq.read_table(thinned(run, work)).column("x").to_pylist()[-1] == 499.0
    assert thinned(Run(path, "policy", tmp_path), tmp_path) == path and "100rows" in run.path.name
