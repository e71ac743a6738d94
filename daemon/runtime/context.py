"""What the parts of the control process share about one model: settings, folders, ledger and workers."""

import asyncio
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config.config import Config, items_name, items_path, model_data_dir
from daemon.config.paths import ModelPaths
from daemon.ledger import Ledger
from daemon.reading.look import Look
from daemon.runtime.describing import Describing
from daemon.runtime.ledger_wait import LedgerWait
from daemon.runtime.log import get_logger
from daemon.runtime.looking import Looking
from daemon.runtime.restarting import Failures
from daemon.runtime.stored_state import StoredState
from daemon.runtime.turns import Turns
from daemon.runtime.worker.analysts import Analysts
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.process import Worker
from retrain import durable
from retrain.labels.words import COMPLETE
from retrain.operations import AcceptedFile, StoredDeployment
from retrain.records.deployment import Deployment
from retrain.records.new_classes import NewClass
from retrain.records.settings import ModelSettings

PACED_MODELS = 40


class TrainingTurn:
    """Whose training runs: one at a time, in the order in which models asked; `waiting` counts those who did."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.waiting = 0

    async def __aenter__(self) -> "TrainingTurn":
        self.waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self.waiting -= 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


FEWEST_INODES = 100
"""Files that a file, its check and a cycle may need, with room to spare."""


@dataclass
class Shared:
    """What all models share; `training` is the control group of the analyst and the trainers, if there is one, and
    `forks` makes them; `store` has the lasting files besides, where one is configured;
    `writable` is awaited before the ledger is written, `describing` writes down what servers are to know of it, and
    `looking` has the threads that look at data folders. `is_exchange_clear`: nothing is on its way to a cluster."""

    config: Config
    ledger: Ledger
    analyst: Worker | Analysts
    training_turn: TrainingTurn
    training: Path | None = None
    forks: Forks | None = None
    store: StoredState | None = None
    is_exchange_clear: bool = False
    writable: LedgerWait = field(init=False)
    describing: Describing = field(init=False)
    looking: Looking = field(init=False, default_factory=Looking)

    def __post_init__(self) -> None:
        self.writable = LedgerWait(self.ledger, self.store)
        self.describing = Describing(lambda: self.config, self.ledger)

    @property
    def pace(self) -> float:
        """By what the pauses of what is looked at for each model are longer: a service of many models is no busier than
        one of 40 when nothing comes."""
        return max(1.0, len(self.config.models) / PACED_MODELS)

    def free_bytes(self) -> int:
        """Free disk under the state folder."""
        return shutil.disk_usage(self.config.state_dir).free

    def free_inodes(self) -> int | None:
        """Files that can still be made under the state folder; None where its file system makes them as it needs."""
        found = os.statvfs(self.config.state_dir)
        return found.f_favail if found.f_files else None

    def lack(self) -> dict[str, int]:
        """What of the disk under the state folder is too little, as events tell it; empty where there is room."""
        free, needed, inodes = self.free_bytes(), self.config.service.min_free, self.free_inodes()
        if inodes is not None and inodes < FEWEST_INODES:
            return {"free_bytes": free, "needed_bytes": needed, "free_inodes": inodes}
        return {"free_bytes": free, "needed_bytes": needed} if free < needed else {}


@dataclass
class ModelContext:
    """One model as its intake and its cycles see it. `check_lock` is held from a file's check to its commit: the next
    one goes on with the stream of errors where it ended. In `turns` rows are taken in side by side, and forgotten
    alone. `decision_needed` wakes the planner, `cleanup_needed` the tidying; `failures` counts what went wrong with
    files in ways that nobody thought of; `unjoined_again_s` is when feedback that joins no row may be warned of again
    (monotonic seconds); `unclear` are the columns whose unclear formats were warned of; `deaths` counts how often a
    file, as it was looked at, ended the analyst or failed in ways that nobody thought of; `spent_s` are CPU seconds of
    workers by purpose that the ledger does not have yet (see `daemon.ledger.cpu`)."""

    name: str
    settings: ModelSettings
    shared: Shared
    log: Any = None
    decision_needed: asyncio.Event = field(default_factory=asyncio.Event)
    cleanup_needed: asyncio.Event = field(default_factory=asyncio.Event)
    check_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turns: Turns = field(default_factory=Turns)
    failures: Failures = field(default_factory=Failures)
    unjoined_again_s: float = 0.0
    unclear: set[str] = field(default_factory=set)
    deaths: dict[tuple[str, Look], int] = field(default_factory=dict)
    spent_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.log = get_logger().bind(model=self.name)

    @property
    def data_dir(self) -> Path:
        """The folder into which the user drops files."""
        return model_data_dir(self.shared.config, self.name)

    def place_of(self, path: str) -> Path:
        """Where a dropped file, or the file of items, lies that the ledger knows by this path; objects lie nowhere."""
        items = items_path(self.shared.config, self.name)
        return items if items is not None and path == self.items_name else self.data_dir / path

    def root_of(self, path: str) -> Path | None:
        """The folder that this file may not lead out of by a link: none where the configuration names it by its place.
        A bare name is one of the data folder, which others may write to."""
        if self.settings.data_uri is not None:  # of what lies on the disk, the file of items
            return None
        place = self.place_of(path)
        return self.data_dir if place.is_relative_to(self.data_dir) else None

    @property
    def items_name(self) -> str | None:
        """What the ledger calls the file of items; None without one."""
        return items_name(self.shared.config, self.name)

    @property
    def folders(self) -> ModelPaths:
        """Where this model's state lives."""
        return self.shared.config.paths.model(self.name)

    def accepted(
        self, rows: Iterable[Any], withheld: Iterable[NewClass], trust: Mapping[int, str]
    ) -> tuple[AcceptedFile, ...]:
        """Rows of accepted files as stages and assessments read them: without the labels of `withheld` classes, and
        trusted as the newest assessment of labels says (by seq)."""
        classes = tuple(one.name for one in withheld)
        return tuple(
            AcceptedFile(
                seq=row.seq, snapshot=self.folders.state / row.snapshot, digest=row.sha256, rows=row.rows,
                kind=row.kind, source=row.source, accepted_at=row.accepted_at, withheld=classes,
                first_time=row.first_time, last_time=row.last_time, trust=trust.get(row.seq, COMPLETE),
                number=row.number or 0, own_labels=row.labelled_rows or 0 if row.kind == "rows" else 0,
            )
            for row in rows
            if row.kind != "items"
        )  # fmt: skip

    def stored(self, deployment: Deployment, newest: str) -> StoredDeployment:
        """A deployment as workers find it."""
        return StoredDeployment.of(deployment, newest, self.folders.versions)

    @staticmethod
    def now() -> float:
        """The wall clock, Unix seconds."""
        return time.time()


def make_folders(folders: ModelPaths) -> None:
    """Create what is missing."""
    for folder in folders.lasting:
        durable.make_folder(folder, "folders")
