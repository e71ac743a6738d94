"""What the process that speaks with a cluster's scheduler is asked."""

from pathlib import Path

import msgspec

from daemon.config.config import Config
from daemon.config.contradictions import below
from retrain.operations import Json, Request, Result
from retrain.records.settings import ModelSettings

LOCAL = "local"
REPLAY = "replay-"
"""How the folder of a replay's files begins in an exchange; then comes when it began (Unix seconds)."""


class Scheduler(msgspec.Struct, frozen=True):
    """Where it is, as `[service] executor` says it, and with which files of TLS it is reached."""

    address: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def dask_address(self) -> str:
        """As Dask calls it.

        >>> Scheduler("dask+tls://dask.example.com:8786").dask_address
        'tls://dask.example.com:8786'
        """
        scheme, _, place = self.address.partition("://")
        return f"{'tls' if scheme == 'dask+tls' else 'tcp'}://{place}"


class SubmitResult(Result, frozen=True, kw_only=True):
    """The worker that has it."""

    worker: str


class SubmitRequest(Request[SubmitResult], frozen=True, kw_only=True):
    """Give a text to a worker, whichever the scheduler chooses; at most `wait_s` may pass until one has it."""

    scheduler: Scheduler
    key: str
    text: str
    wait_s: float


class CollectResult(Result, frozen=True, kw_only=True):
    """The text that came back, from which worker."""

    text: str
    worker: str


class CollectRequest(Request[CollectResult], frozen=True, kw_only=True):
    """Wait for the answer of what was submitted under a key."""

    key: str


class ReplayResult(Result, frozen=True, kw_only=True):
    """A played variant as plain JSON values."""

    run: Json


class ReplayRequest(Request[ReplayResult], frozen=True, kw_only=True):
    """Play a variant of a replay: the files are cut into batches as `source` says. The other keys are those of
    `daemon.tools.replay.subject: Request`; `times` are its LabelTimes."""

    files: tuple[Path, ...]
    settings: ModelSettings
    source: ModelSettings
    config_dir: Path
    batches: int | None
    initial: int
    times: Json
    approve_classes: bool = False
    ignore: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def scheduler_of(config: Config) -> Scheduler | None:
    """That of the configuration; None where stages run here."""
    service = config.service
    if service.executor == LOCAL:
        return None
    names = (service.executor_ca, service.executor_cert, service.executor_key)
    return Scheduler(service.executor, *(None if name is None else below(config.path, name) for name in names))
