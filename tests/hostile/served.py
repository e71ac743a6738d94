"""A service with one small model for the corpus, and what its server process uses."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from daemon_harness import Daemon, drop, rows
from helpers import wait_for

TESTS = Path(__file__).resolve().parents[1]
CONFIG = 'id_column = "id"\n[models.m.triggers]\nfirst_rows = 300\ngrowth = 1e9\n'
COLUMNS = '[models.m.columns]\nid = "category"\nx = "number"\nz = "number"\ncolour = "category"\nlabel = "category"\n'


@contextlib.contextmanager
def serving(folder: Path, service: str = "") -> Iterator[Daemon]:
    """A daemon that serves model m; `service` is TOML of [service]."""
    daemon = Daemon(folder, CONFIG, columns=False)
    text = daemon.config.read_text().replace("[service]\n", f"[service]\n{service}")
    daemon.config.write_text(text + COLUMNS)
    daemon.start()
    try:
        drop(rows(1).append_column("id", [[f"r{i}" for i in range(600)]]), daemon.data / "a.parquet")
        daemon.wait("model_swapped")
        yield daemon
    finally:
        daemon.close()


class Process:
    """The server process of a daemon as the kernel accounts for it: the one that swapped last."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    @property
    def pid(self) -> int:
        """Of the one that is now."""
        number: int = list(self._daemon.seen("model_swapped"))[-1]["pid"]
        return number

    def lives(self) -> bool:
        """Whether it is still there."""
        return Path(f"/proc/{self.pid}").exists()

    def await_next(self) -> None:
        """Wait until another one serves in its place."""
        wait_for(self.lives, what="another server")

    def cpu_s(self) -> float:
        """Seconds of processor that all its threads had, to the microsecond."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self, field: str = "VmRSS") -> int:
        """Bytes that are resident, or were at most (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
        return 0

    def forget_peak(self) -> None:
        """From now on VmHWM is the most since now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def settle(self) -> None:
        """Wait until it does nothing any more."""

        spent = [float("-inf")]

        def quiet() -> bool:
            spent.append(self.cpu_s())
            return spent[-1] - spent[-2] < 0.01

        wait_for(quiet, interval_s=0.1, what="the server is quiet")


class Neighbour:
    """A second client that predicts all the while, in a process of its own."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-m", "hostile.client", str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS)
        self._lines: list[str] = []

    def __enter__(self) -> "Neighbour":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> list[tuple[float, float, int]]:
        """End it; the moment, milliseconds and status of each answer."""
        self._process.terminate()
        out, _ = self._process.communicate()
        whole = [line.split() for line in out.splitlines()]
        return [(float(at), float(ms), int(status)) for at, ms, status in (one for one in whole if len(one) == 3)]
