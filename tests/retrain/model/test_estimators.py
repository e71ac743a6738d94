"""Any estimator by configuration: by import path, by factory, with parameters, searched; and each mistake told."""

from pathlib import Path

import learning
import numpy as np
import pytest

from retrain.model.estimators import make_estimator, single_threaded
from retrain.model.fitting import repeated
from retrain.monitoring.twins import fit_twin
from retrain.records.errors import Refused
from retrain.records.settings import EstimatorSettings
from retrain.rows.targets import target_values
from retrain.stages.train import train
from retrain.store.versions import load_staged, load_version, read_json

CLASSIFIERS = {
    "auto": {"max_iter": 8},
    "sklearn.linear_model.LogisticRegression": {"C": 0.5},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 5},
    "sklearn.svm.LinearSVC": {},
    "sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn.neural_network.MLPClassifier": {"max_iter": 5, "hidden_layer_sizes": [4]},
}
REGRESSORS = {
    "auto": {"max_iter": 8},
    "sklearn.linear_model.Ridge": {"alpha": 0.5},
    "sklearn.ensemble.ExtraTreesRegressor": {"n_estimators": 5},
}
ALL = [("classification", k, v) for k, v in CLASSIFIERS.items()] + [("regression", k, v) for k, v in REGRESSORS.items()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("task", "kind", "params"), ALL)
def test_an_estimator_trains_is_stored_and_answers_alike(tmp_path, task, kind, params):
    """From configuration to a published version that answers its probe bit by bit."""
    path = learning.published(tmp_path, task, estimator={"type": kind, "params": params})
    said = load_version(path).predict_rows(learning.rows(5, task=task))
    assert len(said) == 5 and (said.classes == ("no", "yes")) == (task == "classification")


def test_a_factory_of_the_users_file(tmp_path):
    """It gets the seed and the parameters."""
    (tmp_path / "mine.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "def make(seed, depth):\n    return DecisionTreeClassifier(max_depth=depth, random_state=seed)\n"
    )
    path = learning.published(tmp_path, estimator={"type": "mine.py:make", "params": {"depth": 2}, "seed": 5})
    assert load_version(path).estimator.get_depth() == 2
    assert load_version(path).estimator.random_state == 5


@pytest.mark.filterwarnings("error")
def test_a_fitted_estimator_answers_with_one_thread_and_one_that_has_no_threads_warns_of_nothing():
    """Threads that were asked for are one; where none were, what twins clone and fit is as it was configured."""
    for kind, params, jobs in (("ensemble.RandomForestClassifier", {"n_jobs": 2, "n_estimators": 2}, 1),
                               ("linear_model.LogisticRegression", {}, None)):  # fmt: skip
        estimator = make_estimator(EstimatorSettings(type=f"sklearn.{kind}", params=params), "classification")
        single_threaded(estimator)
        estimator.fit(np.arange(8.0)[:, None], np.arange(8) % 2)
        assert estimator.n_jobs == jobs


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_column_that_has_no_value_any_more_costs_no_model(tmp_path, task):
    """As a sensor that is dead in all rows of the window: boosted trees learn from the others, as if it were not there,
    and so do the small ones of twins. scikit-learn raised."""
    made = [{**row, "n": None, "x": None if place else 1.0} for place, row in enumerate(learning.rows(400, task=task))]
    args = learning.stage_args(tmp_path, task, made, estimator=learning.fast())
    learning.run(train, args)
    version = load_staged(tmp_path / "work" / "version", ())
    X = version.matrix(learning.table(made, task))
    assert np.isnan(X[:, 1]).all() and np.isfinite(X[:, 0]).sum() == 1
    asked = np.vstack([X, np.nan_to_num(X)])
    said = version.task.predict(version.estimator, asked)
    asked[:, :2] = 7.0
    assert said.equals(version.task.predict(version.estimator, asked))
    assert fit_twin(version, X, target_values(learning.table(made, task), version.schema), 0) is not None


def test_many_classes_are_learned_with_a_penalty_unless_params_say_otherwise():
    """Boosting by softmax overshoots with forty classes, and takes a tree for each; what is configured comes first."""
    few, many = (make_estimator(EstimatorSettings(), "classification", classes=n).get_params() for n in (10, 11))
    assert (few["max_iter"], few["l2_regularization"]) == (100, 0.0)
    assert (many["max_iter"], many["l2_regularization"]) == (50, 5.0)
    own = EstimatorSettings(params={"max_iter": 7})
    assert make_estimator(own, "classification", classes=40).get_params()["max_iter"] == 7
    assert make_estimator(own, "classification", classes=40).get_params()["max_leaf_nodes"] == 15
    named = EstimatorSettings(type="sklearn.ensemble.HistGradientBoostingClassifier")
    assert make_estimator(named, "classification", classes=40).get_params()["max_iter"] == 100


def test_a_search_is_seeded_and_told(tmp_path):
    """The same seed tries the same candidates; the first is the configuration as it is."""
    search = {"iterations": 3, "params": {"max_leaf_nodes": [4, 8, 16], "learning_rate": [0.1, 0.3]}}
    tried = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        path = learning.published(folder, estimator={"params": {"max_iter": 5}, "search": search})
        tried.append(read_json(path / "training.json")["search"])
    assert tried[0] == tried[1] and len(tried[0]) == 3 and tried[0][0]["params"] == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"type": "sklearn.ensemble.NoSuch"}, "cannot be imported"),
        ({"type": "nonsense"}, "cannot be imported"),
        ({"type": "sklearn.linear_model.Ridge"}, "needs a classifier"),
        ({"params": {"max_itr": 3}}, "max_iter"),
        ({"params": {"max_iter": -3}}, "max_iter"),
        ({"type": "nowhere.py:make"}, "there is no file"),
        ({"type": "json.dumps"}, "estimator"),
    ],
)
def test_each_mistake_is_refused_with_what_was_expected(tmp_path, settings, told):
    """Trying again would give the same, so that the cycle fails at once."""
    with pytest.raises(Refused, match=told):
        learning.run(train, learning.stage_args(tmp_path, estimator=settings))


def test_weights_reach_the_estimator(tmp_path):
    """An estimator that takes no weights, or takes them at a high price, learns from rows repeated by their weight."""
    done = learning.run(train, learning.stage_args(tmp_path, estimator=learning.fast()))
    assert done["weighted"] is True
    other = Path(tmp_path) / "other"
    other.mkdir()
    plain = learning.run(
        train, learning.stage_args(other, estimator={"type": "sklearn.neighbors.KNeighborsClassifier"})
    )
    assert plain["weighted"] is True and not any("takes no row weights" in note for note in plain["notes"])
    chosen = repeated(np.array([1.0] * 500 + [0.25] * 500), seed=0)
    assert np.all(np.bincount(chosen)[:500] == 2) and 200 < (chosen >= 500).sum() < 300
