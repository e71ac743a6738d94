"""Real paths of folders, some of which may never answer."""

import os
import threading
from pathlib import Path

import pytest

from daemon.config.real_paths import RealPaths


def test_a_folder_that_hangs_is_taken_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' links are followed."""
    (tmp_path / "link").symlink_to(tmp_path / "there")
    gate, realpath = threading.Event(), os.path.realpath
    monkeypatch.setattr(
        "os.path.realpath", lambda path: realpath(path) if Path(path).name != "dead" else str(gate.wait())
    )
    real = RealPaths(patience_s=0.05)
    assert real.of(tmp_path / "x" / ".." / "dead") == tmp_path / "dead"
    gate.set()
    assert RealPaths().of(tmp_path / "link") == Path(realpath(tmp_path / "there"))
