"""A throw-away container with a real systemd as its first process, made from the running root file system."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import PATIENCE_S, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
BOOT = Path(__file__).with_name("boot")
NEEDED = ("unshare", "nsenter", "setpriv", "pivot_root", "systemctl", "systemd-analyze")
NAMESPACES = ("--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net")


class NoSystemd(Exception):
    """Why there can be no container here."""


class Container:
    """Boots at once; `close` ends it with all that runs in it."""

    def __init__(self) -> None:
        missing = [name for name in NEEDED if shutil.which(name) is None]
        if os.geteuid() != 0 or missing or not Path("/lib/systemd/systemd").exists():
            raise NoSystemd("not root" if os.geteuid() != 0 else f"no {', '.join(missing) or 'systemd'}")
        self.folder = Path(tempfile.mkdtemp(prefix="driftd-systemd-"))
        self._cgroup = _cgroup_base() / self.folder.name
        self._console = (self.folder.with_suffix(".log")).open("wb")
        try:
            self._cgroup.mkdir()
            self._unshare = self._boot()
            self._init = self._wait_booted()
        except (OSError, AssertionError) as error:
            told = Path(self._console.name).read_text("utf-8", "replace")[-600:]
            self.close()
            raise NoSystemd(f"no systemd boots in a container here: {error} {told}") from None

    def _boot(self) -> "subprocess.Popen[bytes]":
        places = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
        elsewhere = [str(p) for p in places if p.stat().st_dev != Path("/").stat().st_dev]
        enter = f'echo $$ >{self._cgroup}/cgroup.procs && exec "$@"'
        command = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", str(BOOT), str(self.folder), *elsewhere]
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", enter, "sh", *command],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=self._console,
        )  # fmt: skip

    def _wait_booted(self) -> int:
        def booted() -> int:
            if self._unshare.poll() is not None:
                raise AssertionError(f"ended with status {self._unshare.returncode}")
            children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
            if not children:
                return 0
            self._init = int(children[0])
            # Only after the pivot its root is another one than ours, and then systemd answers.
            if Path(f"/proc/{self._init}/root/run/systemd/private").exists() and not self._sees_host():
                return self._init if self.run("systemctl", "is-active", "bare.target", check=False) == "active" else 0
            return 0

        return wait_for(booted, what="systemd's basic.target")

    def _sees_host(self) -> bool:
        return Path(f"/proc/{self._init}/root{self.folder}/root").exists()

    def run(self, *command: str, check: bool = True, timeout_s: float = PATIENCE_S) -> str:
        """What a command prints inside; an AssertionError that shows it all where it fails."""
        done = self.call(*command, timeout_s=timeout_s)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} → {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def call(self, *command: str, timeout_s: float = PATIENCE_S) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, whatever becomes of it."""
        return subprocess.run(
            [*self.entering(), *command], capture_output=True, text=True, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its first process, as the machine that it is on counts."""
        return self._init

    def entering(self) -> list[str]:
        """What stands before a command that is to run inside."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "-t", str(self._init), "-m", "-p", "-u", "-i", "-n", "-r", "-w", "env", "-i", f"PATH={path}"]

    def path(self, name: str) -> Path:
        """A path of the container as this process reaches it."""
        return Path(f"/proc/{self._init}/root{name}")

    def close(self) -> None:
        """End it: with its first process all others and all mounts go."""
        if hasattr(self, "_unshare"):
            for pid in (getattr(self, "_init", 0), self._unshare.pid):
                with contextlib.suppress(ProcessLookupError):
                    if pid:
                        os.kill(pid, signal.SIGKILL)
            self._unshare.wait(PATIENCE_S)
        with contextlib.suppress(AssertionError):
            wait_for(self._no_cgroup, 10)
        self._console.close()
        Path(self._console.name).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _no_cgroup(self) -> bool:
        folders = [Path(top) for top, _, _ in os.walk(self._cgroup, topdown=False)]
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not self._cgroup.exists()


def _cgroup_base() -> Path:
    """Where this machine has the second version of control groups."""
    for base in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (base / "cgroup.controllers").exists():
            return base
    raise NoSystemd("no cgroup2 is mounted")
