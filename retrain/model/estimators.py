"""The estimator that the configuration asks for: made, seeded, and told which columns hold categories."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.model.preprocessing import MAX_CATEGORIES, Encoding
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import EstimatorSettings
from retrain.user_code import is_own, load_function

AUTO = {"classification": HistGradientBoostingClassifier, "regression": HistGradientBoostingRegressor}
MANY_CLASSES = 10
FOR_MANY = {"max_iter": 50, "learning_rate": 0.2, "max_leaf_nodes": 15, "l2_regularization": 5.0}
"""What "auto" is for more classes than that. Boosting grows a tree for each class and iteration, and its softmax takes
a step for each class at once: without a penalty it overshoots. (Of 20,000 rows of 40 classes that depend on pairs of
columns, 33 % right instead of 4 %, in half of the time; of clouds, which are easier, 84 % instead of 85 %.)"""
NATIVE = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
BINNED_ROWS = 200_000
"""Of more rows, scikit-learn finds the bins of boosted trees on so many that it draws."""
EXPECTED = 'expected "auto", an import path such as "sklearn.ensemble.RandomForestClassifier", or "file.py:factory"'

CALLED = "it is called as factory(seed=…, …) with estimator.seed and each of estimator.params by name"


def make_estimator(
    settings: EstimatorSettings,
    task: str,
    folder: Path = Path(),
    params: Mapping[str, Any] | None = None,
    classes: int = 0,
) -> Any:
    """An untrained estimator; `params` are added to the configured ones, "auto" goes by the number of `classes` if that
    is known. Refused says what was expected.

    A factory `file.py:factory` is called as `factory(seed=…, **params)`, its path relative to `folder`."""
    chosen = {**settings.params, **(params or {})}
    if is_own(settings.type):
        factory = load_function(settings.type, folder, "estimator")
        estimator = _call(factory, settings.type, {"seed": settings.seed, **chosen})
    else:
        estimator = _construct(_find_class(settings.type, task), settings.type, chosen)
        _seed(estimator, settings.seed, chosen)
        if settings.type == "auto" and classes > MANY_CLASSES:
            estimator.set_params(**{key: value for key, value in FOR_MANY.items() if key not in chosen})
    _check_kind(estimator, settings.type, task)
    return estimator


def encoding_of(estimator: Any) -> Encoding:
    """How its matrix is made: category codes where the estimator knows categories."""
    return "codes" if isinstance(estimator, NATIVE) else "onehot"


def max_categories_of(estimator: Any) -> int:
    """How many categories a column may keep: HistGradientBoosting takes no more than its bins."""
    return min(MAX_CATEGORIES, int(getattr(estimator, "max_bins", 255)) - 1)


def set_categories(estimator: Any, mask: tuple[bool, ...]) -> None:
    """Tell an estimator with native categories which columns hold codes; does nothing to others."""
    if isinstance(estimator, NATIVE) and any(mask):
        estimator.set_params(categorical_features=list(mask))


def splittable(estimator: Any, X: Floats) -> Floats:
    """X (n, features) with zeros in columns of numbers that have fewer values than a leaf must have rows: boosted trees
    cannot split there, and scikit-learn 1.9 raises where it finds none to bin."""
    if not isinstance(estimator, NATIVE):
        return X
    least = estimator.min_samples_leaf * max(1.0, len(X) / BINNED_ROWS)
    empty = (~np.isnan(X)).sum(axis=0) < least
    empty &= ~categorical_columns(estimator, X.shape[1])
    return np.where(empty, 0.0, X) if empty.any() else X


def categorical_columns(estimator: Any, features: int) -> NDArray[np.bool_]:
    """Which of so many columns boosted trees take as codes of categories, (features,)."""
    named = estimator.categorical_features
    columns = np.zeros(features, dtype=bool)
    if named is not None and not isinstance(named, str):
        columns[np.asarray(named)] = True
    return columns


def single_threaded(estimator: Any) -> None:
    """Let it predict with one thread: a server's threads fight, and sums in any order differ. None is one, and where
    scikit-learn gives the parameter up it warns of any other."""
    if hasattr(estimator, "get_params"):
        known = estimator.get_params(deep=True)
        names = [name for name in known if name.rpartition("__")[2] == "n_jobs" and known[name] is not None]
        estimator.set_params(**dict.fromkeys(names, 1))
    for step in getattr(estimator, "estimators_", ()):
        if getattr(step, "n_jobs", None) is not None:
            step.n_jobs = 1


def _find_class(path: str, task: str) -> Callable[..., Any]:
    if path == "auto":
        chosen: Callable[..., Any] = AUTO[task]
        return chosen
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Refused(f"estimator {path!r} cannot be imported: {error}", EXPECTED) from None
    if not callable(found):
        raise Refused(f"estimator {path!r} is {type(found).__name__}", EXPECTED)
    return found  # type: ignore[no-any-return]


def _construct(make: Callable[..., Any], path: str, params: Mapping[str, Any]) -> Any:
    """Nested parameters (`step__name`) are set after the construction."""
    nested = {key: value for key, value in params.items() if "__" in key}
    estimator = _call(make, path, {key: value for key, value in params.items() if "__" not in key})
    if nested:
        try:
            estimator.set_params(**nested)
        except (ValueError, AttributeError) as error:
            raise Refused(f"estimator {path!r}: {error}") from None
    return estimator


def _call(make: Callable[..., Any], path: str, arguments: Mapping[str, Any]) -> Any:
    try:
        estimator = make(**arguments)
    except MemoryError:  # of the machine or the limit, not of the estimator
        raise
    except (Exception, SystemExit) as error:
        known: list[str] = getattr(make, "_get_param_names", list)()
        hint = f"known parameters: {', '.join(known)}" if known else CALLED
        raise Refused(f"estimator {path!r}: {type(error).__name__}: {error}", hint) from error
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise Refused(f"estimator {path!r} gave {type(estimator).__name__}", "expected an object with fit and predict")
    return estimator


def _seed(estimator: Any, seed: int, params: Mapping[str, Any]) -> None:
    if not hasattr(estimator, "get_params"):
        return
    known = estimator.get_params(deep=False)
    if "random_state" in known and "random_state" not in params:
        estimator.set_params(random_state=seed)
    if isinstance(estimator, NATIVE) and "early_stopping" not in params:
        estimator.set_params(early_stopping=False)


def _check_kind(estimator: Any, path: str, task: str) -> None:
    if not hasattr(estimator, "__sklearn_tags__"):
        return
    fits = is_classifier(estimator) if task == "classification" else is_regressor(estimator)
    if not fits:
        wanted = "a classifier" if task == "classification" else "a regressor"
        raise Refused(f"estimator {path!r} is {type(estimator).__name__}", f"task {task!r} needs {wanted}")
