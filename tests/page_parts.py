"""What tests of the status page share: its tokens, and its process."""

import re
from pathlib import Path

import httpx
from daemon_harness import Daemon

READ, ADMIN = "reads-0123456789abcdef", "admin-0123456789abcdef"


def page_pid(daemon: Daemon) -> int:
    """The page process of a daemon that runs; 0 where there is none."""
    assert daemon.process is not None
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if b"daemon.page" in words and parent == daemon.process.pid:
            return int(folder.name)
    return 0


def csrf_of(client: httpx.Client) -> str:
    """The secret that the forms of the pages carry for this client."""
    for path in ("/m/m", "/"):
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get(path).text)
        if found:
            return found[1]
    raise AssertionError("no page has a form")
