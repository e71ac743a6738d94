"""New ledgers for tests. A file of SQLite without its migrations, which take fifty milliseconds and more in a new process, is
a copy of one; with `pytest --ledger postgresql` ledgers that say nothing of their engine are in a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, open_ledger

URL_FILE = "ledger-url"


class Databases:
    """One for each state folder of the test that runs."""

    def __init__(self) -> None:
        self._server: Any = None
        self._urls: dict[Path, str] = {}
        self._open = ExitStack()

    @property
    def is_on(self) -> bool:
        """Whether ledgers are in a database."""
        return self._server is not None

    @contextmanager
    def on(self, server: Any) -> Iterator[None]:
        """From here on; what a session makes once stays, what a test makes goes with it."""
        self._server = server
        with self._open:
            yield
        self._server = None

    @contextmanager
    def of_test(self) -> Iterator[None]:
        """What is made within goes."""
        before, self._open = (self._urls, self._open), ExitStack()
        self._urls = dict(self._urls)
        with self._open:
            yield
        self._urls, self._open = before

    def url(self, state_dir: Path, template: str = "ledger") -> str | None:
        """That of a folder's ledger, made where it is not there; None where ledgers are files."""
        if self._server is not None and state_dir not in self._urls:
            self._urls[state_dir] = self._open.enter_context(self._server.ledger(template))
        return self._urls.get(state_dir)

    def copy(self, old: Path, new: Path) -> None:
        """The ledger of a folder that was copied, too."""
        url = self.url(old)
        if url is not None:
            self._urls.pop(new, None)
            (new.parent / URL_FILE).write_text(self.url(new, url.rpartition("/")[2]) or "")


DATABASES = Databases()


def configured(config: str, folder: Path, state: str = "state") -> str:
    """A configuration in a folder whose ledger is where the tests have it."""
    url = DATABASES.url(folder / state)
    if url is None:
        return config
    (folder / URL_FILE).write_text(url)
    (folder / URL_FILE).chmod(0o600)
    service = "[service]\n"
    text = config if service in config else service + config
    return text.replace(service, f'{service}ledger_file = "{URL_FILE}"\n', 1)


def new_ledger(state_dir: Path, url: str | None = None) -> Ledger:
    """Opened in a folder that has none yet, or in a database."""
    url = DATABASES.url(state_dir) if url is None else url
    if url is None:
        place_ledger(state_dir)
    return open_ledger(state_dir, url=url)


def place_ledger(state_dir: Path) -> None:
    """As a first start leaves it, if there is none yet."""
    path = StatePaths(state_dir).ledger
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() and not DATABASES.is_on:
        path.touch(mode=0o600)
        path.write_bytes(_empty())


@cache
def _empty() -> bytes:
    """Today's schema without a row; once it is closed, nothing of it is in another file."""
    with TemporaryDirectory() as folder:
        open_ledger(Path(folder)).close()
        return StatePaths(Path(folder)).ledger.read_bytes()
