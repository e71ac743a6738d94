"""Functions of the user's own files, `file.py:function`, loaded by path, so that no name collides; and whole files
under their own name, while what was stored with them is read or written."""

import contextlib
import hashlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from retrain.records.errors import Refused

MODULES = "driftd_user_"
"""How the modules of the user's files are called that `load_function` loads."""


def is_of_user(kind: type) -> bool:
    """Whether a class is of a file that `load_function` loaded."""
    return kind.__module__.startswith(MODULES)


def is_own(name: str) -> bool:
    """Whether a name is that of a function of the user's."""
    return ".py:" in name


def absolute_name(name: str, folder: Path) -> str:
    """`file.py:function` with the path made absolute, relative to `folder`; other names stay as they are."""
    path, _, function = name.rpartition(":")
    return f"{(folder / path).resolve()}:{function}" if path.endswith(".py") else name


_lock = threading.RLock()
_modules: dict[str, ModuleType] = {}
"""By the digest of a file's text: what was stored by reference to one of them is found in the same one again."""


@contextlib.contextmanager
def importable(path: Path | None, what: str) -> Iterator[None]:
    """While it lasts, a file can be imported under its own name, as where `what` was made; nothing without a file.
    Refused where it fails, or where another module has the name."""
    if path is None:
        yield
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with _lock:
        before = sys.modules.get(path.stem)
        ours = before is None or before in _modules.values()
        if not ours or (before is None and importlib.util.find_spec(path.stem) is not None):
            raise Refused(f"{what}: {path.name} has the name of an installed module", "give the file another name")
        try:
            sys.modules[path.stem] = _modules.get(digest) or _executed(path, path.stem, what)
            _modules[digest] = sys.modules[path.stem]
            yield
        finally:
            sys.modules.pop(path.stem, None)


def _executed(path: Path, name: str, what: str) -> ModuleType:
    """The module of a file; Refused where it fails."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    if MODULES not in name:
        sys.modules[name] = module  # it may name itself
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Refused(f"{what}: {path} fails: {type(error).__name__}: {error}") from error
    return module


def digest_of(name: str | None, folder: Path) -> str:
    """SHA-256 of the file of a function of the user's; "" without one, or where it cannot be read."""
    if name is None:
        return ""
    try:
        return hashlib.sha256((folder / name.rpartition(":")[0]).read_bytes()).hexdigest()
    except OSError:
        return ""


def load_function(name: str, folder: Path, what: str) -> Callable[..., Any]:
    """The function that `name` names; Refused tells what was expected of the `what` (metric, estimator)."""
    path_text, _, function_name = name.rpartition(":")
    path = (folder / path_text).resolve()
    if not path.is_file():
        raise Refused(f"{what} {name!r}: there is no file {path}", "expected file.py:function, relative to the config")
    module_name = f"{MODULES}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    module = _executed(path, module_name, f"{what} {name!r}")
    function = getattr(module, function_name, None)
    if not callable(function):
        raise Refused(f"{what} {name!r}: {path} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]
