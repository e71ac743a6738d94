"""Starts a root file system as an engine starts a container: read-only, as another user, as the first process, with a
network of its own or this machine's."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers import PATIENCE_S, wait_for

START = """
set -e
cd "$1"; shift
mount --bind . . && cd .
while [ "$1" != -- ]; do
    case $1 in
        tmpfs) mount -t tmpfs -o "mode=$4" tmpfs ".$3";;
        *) mount --bind "$2" ".$3"; [ "$1" = rw ] || mount -o remount,bind,ro ".$3";;
    esac
    shift 4
done; shift
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -o remount,bind,ro .
[ "$1" = host ] || ip link set lo up; shift
exec chroot . setpriv --pdeathsig KILL "$@"
"""
"""Mounts are four words each: how, what, where, mode. A process that becomes another user forgets that it is to end with
its parent, so it is told last."""


@dataclass
class Container:
    """`mounts` has for each path inside what is there and whether it may be written: `("tmpfs", None)`, `("ro", file)`,
    `("rw", folder)`. `user` may be one that the root's passwd does not know; it has no home and no capability."""

    root: Path
    user: int
    group: int
    command: Sequence[str]
    environment: Mapping[str, str]
    mounts: Mapping[str, tuple[str, Path | None]]
    log: Path
    host_network: bool = False
    here: str = "/"
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> "Container":
        """Without waiting for anything."""
        mounts: list[str] = []
        for place, (how, source) in self.mounts.items():
            _make_place(self.root / place.lstrip("/"), source is None or source.is_dir())
            mounts += [how, str(source or "none"), place, "1777"]
        namespaces = ["--mount", "--pid", "--ipc", "--uts", *([] if self.host_network else ["--net"])]
        whom = [f"--reuid={self.user}", f"--regid={self.group}", "--clear-groups", "--no-new-privs"]
        bare = ["--bounding-set=-all", "--inh-caps=-all"]
        words = ["env", "-i", "-C", self.here, *(f"{name}={value}" for name, value in self.environment.items())]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, "--fork", "--kill-child", "sh", "-c", START, "sh", str(self.root), *mounts, "--",
                 "host" if self.host_network else "own", *whom, *bare, *words, *self.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        return self

    @property
    def pid(self) -> int:
        """Of its first process, as this machine counts; 0 where there is none."""
        assert self._process is not None
        try:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        except OSError:
            return 0
        return int(children[0]) if children else 0

    def run(
        self, *command: str, root: bool = True, timeout_s: float = PATIENCE_S
    ) -> "subprocess.CompletedProcess[str]":
        """A command inside, as its user and with its environment, as `docker exec` runs it; without its `root`: one of
        this machine, in its network."""
        enter = ["nsenter", "-t", str(self.pid), "-n"]
        if root:
            whom = [f"--setuid={self.user}", f"--setgid={self.group}"]
            words = (f"{name}={value}" for name, value in self.environment.items())
            enter += ["-m", "-p", "-i", "-r", f"--wd=/proc/{self.pid}/root{self.here}", *whom, "env", "-i", *words]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
        )

    def text(self) -> str:
        """What it printed so far."""
        return self.log.read_text("utf-8", "replace")

    def wait(self, event: str, timeout_s: float = PATIENCE_S) -> None:
        """Until a line of its log has that event; a failure that shows the log where it ended or logged an error before."""
        assert self._process is not None
        process = self._process

        def seen() -> bool:
            text = self.text()
            return f'"event": "{event}"' in text or '"level": "error"' in text or process.poll() is not None

        try:
            wait_for(seen, timeout_s, 0.1, event)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()[-3000:]}") from None
        assert f'"event": "{event}"' in self.text(), self.text()[-3000:]

    def stop(self, with_signal: signal.Signals) -> int:
        """The exit status after that signal, as `docker stop` sends it."""
        assert self._process is not None
        os.kill(self.pid, with_signal)
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, with all its processes and mounts, whatever became of it."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid or self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)


def _make_place(path: Path, is_folder: bool) -> None:
    """Where something is mounted, as engines make it where the image has none."""
    if is_folder:
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
