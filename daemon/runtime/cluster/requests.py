"""What the process that speaks with a cluster's scheduler is asked."""

from pathlib import Path

import msgspec

from daemon.config.config import Config
from daemon.config.contradictions import below
from retrain.operations import Request, Result

LOCAL = "local"


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


def scheduler_of(config: Config) -> Scheduler | None:
    """That of the configuration; None where stages run here."""
    service = config.service
    if service.executor == LOCAL:
        return None
    names = (service.executor_ca, service.executor_cert, service.executor_key)
    return Scheduler(service.executor, *(None if name is None else below(config.path, name) for name in names))
