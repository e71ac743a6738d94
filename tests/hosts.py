"""Hosts of one ledger in a real PostgreSQL and one store in a real S3 server, each with a state folder of its own."""

from collections.abc import Callable
from pathlib import Path

from daemon_harness import FAST, Daemon
from s3 import S3

STORE = 'page = false\nledger_file = "url"\nstore = "{bucket}/driftd"\nstore_file = "options"'
MakeHost = Callable[..., Daemon]


def host_maker(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> MakeHost:
    """Makes a host with an empty state folder, on the same ledger and the same store as the others."""
    bucket = s3.bucket()

    def make(extra: str = FAST, service: str = "", url: str = url) -> Daemon:
        host = make_daemon(extra, service=f"{STORE.format(bucket=bucket)}\n{service}")
        write_secret(host.folder / "url", url)
        write_secret(host.folder / "options", "".join(f"{name}={value}\n" for name, value in s3.options.items()))
        return host

    return make


def write_secret(path: Path, text: str) -> None:
    """For the service's user alone."""
    path.write_text(text)
    path.chmod(0o600)
