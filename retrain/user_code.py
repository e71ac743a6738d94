"""Functions of the user's own files, `file.py:function`, loaded by path, so that no name collides."""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retrain.records.errors import Refused


def is_own(name: str) -> bool:
    """Whether a name is that of a function of the user's."""
    return ".py:" in name


def absolute_name(name: str, folder: Path) -> str:
    """`file.py:function` with the path made absolute, relative to `folder`; other names stay as they are."""
    path, _, function = name.rpartition(":")
    return f"{(folder / path).resolve()}:{function}" if path.endswith(".py") else name


def load_function(name: str, folder: Path, what: str) -> Callable[..., Any]:
    """The function that `name` names; Refused tells what was expected of the `what` (metric, estimator)."""
    path_text, _, function_name = name.rpartition(":")
    path = (folder / path_text).resolve()
    if not path.is_file():
        raise Refused(f"{what} {name!r}: there is no file {path}", "expected file.py:function, relative to the config")
    module_name = f"driftd_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Refused(f"{what} {name!r}: {path} fails: {type(error).__name__}: {error}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise Refused(f"{what} {name!r}: {path} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]
