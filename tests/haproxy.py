"""A real haproxy for tests, by the configuration that docs/balancing.md shows."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import local_http
import pytest
from daemon_harness import ROOT, free_port
from helpers import wait_for

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy: `apt install haproxy`")
PAGE = ROOT / "docs" / "balancing.md"


def documented(kind: str) -> str:
    """The configuration of that kind that the page shows."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]


def haproxy_configuration(port: int, servers: Sequence[int]) -> str:
    """The documented one with these ports of this machine."""
    shown, _, _ = documented("haproxy").replace("bind :8080", f"bind 127.0.0.1:{port}").partition("    server a ")
    return shown + "".join(f"    server s{place} 127.0.0.1:{one}\n" for place, one in enumerate(servers))


@contextmanager
def haproxy(folder: Path, servers: Sequence[int]) -> Iterator[str]:
    """One in front of the servers on these ports; its URL."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(haproxy_configuration(port, servers))
    with (folder / "haproxy.log").open("w") as said:
        process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=said, stderr=said)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: process.poll() is None and is_ready(url), what="haproxy")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def is_ready(url: str) -> bool:
    """Whether who answers there says that it is ready."""
    try:
        return bool(local_http.get(f"{url}/v2/health/ready").status_code == 200)
    except httpx.HTTPError:
        return False
