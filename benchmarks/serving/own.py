"""driftd itself: a real daemon that learns the same problem, and how its versions are put in place."""

import shutil
import time
from pathlib import Path

import psutil
from daemon_harness import Daemon

from benchmarks.serving.columns import CATEGORICAL, ITERATIONS, NUMERIC, TARGET
from daemon.config.config import ConfigErrors, load_config
from daemon.ledger import commands, open_ledger

TRAINED_S, SWAPPED_S = 900.0, 60.0
BASE = """\
[service]
state_dir = "state"
listen = "127.0.0.1:{port}"
min_free = "1MB"
[models.m]
data_dir = "data"
task = "classification"
target = "{target}"
[models.m.intake]
settle = "200ms"
rescan = "1s"
[models.m.adaptation]
archive = 1
recalibration = false
[models.m.triggers]
regret = false
{triggers}
[models.m.window]
max_rows = {max_rows}
[models.m.estimator]
type = "sklearn.ensemble.HistGradientBoostingClassifier"
params = {{ max_iter = {iterations}, early_stopping = false }}
"""
ASKED = "growth = false"
FALLBACK = '[models.m.serving]\nruntime = "scikit-learn"\n'


class Own(Daemon):
    """One daemon with a single version served: no blend, no recalibration, no training unless it is asked for."""

    def __init__(self, folder: Path, triggers: str = ASKED, extra: str = "", max_rows: int = 2_000_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        base = BASE.format(
            port=self.port, target=TARGET, triggers=triggers, max_rows=max_rows, iterations=ITERATIONS
        )  # fmt: skip
        kinds = dict.fromkeys(NUMERIC, "number") | dict.fromkeys([*CATEGORICAL, TARGET], "category")
        columns = "".join(f'{name} = "{kind}"\n' for name, kind in kinds.items())
        self.config.write_text(f"{base}{extra}[models.m.columns]\n{columns}", "utf-8")

    @property
    def understood(self) -> bool:
        """Whether this driftd knows every key of its configuration."""
        try:
            load_config(self.config)
        except ConfigErrors:
            return False
        return True

    def learn(self, rows: Path, name: str, ask: bool = False) -> str:
        """Drop a copy of a file, and wait until a version trained with it is served; its name."""
        before = len(self.events)
        self.copy_in(rows, name)
        if ask:
            self.wait("file_accepted", since=before, timeout_s=TRAINED_S, file=name)
            self.command("retrain", model="m")
        version = self.trained(before)
        if version is None:
            raise AssertionError(f"the version trained with {name} was not promoted\n{self.tail()}")
        return version

    def copy_in(self, rows: Path, name: str) -> None:
        """Drop a copy of a file as a careful producer does."""
        temporary = self.folder / f".{name}.tmp"
        shutil.copyfile(rows, temporary)
        temporary.rename(self.data / name)

    def trained(self, since: int) -> str | None:
        """Wait until a cycle has ended, and what it promoted is served: that version."""
        if self.wait("cycle_finished", since=since, timeout_s=TRAINED_S)["outcome"] != "promoted":
            return None
        version: str = self.wait("model_swapped", since=since, timeout_s=SWAPPED_S)["version"]
        return version

    def command(self, name: str, **arguments: str) -> None:
        """What `driftd NAME` asks for, without another interpreter that would take the processor to start."""
        ledger = open_ledger(self.folder / "state")
        try:
            with ledger.begin() as conn:
                commands.enqueue(conn, name, arguments, "benchmark", time.time())
        finally:
            ledger.close()

    def swap(self, version: str) -> tuple[float, float]:
        """Promote a version; when that was asked for and when it was served, in seconds of the epoch."""
        before, begun = len(self.events), time.time()
        self.command("promote", model="m", version=version)
        self.wait("model_swapped", since=before, timeout_s=SWAPPED_S, version=version)
        return begun, time.time()

    @property
    def pid(self) -> int:
        """The whole daemon's."""
        assert self.process is not None
        return self.process.pid

    @property
    def server_pid(self) -> int:
        """The process that answers requests."""
        children = psutil.Process(self.pid).children(recursive=True)
        return next(child.pid for child in children if "daemon.server" in child.cmdline())
