"""Model files that were not written here: a fitted pipeline of scikit-learn in a skops file, or where the user trusts
it in a joblib file, which runs whatever code it holds, with the file of code that it was made with.

A folder with such a model has model.skops or model.joblib, and the code as code/NAME.py."""

import io
import sys
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from retrain import durable
from retrain.model.estimators import single_threaded
from retrain.model.pipeline import Input, RawPipeline, class_name, own_labels
from retrain.model.preprocessing import Preprocessor
from retrain.model.tasks import Task
from retrain.records.errors import Refused
from retrain.records.schema import Schema
from retrain.store import model_file
from retrain.user_code import importable

SKOPS, JOBLIB, CODE = "model.skops", "model.joblib", "code"
LISTED = 8
FIT_AGAIN = "fit it again on a data frame with the columns of the data files, and write it anew"


def code_of(folder: Path) -> Path | None:
    """The file of code that belongs to the model of a folder; None without one."""
    return next(iter(sorted((folder / CODE).glob("*.py"))), None)


def load(folder: Path, trusted_types: Collection[str] = ()) -> Any:
    """The pipeline of a folder. Refused where it has types that are not trusted, was written under another minor
    version of scikit-learn, or cannot be read."""
    skops_file = folder / SKOPS
    path = skops_file if skops_file.is_file() else folder / JOBLIB
    with warnings.catch_warnings(record=True) as told, importable(code_of(folder), path.name):
        warnings.simplefilter("always")
        try:
            pipeline = _read(path, trusted_types)
        except (Refused, MemoryError):
            raise
        except Exception as error:
            raise Refused(f"{path.name} cannot be read: {type(error).__name__}: {error}", _hint(error)) from error
    for one in told:
        if isinstance(one.message, InconsistentVersionWarning):
            refuse_version(path.name, one.message.original_sklearn_version, one.message.current_sklearn_version)
    return pipeline


def _read(path: Path, trusted_types: Collection[str]) -> Any:
    return model_file.load(path, trusted_types) if path.name == SKOPS else joblib.load(path)


def _hint(error: Exception) -> str:
    if "__main__" in str(error):
        return "it was made in a notebook or script: move its functions to a file of their own, and fit it again"
    if isinstance(error, ModuleNotFoundError | ImportError | AttributeError):
        return "name the file of code that it was made with beside it, or install what it imports beside driftd"
    return "expected a fitted pipeline, as skops.io.dump or joblib.dump wrote it"


def refuse_version(name: str, then: str, now: str) -> None:
    """Refused where two versions of scikit-learn differ in more than a patch: nobody promises the same answers."""
    if then.split(".")[:2] != now.split(".")[:2]:
        raise Refused(
            f"{name} was written under scikit-learn {then}; installed beside driftd is {now}",
            f"fit it again under scikit-learn {now}, or install driftd beside {then} if it takes that one",
        )


def untrusted_types(data: bytes, trusted_types: Collection[str] = ()) -> list[str]:
    """What a skops file holds that neither driftd nor the user trusts."""
    wanted: list[str] = skops.io.get_untrusted_types(data=data)
    return sorted(set(wanted) - model_file.TRUSTED_TYPES - set(trusted_types))


def made_by(code: Path, name: str, model: Path | None) -> Any:
    """What the function of a file that is `importable` gives, called with the path of the model's file if there is
    one."""
    function = getattr(sys.modules[code.stem], name, None)
    if not callable(function):
        raise Refused(f"{code.name} has no function {name!r}")
    try:
        return function() if model is None else function(model)
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        raise Refused(f"{name} fails: {type(error).__name__}: {error}", "it is to return a fitted pipeline") from error


def dump(pipeline: Any, folder: Path, like: Path, trusted_types: Collection[str], point: str) -> None:
    """Write a pipeline into `folder` in the format, and with the code, of the folder `like`."""
    code = code_of(like)
    if code is not None:
        durable.make_folder(folder / CODE, f"{point}_code")
        durable.write_file(folder / CODE / code.name, code.read_bytes(), f"{point}_code")
    if (like / SKOPS).is_file():
        with importable(code, SKOPS):
            data = model_file.dump(pipeline, trusted_types)
        durable.write_file(folder / SKOPS, data, point)
        return
    with importable(code, JOBLIB):
        data = dumped(pipeline)
    durable.write_file(folder / JOBLIB, data, point)


def dumped(pipeline: Any) -> bytes:
    """A joblib file; Refused where one cannot be made, as of functions without a name."""
    buffer = io.BytesIO()
    try:
        joblib.dump(pipeline, buffer)
    except Exception as error:
        raise Refused(f"{type(pipeline).__name__} cannot be stored by joblib: {error}") from error
    return buffer.getvalue()


def copy(source: Path, folder: Path, point: str) -> None:
    """Write the model of one folder into another, the bytes as they are; the model last."""
    code = code_of(source)
    if code is not None:
        durable.make_folder(folder / CODE, f"{point}_code")
        durable.write_file(folder / CODE / code.name, code.read_bytes(), f"{point}_code")
    name = SKOPS if (source / SKOPS).is_file() else JOBLIB
    durable.write_file(folder / name, (source / name).read_bytes(), point)


# --- does it fit the model? ------------------------------------------------------------------------------------------


def input_names(pipeline: Any, schema: Schema | None, task: str, target: str) -> tuple[str, ...]:
    """The columns that a fitted pipeline reads, in its order. Refused where it is not fitted, is of another task, or
    reads what the model's rows do not have; without a schema these are not known yet."""
    name = type(pipeline).__name__
    if not hasattr(pipeline, "predict"):
        raise Refused(f"it holds {name}, which does not predict", "expected a fitted pipeline or estimator")
    try:
        check_is_fitted(pipeline)
    except (NotFittedError, TypeError):
        raise Refused(f"{name} is not fitted", "call its fit before it is written") from None
    fits = is_classifier(pipeline) if task == "classification" else is_regressor(pipeline)
    if not fits:
        wanted = "a classifier" if task == "classification" else "a regressor"
        raise Refused(f"{name} is not {wanted}", f"the model's task is {task}")
    names = getattr(pipeline, "feature_names_in_", None)
    if names is None:
        raise Refused(f"{name} was fitted on an array: it does not say which columns it reads", FIT_AGAIN)
    read = tuple(str(one) for one in names)
    if target in read:
        raise Refused(f"it reads {target!r}, which is what the model predicts", FIT_AGAIN)
    known = None if schema is None else {column.name for column in schema.columns}
    lacking = [] if known is None else [one for one in read if one not in known]
    if lacking:
        shown = ", ".join(lacking[:LISTED]) + (f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else "")
        have = ", ".join(sorted(known or ())[:LISTED])
        raise Refused(f"it reads {shown}, which the data files do not have", f"they have {have}, …; {FIT_AGAIN}")
    return read


def refuse_classes(pipeline: Any, classes: Collection[str]) -> tuple[str, ...]:
    """The sorted names of the classes that a pipeline knows; Refused where rows have labels (`classes`) of others."""
    own = getattr(pipeline, "classes_", None)
    if not isinstance(own, np.ndarray):
        raise Refused("it answers several questions at once", "expected one target")
    known = tuple(sorted(class_name(label, classes) for label in own.tolist()))
    unknown = sorted(set(classes) - set(known))
    if unknown:
        raise Refused(
            f"its classes are {', '.join(known[:LISTED])}; the rows' labels are {', '.join(sorted(classes)[:LISTED])}",
            "fit it on the labels as the data files write them",
        )
    return known


def as_estimator(pipeline: Any, preprocessor: Preprocessor, task: Task) -> RawPipeline:
    """The pipeline behind the raw matrix of a preprocessor, answering with one thread."""
    inputs = tuple(Input(one.name, one.kind, one.missing) for one in preprocessor.features)
    made = RawPipeline(pipeline, inputs, preprocessor.library, task.classes, own_labels(pipeline, task.classes))
    single_threaded(made)
    return made


def columns_with_none(pipeline: Any) -> set[str]:
    """The columns whose encoder learned None, not NaN, as what is missing."""
    found: set[str] = set()
    for part in _parts(pipeline, 0):
        names, categories = getattr(part, "feature_names_in_", None), getattr(part, "categories_", None)
        if names is None or not isinstance(categories, list) or len(categories) != len(names):
            continue
        found |= {str(name) for name, known in zip(names, categories, strict=True) if None in known.tolist()}
    return found


def _parts(estimator: Any, depth: int) -> list[Any]:
    """An estimator and all fitted ones within."""
    if depth > LISTED or not hasattr(estimator, "get_params"):
        return []
    within = [step for _, step, *_ in (*getattr(estimator, "steps", ()), *getattr(estimator, "transformers_", ()))]
    within += [step for _, step in getattr(estimator, "transformer_list", ())]
    within += [getattr(estimator, name) for name in ("best_estimator_", "estimator_") if hasattr(estimator, name)]
    return [estimator, *(part for one in within for part in _parts(one, depth + 1))]
