"""A new ledger without its migrations, which take fifty milliseconds and more in a new process: a copy of one."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, open_ledger


def new_ledger(state_dir: Path, url: str | None = None) -> Ledger:
    """Opened in a folder that has none yet, or in a database."""
    if url is None:
        place_ledger(state_dir)
    return open_ledger(state_dir, url=url)


def place_ledger(state_dir: Path) -> None:
    """As a first start leaves it, if there is none yet."""
    path = StatePaths(state_dir).ledger
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_empty())


@cache
def _empty() -> bytes:
    """Today's schema without a row; once it is closed, nothing of it is in another file."""
    with TemporaryDirectory() as folder:
        open_ledger(Path(folder)).close()
        return StatePaths(Path(folder)).ledger.read_bytes()
