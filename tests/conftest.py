"""Fixtures that many tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_harness import Daemon


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons in the test's own folder and ends them afterwards."""
    made: list[Daemon] = []

    def make(extra: str = "", columns: bool = True, service: str = "page = false") -> Daemon:
        folder = tmp_path / f"d{len(made)}"
        folder.mkdir()
        made.append(Daemon(folder, extra, columns, service))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()
