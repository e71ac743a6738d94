"""What the parts of the control process share about one model: settings, folders, ledger and workers."""

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config.config import Config, model_data_dir
from daemon.ledger import Ledger
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import Failures
from daemon.runtime.worker.process import Worker
from retrain import durable
from retrain.records.settings import ModelSettings


@dataclass(frozen=True)
class Folders:
    """Where a model's files live under the state folder."""

    state: Path
    model: str

    @property
    def snapshots(self) -> Path:
        """Immutable Parquet of accepted files."""
        return self.state / "snapshots" / self.model

    @property
    def quarantine(self) -> Path:
        """Rejected rows, one file per data file."""
        return self.state / "quarantine" / self.model

    @property
    def predictions(self) -> Path:
        """What the champion predicted for the rows of a file, before they taught anyone."""
        return self.state / "predictions" / self.model

    @property
    def store(self) -> Path:
        """All models' versions."""
        return self.state / "versions"

    @property
    def versions(self) -> Path:
        """This model's versions."""
        return self.store / self.model

    @property
    def spool(self) -> Path:
        """Segments of labels that came through the server."""
        return self.state / "spool" / self.model

    @property
    def logged(self) -> Path:
        """The prediction log: Parquet of answered rows."""
        return self.state / "prediction_log" / self.model

    @property
    def log_spool(self) -> Path:
        """Segments of answered rows that came through the server."""
        return self.logged / "spool"

    @property
    def intake(self) -> Path:
        """Unfinished snapshots."""
        return self.state / "work" / "intake" / self.model

    def cycle(self, cycle_id: int) -> Path:
        """Unfinished work of a cycle."""
        return self.state / "work" / "cycles" / str(cycle_id)

    def make(self) -> None:
        """Create what is missing."""
        kept = (self.snapshots, self.quarantine, self.predictions, self.versions)
        for folder in (*kept, self.spool, self.log_spool, self.intake):
            durable.make_folder(folder, "folders")


@dataclass
class Shared:
    """What all models share; `training` is the control group of the analyst and the trainers, if there is one."""

    config: Config
    ledger: Ledger
    analyst: Worker
    training_turn: asyncio.Lock
    training: Path | None = None

    def free_bytes(self) -> int:
        """Free disk under the state folder."""
        return shutil.disk_usage(self.config.state_dir).free


@dataclass
class ModelContext:
    """One model as its intake and its cycles see it. `judging` is held from a file's check to its commit: the next
    one goes on with the stream of errors where it ended. `dirty` asks for a decision, `untidy` for cleaning up;
    `failures` counts what went wrong with files in ways that nobody thought of."""

    name: str
    settings: ModelSettings
    shared: Shared
    log: Any = None
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    untidy: asyncio.Event = field(default_factory=asyncio.Event)
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self.log = get_logger().bind(model=self.name)

    @property
    def data_dir(self) -> Path:
        """The folder into which the user drops files."""
        return model_data_dir(self.shared.config, self.name)

    @property
    def folders(self) -> Folders:
        """Where this model's state lives."""
        return Folders(self.shared.config.state_dir, self.name)

    def settings_json(self) -> dict[str, Any]:
        """The settings as a worker receives them."""
        return self.settings.model_dump(mode="json")

    def file_json(self, row: Any) -> dict[str, Any]:
        """An accepted file as the stages and the assessment are told of it."""
        return {
            "seq": row.seq, "snapshot": str(self.folders.state / row.snapshot), "digest": row.sha256, "rows": row.rows,
            "kind": row.kind, "source": row.source, "accepted_at": row.accepted_at,
        }  # fmt: skip

    @staticmethod
    def now() -> float:
        """The wall clock, Unix seconds."""
        return time.time()
