"""Brings texts to the workers of a Dask cluster, and back. It runs in a process of its own, for what comes from a
cluster is unpickled by Dask's client, and its threads stay out of control. When that process ends, so does its
connection, and the scheduler lets go of what it waited for: a worker notices (`daemon.runtime.cluster.task`)."""

import asyncio
import concurrent.futures
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from daemon.runtime.cluster import task
from daemon.runtime.cluster.requests import CollectRequest, CollectResult, Scheduler, SubmitRequest, SubmitResult
from retrain.records.errors import DriftdError, Refused, Retry

Failed = DriftdError
"""What all of this raises."""

CONNECT_S = 10.0
FIRST_LOOK_S, LOOK_S = 0.02, 1.0
EXTRA = "pip install 'driftd[dask]' into this environment"
_clients: dict[Scheduler, Any] = {}
LONGEST_SAID = 1000
"""Characters of an error."""
MOST_ANSWER = 32 * 2**20
"""Characters: as JSON six times as much fits into a line to control."""
_sent: dict[str, tuple[Scheduler, Any, Any, str]] = {}
"""By the key of a task: the scheduler, the client, its future, and the worker that had it at first."""


def submit(request: SubmitRequest) -> SubmitResult:
    """The operation: have a worker begin; Retry where none does in time."""
    with _understood(request.scheduler):
        client = connected(request.scheduler)
        future = client.submit(task.run, request.text, key=request.key, pure=False, retries=0)
        until_s, pause_s = time.monotonic() + request.wait_s, FIRST_LOOK_S
        while not (worker := _working_on(client, request.key)) and not future.done():
            if time.monotonic() >= until_s:
                future.cancel()
                workers = len(client.nthreads())
                raise Retry(
                    f"none of the {workers} workers of {request.scheduler.address} was free within {request.wait_s:g} s"
                    if workers else f"{request.scheduler.address} has no workers", "start some: `dask worker`",
                )  # fmt: skip
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LOOK_S)
        _sent[request.key] = request.scheduler, client, future, worker
        return SubmitResult(worker=worker)


def collect(request: CollectRequest) -> CollectResult:
    """The operation: wait for the answer. Retry where the worker was lost: that Dask would give the task to another one
    by itself is not waited for, since an attempt is the cycle's to count."""
    if request.key not in _sent:
        raise Retry("the process that speaks with the scheduler was lost, and its task with it")
    scheduler, client, future, worker = _sent.pop(request.key)
    with _understood(scheduler):
        try:
            while True:
                try:
                    text = future.result(timeout=LOOK_S)
                    if not isinstance(text, str) or len(text) > MOST_ANSWER:
                        what = f"answered no text, or more than {MOST_ANSWER:,} characters"
                        raise Retry(f"the Dask worker {worker} {what}")
                    return CollectResult(text=text, worker=worker)
                except TimeoutError:
                    now = _worker_of(client, request.key)
                    if worker and now != worker and worker not in client.nthreads() and not future.done():
                        raise Retry(f"the Dask worker {worker} was lost") from None
                    worker = now or worker
        finally:
            future.release()


def connected(scheduler: Scheduler) -> Any:
    """A client, the same one as long as it lives; Refused without Dask."""
    try:
        from distributed import Client
        from distributed.security import Security
    except ImportError:
        raise Refused("a cluster needs Dask, which is not installed", EXTRA) from None
    known = _clients.get(scheduler)
    if known is not None and known.status == "running":
        return known
    files = {"tls_ca_file": scheduler.ca, "tls_client_cert": scheduler.cert, "tls_client_key": scheduler.key}
    named = {name: str(path) for name, path in files.items() if path is not None}
    for path in named.values():
        _read(path)
    security = Security(require_encryption=True, **named) if named else None
    made = Client(
        scheduler.dask_address, security=security, timeout=CONNECT_S, set_as_default=False, name="driftd",
        direct_to_workers=False,
    )  # fmt: skip
    _clients[scheduler] = made
    return made


def workers_of(scheduler: Scheduler) -> dict[str, dict[str, str]]:
    """What each worker has of what has to be alike (see `task.about`), by its address. Retry, Refused."""
    with _understood(scheduler):
        found: dict[str, dict[str, str]] = connected(scheduler).run(task.about)
        return found


def close() -> None:
    """Let go of all connections."""
    while _clients:
        _clients.popitem()[1].close()


def _worker_of(client: Any, key: str) -> str | None:
    return next((worker for worker, keys in client.processing().items() if key in keys), None)


def _working_on(client: Any, key: str) -> str:
    """The worker that has begun with a task; "" while it waits. Dask gives a task to a worker that is busy, too, which
    does one after the other."""
    worker = _worker_of(client, key)
    if worker is None:
        return ""
    begun: dict[str, Any] = client.run(task.has_begun, key, workers=[worker], on_error="ignore")
    return worker if begun.get(worker) is True else ""


def _read(path: str) -> None:
    """Refused where a file of TLS cannot be read: OpenSSL does not say which."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a text
            file.read(1)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", "[service] executor_ca, _cert and _key name it") from None


@contextlib.contextmanager
def _understood(scheduler: Scheduler) -> Iterator[None]:
    """What Dask raises as Retry, in a sentence."""
    place = scheduler.address
    try:
        yield
    except (Refused, Retry):
        raise
    except (asyncio.CancelledError, concurrent.futures.CancelledError):
        client = _clients.get(scheduler)
        if client is not None and client.status == "running":
            raise Retry(f"the scheduler {place} cancelled the task") from None
        raise Retry(f"the scheduler {place} was lost") from None
    except Exception as error:
        name = type(error).__name__
        if name == "KilledWorker":
            raise Retry(f"the Dask worker {getattr(error, 'last_worker', '')} died again and again") from None
        said = (str(error) or name)[:LONGEST_SAID]
        if isinstance(error, OSError | TimeoutError):
            raise Retry(f"the scheduler {place} cannot be reached: {said}") from None
        raise Retry(f"the cluster {place} failed: {name}: {said}") from None
