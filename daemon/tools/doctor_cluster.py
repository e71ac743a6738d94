"""Looks at the cluster that does stages: whether its scheduler answers, and what differs on its workers."""

from collections.abc import Iterator

from daemon.config.config import Config
from daemon.runtime.cluster import courier
from daemon.runtime.cluster.requests import scheduler_of
from daemon.runtime.cluster.task import about
from drift.notation import counted
from retrain.records.errors import DriftdError

SHOWN = 3
WAY_OUT = "install there what is here: a worker that has other versions does no stage"


def executor_told(config: Config) -> Iterator[tuple[str, str, str]]:
    """Level, finding and way out."""
    scheduler = scheduler_of(config)
    assert scheduler is not None, "asked where there is one"
    try:
        workers = courier.workers_of(scheduler)
    except DriftdError as error:
        yield "error", f"[service] executor: {error.message}", error.hint or "is it up? `dask scheduler`"
        return
    finally:
        courier.close()
    if not workers:
        yield "warning", f"{scheduler.address} has no workers: stages wait", "start some: `dask worker`"
        return
    here, unlike = about(), list[str]()
    for address, there in workers.items():
        if other := [f"{name} {there.get(name)}, here {its}" for name, its in here.items() if there.get(name) != its]:
            unlike.append(f"the Dask worker {address} has {', '.join(other)}")
    for what in unlike[:SHOWN]:
        yield "error", what, WAY_OUT
    if len(unlike) > SHOWN:
        yield "error", f"{counted(len(unlike) - SHOWN, 'more worker')} like these", WAY_OUT
    if not unlike:
        versions = f"driftd {here['driftd']}, Python {here['python']}, scikit-learn {here['scikit-learn']}"
        yield "ok", f"{scheduler.address}: {counted(len(workers), 'worker')}, alike: {versions}", ""
    through = config.service.store or f"{config.state_dir}, which they have to see"
    yield "ok", f"files go to the cluster's workers through {through}", ""
