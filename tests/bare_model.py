"""A model with its ledger and folders, and no service around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgers import new_ledger

from daemon.config.config import load_config
from daemon.ledger import models
from daemon.runtime.context import ModelContext, Shared, TrainingTurn, make_folders
from daemon.runtime.worker.process import Limits, Worker

BINARY = """\
[service]
state_dir = "state"
[models.m]
data_dir = "data"
task = "classification"
target = "y"
"""
"""Model m of a column y; more keys and sections may follow."""


@contextmanager
def bare_model(folder: Path, config: str = BINARY) -> Iterator[ModelContext]:
    """Model m of this configuration; its analyst is a process, begun when it is first asked."""
    (folder / "config.toml").write_text(config)
    read = load_config(folder / "config.toml")
    ledger = new_ledger(read.state_dir)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
    made = ModelContext("m", read.models["m"], Shared(read, ledger, Worker("analyst", Limits()), TrainingTurn()))
    make_folders(made.folders)
    made.data_dir.mkdir(exist_ok=True)
    yield made
    ledger.close()
