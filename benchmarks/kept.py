"""Results of runs, kept as JSON: what is there is not made again, and what was interrupted is not there."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def make_once(path: Path, make: Callable[[Path], dict[str, Any]]) -> None:
    """Make the result unless it is there, in a folder to work in; whole or not at all."""
    if path.exists():
        return
    with TemporaryDirectory(prefix="driftd-bench-") as work:
        result = make(Path(work))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result), "utf-8")
    temporary.replace(path)


def kept(path: Path) -> dict[str, Any]:
    """A result as it was made."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
