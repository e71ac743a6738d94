"""A model with its ledger and folders, and no service around it."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledgers import configured, new_ledger

from daemon.config.config import load_config
from daemon.ledger import models
from daemon.runtime.context import ModelContext, Shared, TrainingTurn, make_folders
from daemon.runtime.worker.child import answer
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


class AnalystHere(Worker):
    """Answers in this process, which has the libraries already: one of its own takes a second and a half for them."""

    async def _ask(self, op: str, args: dict[str, Any], beats: bool) -> dict[str, Any]:
        return await asyncio.to_thread(self._answered, op, json.dumps(args))

    @staticmethod
    def _answered(op: str, args: str) -> dict[str, Any]:
        began_s = time.thread_time()
        told = answer(op, json.loads(args))
        for part in told.values():
            part["cpu_s"] = time.thread_time() - began_s
        return json.loads(json.dumps(told))


@contextmanager
def bare_model(folder: Path, config: str = BINARY, analyst: type[Worker] = Worker) -> Iterator[ModelContext]:
    """Model m of this configuration; its analyst is a process, begun when it is first asked, or another."""
    (folder / "config.toml").write_text(configured(config, folder))
    read = load_config(folder / "config.toml")
    ledger = new_ledger(read.state_dir)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
    made = ModelContext("m", read.models["m"], Shared(read, ledger, analyst("analyst", Limits()), TrainingTurn()))
    make_folders(made.folders)
    if made.settings.data_uri is None:
        made.data_dir.mkdir(exist_ok=True)
    yield made
    ledger.close()
