"""Trains on a generated window of partitioned Parquet that is larger than the memory of a training, in a real service:
prints the seconds of each stage, the trainer's peak of memory, and what `status` says."""

import argparse
import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from daemon_harness import Daemon

PARTS = 10
COLUMNS = 16
BYTES_A_ROW = COLUMNS * 8 + 5
LONG_S = 3600.0
CONFIG = """\
[models.m.intake]
settle = "500ms"
[models.m.window]
kind = "all"
max_rows = 1_000_000_000
large = "{large}"
[models.m.limits]
train_memory = "{memory}"
train_time = "1h"
[models.m.triggers]
first_rows = {rows}
on_drift = false
on_performance = false
[models.m.estimator]
{estimator}
"""
ESTIMATORS = {
    "sample": "params = { max_iter = 50 }",
    "parts": 'type = "sklearn.linear_model.SGDClassifier"\nparams = { loss = "log_loss" }',
}


def write(path: Path, rows: int, seed: int) -> None:
    """A file of so many rows, a million at a time; it appears whole."""
    rng = np.random.default_rng(seed)
    writer, temporary = None, path.with_suffix(".tmp")
    for start in range(0, rows, 1_000_000):
        many = min(1_000_000, rows - start)
        columns = {f"x{place}": rng.normal(size=many) for place in range(COLUMNS)}
        columns["colour"] = rng.choice(["red", "green", "blue"], many)
        signal = columns["x0"] + columns["x1"] * (columns["colour"] == "red") + rng.normal(0, 0.5, many)
        table = pa.table(columns | {"label": np.where(signal > 0.3, "yes", "no")})
        writer = writer or pq.ParquetWriter(temporary, table.schema, use_dictionary=["colour", "label"])
        writer.write_table(table)
    assert writer is not None
    writer.close()
    temporary.rename(path)


class Peak(threading.Thread):
    """The most resident memory of the service's trainer (bytes), looked at twenty times a second, by stage."""

    def __init__(self, service: int) -> None:
        super().__init__(daemon=True)
        self.service, self.stage, self.done = service, "", threading.Event()
        self.peaks: dict[str, int] = {}

    def run(self) -> None:
        """Look until it is `done`."""
        while not self.done.wait(0.05):
            found = max(map(_resident, _trainers(self.service)), default=0)
            self.peaks[self.stage] = max(found, self.peaks.get(self.stage, 0))


def _trainers(service: int) -> Iterator[psutil.Process]:
    """Forks among them, which are children of another process."""
    for process in psutil.Process(service).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "--role" in command and command[command.index("--role") + 1] == "trainer":
                yield process


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def main() -> None:
    """Generate, drop, wait for the promotion, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of Parquet")
    parser.add_argument("--memory", default="1.5GB", help="limits.train_memory")
    parser.add_argument("--large", choices=sorted(ESTIMATORS), default="sample", help="window.large")
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    rows = int(args.gigabytes * 1e9 / BYTES_A_ROW / PARTS) * PARTS
    with tempfile.TemporaryDirectory(prefix="driftd-bench-", dir=args.folder) as name:
        config = CONFIG.format(large=args.large, memory=args.memory, rows=rows, estimator=ESTIMATORS[args.large])
        daemon = Daemon(Path(name), config, columns=False).start()
        assert daemon.process is not None
        peak = Peak(daemon.process.pid)
        peak.start()
        for part in range(PARTS):
            write(daemon.data / f"part-{part}.parquet", rows // PARTS, part)
        size = sum(path.stat().st_size for path in daemon.data.glob("*.parquet"))
        for stage in ("prepare", "train", "evaluate"):
            peak.stage = stage
            done = daemon.wait("stage_finished", stage=stage, timeout_s=LONG_S)
            gigabytes = peak.peaks.get(stage, 0) / 1e9
            print(f"{stage:<9} {done['seconds']:6.1f} s, trainer's peak {gigabytes:.2f} GB", flush=True)
        daemon.wait("version_promoted", timeout_s=LONG_S)
        peak.done.set()
        print(f"{rows:,} rows in {PARTS} files, {size / 1e9:.1f} GB, train_memory {args.memory}")
        print(daemon.cli("status").stdout)
        daemon.stop()


if __name__ == "__main__":
    main()
