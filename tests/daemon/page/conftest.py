"""Two daemons with the status page for all its tests: one that is open, one with tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_harness import Daemon, drop, rows
from page_parts import ADMIN, READ

QUIET = """\
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 300
on_drift = false
on_performance = false
growth = 1e9
regret = false
"""


@pytest.fixture(scope="session")
def open_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Without tokens, with a served version; whoever is on the machine may act."""
    made = Daemon(tmp_path_factory.mktemp("page"), QUIET, service="page_acts = true")
    made.start()
    drop(rows(1), made.data / "a.csv")
    made.wait("model_swapped")
    yield made
    made.close()


@pytest.fixture(scope="session")
def guarded_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """With a read token and an admin token, and nothing to serve yet."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    for name, token in (("read", READ), ("admin", ADMIN)):
        (folder / name).write_text(token + "\n")
        (folder / name).chmod(0o600)
    made = Daemon(folder, QUIET, service='read_token_file = "read"\nadmin_token_file = "admin"\nworkers = 2')
    made.start()
    yield made
    made.close()
