"""A fitted pipeline of scikit-learn that was not trained here, behind the matrix of raw cells: what `driftd adopt`
brings, and what retraining clones of it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from retrain.model.frames import column_for, frame_of
from retrain.records.errors import Refused
from retrain.records.settings import ColumnKind
from retrain.rows.cells import word

Cells = NDArray[Any]
NUMBERS: tuple[ColumnKind, ...] = ("number", "integer", "boolean")
"""Kinds of columns whose cells are floats, without dates."""
LONGEST_ERROR = 300
"""Characters of what the pipeline raises that are told."""
MOST_PROBABLE = frozenset({
    "HistGradientBoostingClassifier", "GradientBoostingClassifier", "RandomForestClassifier", "ExtraTreesClassifier",
    "DecisionTreeClassifier", "ExtraTreeClassifier", "LogisticRegression", "LogisticRegressionCV", "GaussianNB",
    "MultinomialNB", "BernoulliNB", "ComplementNB", "CategoricalNB", "MLPClassifier", "LinearDiscriminantAnalysis",
})  # fmt: skip
"""Classes of scikit-learn whose `predict` is the largest of their `predict_proba`."""
ROUNDING = 1e-9
"""A lead above this is no matter of rounding: the probabilities are sums of doubles, good to 1e-12."""


@dataclass(frozen=True)
class Input:
    """A column that the pipeline reads; `missing` says what it has for a text that is missing: "nan" or "none"."""

    name: str
    kind: ColumnKind
    missing: str = "nan"


class RawPipeline(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """The estimator of a version whose preprocessor has the encoding "raw": X is an object array (n, inputs) of plain
    cells, of which it makes the frame that the `pipeline` reads. Classes are codes outside, the positions in `classes`
    (class names in their order), and `labels` (by code) inside, as the pipeline calls them.

    What the pipeline raises about rows is Refused, at training as well as at answers."""

    def __init__(
        self, pipeline: Any, inputs: Sequence[Input], library: str, classes: Sequence[str] | None, labels: Any = None
    ) -> None:
        self.pipeline, self.inputs, self.library = pipeline, inputs, library
        self.classes, self.labels = classes, labels

    def fit(self, X: Cells, y: Any, **weights: Any) -> "RawPipeline":
        """Train the pipeline on codes (n,) or numbers; `weights` as its last step calls them. Where it raises, and
        columns of numbers have no value in these rows, zeros stand there: a dead sensor teaches nothing, and boosted
        trees of scikit-learn 1.9 raise where they find nothing to bin."""
        target = y if self.labels is None else np.array(self.labels)[np.asarray(y, dtype=np.int64)]
        try:
            self._fitted(X, target, weights)
        except Refused:
            filled = self._with_zeros(X)
            if filled is None:
                raise
            self._fitted(filled, target, weights)
        return self

    def predict(self, X: Cells) -> NDArray[Any]:
        """Codes (n,), or numbers."""
        found = np.asarray(self._asked("predict", X))
        if self.classes is None:
            return found
        codes = dict(zip(self.pipeline.classes_.tolist(), self.classes_in_order, strict=True))
        return np.array([codes[label] for label in found.tolist()], dtype=np.int64)

    @available_if(lambda self: hasattr(self.pipeline, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Cells) -> NDArray[np.float64]:
        """Probabilities (n, classes that it knows), in the order of `classes_`."""
        given = np.asarray(self._asked("predict_proba", X), dtype=np.float64)
        return given[:, np.argsort(self.classes_in_order, kind="stable")]

    def most_probable(self, X: Cells, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """What `predict` says, codes (n,), of rows whose `probabilities` (n, classes) are known. A pipeline that
        answers the most probable class is asked again only about rows where rounding might decide."""
        if not answers_most_probable(self.pipeline):
            return self.predict(X)
        codes: NDArray[np.int64] = probabilities.argmax(axis=1)
        close = ~(_lead(probabilities) > ROUNDING)  # also where one is NaN
        if close.any():
            codes[close] = self.predict(X[close])
        return codes

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The codes of the classes that the pipeline knows, ascending."""
        return np.sort(self.classes_in_order)

    @property
    def classes_in_order(self) -> NDArray[np.int64]:
        """The same in the order of the pipeline's own `classes_`."""
        assert self.classes is not None
        place = {name: at for at, name in enumerate(self.classes)}
        names = (class_name(label, place) for label in self.pipeline.classes_.tolist())
        return np.array([place[name] for name in names], dtype=np.int64)

    def frame(self, X: Cells) -> Any:
        """The rows as the pipeline reads them."""
        columns = [column_for(self.library, X[:, at], one.kind, one.missing) for at, one in enumerate(self.inputs)]
        return frame_of(self.library, [one.name for one in self.inputs], columns)

    def _fitted(self, X: Cells, target: Any, weights: dict[str, Any]) -> None:
        with _refusing_rows("learn from"):
            self.pipeline.fit(self.frame(X), target, **weights)

    def _with_zeros(self, X: Cells) -> Cells | None:
        """X with zeros in its columns of numbers that have no value; None where there is none such."""
        numbers = [at for at, one in enumerate(self.inputs) if one.kind in NUMBERS]
        empty = [at for at in numbers if np.isnan(X[:, at].astype(np.float64)).all()]
        if not empty:
            return None
        filled = X.copy()
        filled[:, empty] = 0.0
        return filled

    def _asked(self, method: str, X: Cells) -> Any:
        with _refusing_rows("answer"):
            return getattr(self.pipeline, method)(self.frame(X))


@contextmanager
def _refusing_rows(does: str) -> Iterator[None]:
    """Whatever a pipeline raises within is Refused, shortened to a line."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__}: {error}"
        short = told if len(told) <= LONGEST_ERROR else told[:LONGEST_ERROR] + "…"
        raise Refused(f"the model's pipeline does not {does} these rows: {' '.join(short.split())}") from error


def answers_most_probable(estimator: Any) -> bool:
    """Whether what a fitted estimator predicts is its most probable class, but for rounding. Only known classes of
    scikit-learn themselves count: a subclass may do anything."""
    kind = type(estimator)
    if kind.__module__.partition(".")[0] != "sklearn":
        return False
    if kind.__name__ == "Pipeline":
        return answers_most_probable(estimator.steps[-1][1])
    if kind.__name__ in ("GridSearchCV", "RandomizedSearchCV"):
        return answers_most_probable(estimator.best_estimator_)
    return kind.__name__ in MOST_PROBABLE


def _lead(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the highest probability (n,) is above the second."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    lead: NDArray[np.float64] = two[:, 1] - two[:, 0]
    return lead


def class_name(label: Any, names: Collection[str]) -> str:
    """What one of the pipeline's labels is called among these names, as data files write such values: a truth as
    "true" or "True", a whole number also without its point.

    >>> class_name(True, ["False", "True"]), class_name(1.0, ["0", "1"]), class_name(3, [])
    ('True', '1', '3')
    """
    forms = [word(label), str(label)]
    if isinstance(label, float) and label.is_integer():
        forms.append(str(int(label)))
    return next((form for form in forms if form in names), forms[0])


def own_labels(pipeline: Any, classes: Sequence[str] | None) -> list[Any] | None:
    """What a fitted pipeline calls these classes, or would call those that it does not know; None of numbers."""
    if classes is None:
        return None
    own = pipeline.classes_.tolist()
    known = {class_name(label, classes): label for label in own}
    return [known.get(name, _alike(name, type(own[0]))) for name in classes]


def _alike(name: str, kind: type) -> Any:
    """A class that the pipeline does not know, as it calls classes.

    >>> _alike("3", int), _alike("x", int)
    (3, 'x')
    """
    try:
        return name == "true" if kind is bool else kind(name)
    except ValueError:
        return name
