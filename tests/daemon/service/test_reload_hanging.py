"""A reload while a data folder does not answer: it is applied, and control does not wait for the folder."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY, bare_model

from daemon.runtime.context import ModelContext
from daemon.service import reload
from daemon.service.reload import read_again
from retrain.records.errors import Refused

MORE = """\
[models.dead]
data_dir = "dead"
task = "classification"
target = "y"
[models.new]
data_dir = "deep/new"
task = "classification"
target = "y"
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """Model m runs; the file has more by now."""
    with bare_model(tmp_path, BINARY) as made:
        (tmp_path / "config.toml").write_text(BINARY + MORE)
        yield made


def test_a_folder_that_hangs_keeps_no_reload(context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' folders are made, the event loop goes on, and nothing is done for models that did not change."""
    gate, mkdir, touched, here = threading.Event(), os.mkdir, list[str](), threading.get_ident()

    def gated(path: Any, *arguments: Any, **named: Any) -> None:
        name = Path(path).name
        touched.append(name)
        assert threading.get_ident() != here
        if name == "dead":
            gate.wait()
        mkdir(path, *arguments, **named)

    monkeypatch.setattr(os, "mkdir", gated)
    monkeypatch.setattr(reload, "FOLDERS_S", 0.2)
    try:
        found = asyncio.run(read_again(context.shared, {}))
    finally:
        gate.set()
    assert sorted(found.models) == ["dead", "m", "new"]
    assert (context.data_dir.parent / "deep/new").is_dir() and "data" not in touched


def test_a_folder_that_cannot_be_made_is_refused(context: ModelContext, tmp_path: Path) -> None:
    """With its model and the reason."""
    (tmp_path / "deep").write_text("no folder")
    with pytest.raises(Refused, match=r"\[models.new\] data_dir .* cannot be made: Not a directory"):
        asyncio.run(read_again(context.shared, {}))
