"""A program of the user's is followed to its end, whatever the service around it does."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.runtime.bounded_command import BoundedCommand

FIRST_BEYOND = 1_024
"""The first file descriptor that select(2) cannot watch."""


@pytest.fixture
def many_open() -> Iterator[None]:
    """All file descriptors that select(2) can watch are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * FIRST_BEYOND), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < FIRST_BEYOND:
        taken.append(os.dup(taken[0]))
    yield
    for descriptor in taken:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def command(folder: Path, script: str) -> BoundedCommand:
    """One of the shell's."""
    return BoundedCommand(["/bin/sh", "-c", script], b"given\n", os.environ, folder, 60.0)


def test_a_service_with_many_open_files_reads_what_it_says(many_open, tmp_path):
    """Its pipe has a number above those that select(2) knows."""
    ended = command(tmp_path, "cat; exit 3").run()
    assert (ended.status, ended.output) == (3, "given")


def test_one_that_cannot_be_followed_does_not_run_on(tmp_path, monkeypatch):
    """It will be begun again: then it must not run twice."""

    def fails(*_: object) -> bool:
        while not (tmp_path / "pid").exists():
            pass
        raise OSError("no more")

    monkeypatch.setattr(BoundedCommand, "_read", fails)
    with pytest.raises(OSError, match="no more"):
        command(tmp_path, "echo $$ > new; mv new pid; exec sleep 1000").run()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
