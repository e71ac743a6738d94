"""Hosts as network namespaces on one bridge: each has an address, and a cable that can be pulled. Needs root and `ip`."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

MINE = 254
"""The number of this side of the bridge, where the servers and the clients are."""


def why_none() -> str:
    """Why no such network can be made here; empty where one can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "there are no network namespaces: they need root and `apt install iproute2`"
    name = f"dp{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return "" if made.returncode == 0 else "network namespaces are not allowed here"


needs_network = pytest.mark.skipif(bool(why_none()), reason=why_none())


@dataclass(frozen=True)
class Network:
    """A bridge with `count` hosts, numbered from 1."""

    tag: str
    subnet: str
    count: int

    def address(self, number: int = MINE) -> str:
        """Of a host, or of this side."""
        return f"{self.subnet}.{number}"

    def inside(self, number: int) -> tuple[str, ...]:
        """What stands before a command that is to run on a host."""
        return ("ip", "netns", "exec", self._space(number))

    def unplug(self, number: int) -> None:
        """Nothing gets through, and nobody is told."""
        _ip("link", "set", self._cable(number), "nomaster", "down")

    def plug(self, number: int) -> None:
        """Let it through again; harmless where the cable was in."""
        _ip("link", "set", self._cable(number), "master", self._bridge, "up")

    def make(self) -> None:
        """The bridge and the hosts."""
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.address()}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number in range(1, self.count + 1):
            space = self._space(number)
            _ip("netns", "add", space)
            _ip("link", "add", self._cable(number), "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("-n", space, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", space, "link", "set", device, "up")
            self.plug(number)

    def remove(self) -> None:
        """All that there is of it."""
        for number in range(1, self.count + 1):
            subprocess.run(["ip", "netns", "del", self._space(number)], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True, check=False)

    @property
    def _bridge(self) -> str:
        return f"db{self.tag}"

    def _space(self, number: int) -> str:
        return f"dh{self.tag}-{number}"

    def _cable(self, number: int) -> str:
        return f"dv{self.tag}-{number}"


@contextmanager
def made_network(count: int) -> Iterator[Network]:
    """One whose addresses no other such network is likely to have."""
    chosen = secrets.token_bytes(3)
    network = Network(chosen.hex(), f"10.{64 + chosen[0] % 64}.{chosen[1]}", count)
    try:
        network.make()
        yield network
    finally:
        network.remove()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
