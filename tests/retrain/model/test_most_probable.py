"""An adopted classifier is asked once, and answers what its own predict says."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from retrain.model.pipeline import MOST_PROBABLE, RawPipeline, answers_most_probable
from retrain.model.tasks import Classification

CLASSES = ("0", "1", "2")
FEW = {"max_iter": 20, "n_estimators": 5, "cv": 2, "Cs": 2}


class Plain(RawPipeline):
    """Of a pipeline that reads numbers, and counts what it is asked."""

    def frame(self, X: Any) -> Any:
        return np.asarray(X, dtype=np.float64)

    def _asked(self, method: str, X: Any) -> Any:
        self.asked = [*getattr(self, "asked", []), (method, len(X))]
        return super()._asked(method, X)


def made(name: str) -> Any:
    """An estimator of that name, a small one."""
    estimator = dict(all_estimators("classifier"))[name]()
    return estimator.set_params(**{key: value for key, value in FEW.items() if key in estimator.get_params()})


def rows(count: int) -> tuple[Any, Any]:
    """Few distinct ones, so that leaves and votes tie."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (count, 3)).astype(np.float64)
    return X, (X[:, 0].astype(int) + rng.integers(0, 2, count)) % 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(MOST_PROBABLE))
def test_it_is_asked_once_and_answers_as_its_own_predict(name):
    """Of every class that counts as answering the most probable class, with two classes and three, ties among them."""
    X, y = rows(300)
    for labels in (y, y % 2):
        fitted = make_pipeline("passthrough", made(name)).fit(X[:60], labels[:60])
        estimator = Plain(fitted, (), "pandas", CLASSES)
        answers = Classification(CLASSES).predict(estimator, X.astype(object))
        assert answers.values.tolist() == [str(one) for one in fitted.predict(X).tolist()]
        ties = [count for method, count in estimator.asked if method == "predict"]
        assert estimator.asked[0] == ("predict_proba", len(X)) and sum(ties) < len(X)


class Contrary(ClassifierMixin, BaseEstimator):
    """A user's own, which predicts the class that is least probable."""

    classes_ = np.array([0, 1, 2])

    def fit(self, X: Any, y: Any) -> "Contrary":
        return self

    def predict_proba(self, X: Any) -> Any:
        return np.tile([0.2, 0.3, 0.5], (len(X), 1))

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), dtype=int)


def test_others_are_asked_what_they_predict():
    """A class of the user's, and those of scikit-learn that decide otherwise; a search or pipeline goes by what it
    holds."""
    X, y = rows(60)
    answers = Classification(CLASSES).predict(Plain(Contrary(), (), "pandas", CLASSES), X.astype(object))
    assert set(answers.values.tolist()) == {"0"}
    assert not answers_most_probable(SVC())
    search = GridSearchCV(make_pipeline(StandardScaler(), DecisionTreeClassifier()), {}, cv=2).fit(X, y)
    assert answers_most_probable(search)
    assert not answers_most_probable(GridSearchCV(Contrary(), {}, cv=2, scoring="accuracy").fit(X, y))
