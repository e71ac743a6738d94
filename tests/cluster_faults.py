"""`python -m cluster_faults`: a real service whose stages are done by a real Dask cluster, with a fault in each cycle, drawn
at random by a seed: which one, and at which stage. After each: the cycle ended once, and nothing is left in the exchange,
among temporary files or in the ledger's stages."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from daemon_harness import FAST, Daemon, Event, drop, rows
from dask_cluster import Cluster, running_cluster
from helpers import PATIENCE_S, wait_for

STAGES = "prepare", "train", "evaluate"
PATIENT = f"{FAST}max_attempts = 12\n[models.m.estimator]\nparams = {{ max_iter = 60, learning_rate = 0.1 }}\n"
TTL_S = 3
"""So long a worker may be silent before the scheduler takes it for lost."""


class Faulty:
    """A service and its cluster of two workers, and what happens to them."""

    def __init__(self, cluster: Cluster, daemon: Daemon, chance: random.Random) -> None:
        self.cluster, self.daemon, self.chance = cluster, daemon, chance

    def none(self, _: Event) -> None:
        """Nothing happens."""

    def killed(self, placed: Event) -> None:
        """The worker that has the stage is killed; Dask gives the task to the other one."""
        process = self._process(placed)
        process.kill()
        wait_for(lambda: any(one.poll() is not None for one in self.cluster.workers))
        self._mend()

    def stopped(self, placed: Event) -> None:
        """It is stopped until the scheduler takes it for lost, and goes on: the stage is done twice."""
        process = self._process(placed)
        process.suspend()
        try:
            wait_for(lambda: self._ended(placed))
        finally:
            process.resume()
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE or self._knows(process))
        self._mend()

    def cancelled(self, _: Event) -> None:
        """Somebody cancels the task."""
        from distributed import Client, Future

        with Client(f"tcp://127.0.0.1:{self.cluster.port}", set_as_default=False) as client:
            keys = [key for found in client.processing().values() for key in found]
            client.cancel([Future(key, client) for key in keys], force=True)

    def scheduler(self, _: Event) -> None:
        """It is killed and started again."""
        assert self.cluster.scheduler is not None
        self.cluster.scheduler.kill()
        self.cluster.scheduler.wait(PATIENCE_S)
        self.cluster.start_scheduler()
        wait_for(lambda: all(process.poll() is not None for process in self.cluster.workers))
        self._mend()

    def attempt(self, _: Event) -> None:
        """A process of the attempt is killed."""
        for pid in self.chance.sample(found := sorted(self.cluster.working()), min(1, len(found))):
            with_kill(pid)

    def lost(self, placed: Event) -> None:
        """What the stage puts is deleted for a while as soon as it is there."""
        folder, until_s = self.daemon.folder / "state" / "work" / "exchange", time.monotonic() + 2.0
        while time.monotonic() < until_s and not list(self._ended(placed)):
            for path in folder.rglob("*"):
                if path.is_file():
                    path.unlink(missing_ok=True)

    def control(self, _: Event) -> None:
        """The service is killed and started again."""
        self.daemon.kill()
        self.daemon.start()

    def _ended(self, placed: Event) -> list[Event]:
        after = self.daemon.events[self.daemon.events.index(placed) :]
        return [event for event in after if event["event"] in ("stage_finished", "stage_failed")]

    def _process(self, placed: Event) -> psutil.Process:
        """The worker at that address."""
        port = int(placed["worker"].rpartition(":")[2])
        for one in self.cluster.workers:
            process = psutil.Process(one.pid)
            if any(it.status == psutil.CONN_LISTEN and it.laddr.port == port for it in process.net_connections()):
                return process
        raise AssertionError(f"no worker of {placed['worker']}")

    def _knows(self, process: psutil.Process) -> bool:
        """Whether the scheduler, which may not have noticed, has this worker."""
        from distributed import Client

        ports = {it.laddr.port for it in process.net_connections() if it.status == psutil.CONN_LISTEN}
        with Client(f"tcp://127.0.0.1:{self.cluster.port}", set_as_default=False) as client:
            return any(int(worker.rpartition(":")[2]) in ports for worker in client.nthreads())

    def _mend(self) -> None:
        """Two workers again."""
        for one in list(self.cluster.workers):
            if one.poll() is not None:
                self.cluster.workers.remove(one)
                self.cluster.start_worker()

    # --- one cycle ----------------------------------------------------------------------------------------

    def cycle(self, fault: Callable[[Event], None], stage: str) -> str:
        """One with a fault at a stage; what is wrong afterwards, "" where nothing is."""
        daemon, since = self.daemon, len(self.daemon.events)
        daemon.cli("retrain", "m")
        opened = daemon.wait("cycle_opened", since=since)
        begun = daemon.wait("stage_started", since=since, stage=stage)
        placed = daemon.wait("stage_placed", since=daemon.events.index(begun))
        threading.Event().wait(self.chance.uniform(0, 0.5))
        fault(placed)
        done = daemon.wait("cycle_finished", since=since, cycle_id=opened["cycle_id"])
        if done["outcome"] not in ("promoted", "kept"):
            return f"the cycle {done['outcome']}: {done['reason']}"
        return self._left(opened["cycle_id"], since)

    def _left(self, cycle: int, since: int) -> str:
        exchange, state = self.daemon.folder / "state" / "work" / "exchange", self.daemon.folder / "state"

        def remains() -> list[str]:
            files = [str(path) for path in exchange.rglob("*") if path.is_file()]
            work = [path for path in (state / "work" / "cycles" / str(cycle)).glob("*") if path.name != "version"]
            return files + [
                str(path) for path in (*self.cluster.attempts(), *work)
            ]  # a forecast may wait for the version

        ends = len(list(self.daemon.seen("cycle_finished", since=since, cycle_id=cycle)))
        if ends != 1:
            return f"the cycle ended {ends} times"
        try:
            wait_for(lambda: not remains(), 60.0)
        except AssertionError:
            return f"left: {remains()}"
        open_stages = self.daemon.query("SELECT count(*) FROM stages WHERE state = 'started'")[0][0]
        named = {one["version"] for one in self.daemon.json("versions", "m")}
        there = {path.name for path in (state / "versions" / "m").glob("v*")}
        if open_stages or not there <= named:
            return f"{open_stages} stages are open; versions that the ledger does not know: {sorted(there - named)}"
        return ""


def with_kill(pid: int) -> None:
    """Of a process that may be gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


FAULTS = "killed", "stopped", "cancelled", "scheduler", "attempt", "lost", "control", "none"


def main() -> int:
    """Count what was wrong; 1 where anything was."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, happened, wrong = random.Random(options.seed), Counter[str](), list[str]()
    os.environ["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = f"{TTL_S}s"
    folder, daemon = Path(tempfile.mkdtemp(prefix="driftd-cluster-")), None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with running_cluster(2) as cluster:
            daemon = Daemon(folder, PATIENT, service=f'page = false\nexecutor = "{cluster.address}"')
            daemon.start()
            drop(rows(1, 3000), daemon.data / "a.csv")
            daemon.wait("cycle_finished")
            faulty = Faulty(cluster, daemon, chance)
            for number in range(options.faults):
                name, stage = chance.choice(FAULTS), chance.choice(STAGES)
                why = faulty.cycle(getattr(faulty, name), stage)
                happened[f"{name} at {stage}"] += 1
                print(f"{number + 1}/{options.faults} {name} at {stage}: {why or 'right'}", flush=True)
                wrong += [f"{name} at {stage}: {why}"] if why else []
            retried = len(list(daemon.seen("stage_failed")))
            print(f"{options.faults} cycles, {retried} attempts that failed and were tried again, {len(wrong)} wrong")
            daemon.stop()
            wait_for(lambda: not cluster.attempts())
    finally:
        if daemon is not None:
            daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    for line in (*(f"{count:4} {name}" for name, count in sorted(happened.items())), *wrong):
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
