"""A daemon whose page has something to do of every kind, seeded pages, and a browser for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chromium import Browser
from daemon_harness import Daemon
from page_parts import ADMIN, READ
from page_served import served
from page_states import running, seeded

from browser import strange
from browser.story import CONFIG, SERVICE, learn
from daemon.config.config import Config, ConfigErrors


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """`m` serves its second version, `asks` waits for approval, and all that is named in `strange` tries to break
    out."""
    folder = tmp_path_factory.mktemp("browser")
    for name, token in (("read", READ), ("admin", ADMIN)):
        (folder / name).write_text(f"{token}\n")
        (folder / name).chmod(0o600)
    made = Daemon(folder, CONFIG, service=SERVICE)
    made.start()
    try:
        learn(made)
        yield made
    finally:
        made.close()


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Twice: with script and without; at the end nothing was complained of, and nothing popped up."""
    with Browser(scripts=request.param) as made:
        yield made
        assert not made.dialogs and not [line for line in made.log if "401" not in line], made.log


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    """One for many looks at seeded pages."""
    with Browser() as made:
        yield made


@pytest.fixture
def page_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Serves a page of a seeded state; its address. Versions of seeded ledgers have no files, and are taken for
    sound."""
    monkeypatch.setattr("daemon.reports.status.unloadable", lambda *_: "")
    with ExitStack() as open_ones:

        def serve(state: str, names: tuple[str, ...] = ("flights", "churn", "fraud", "returns")) -> str:
            config = seeded(tmp_path, state, names).config
            if state == "unreadable":
                _damage(config)
            open_ones.enter_context(running(config))
            return open_ones.enter_context(served(config))

        yield serve


@pytest.fixture
def hostile_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves a page where all that can be named tries to break out; its address. Names of models are letters and
    digits, so their check is left out: the page does not rely on it."""
    monkeypatch.setattr("daemon.reports.status.unloadable", lambda *_: "")
    with pytest.raises(ConfigErrors):
        strange.seeded(tmp_path)
    monkeypatch.setattr("daemon.config.config.NAME", "(?s).+")
    (tmp_path / "again").mkdir()
    config = strange.seeded(tmp_path / "again")
    with running(config), served(config) as address:
        yield address


def _damage(config: Config) -> None:
    """As a disk that lost what was written."""
    for path in config.state_dir.glob(f"{config.paths.ledger.name}*"):
        path.write_bytes(b"no ledger" * 1000)
