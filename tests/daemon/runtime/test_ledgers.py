"""Where the configuration says that the ledger is: no secret is taken where it may be read, and none is told."""

from pathlib import Path

import pytest
from bare_model import BINARY

from daemon.config.config import ConfigErrors, load_config
from daemon.runtime.ledgers import ledger_place, ledger_url
from retrain.records.errors import Refused


def configured(folder: Path, line: str) -> Path:
    """A configuration with a line of its own in [service]."""
    path = folder / "config.toml"
    path.write_text(BINARY.replace("[service]\n", f"[service]\n{line}\n"))
    return path


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:wrong-horse@h/d",
        "postgresql+psycopg://u:1/wrong-horse@h/d",
        "postgresql://u@h/d?password=wrong-horse",
        "mysql://u:wrong-horse@h/d",
        "postgresql://u@h:wrong-horse/d",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_told(tmp_path: Path, url: str) -> None:
    """Neither of the configuration's own, which everybody may read, nor of a file, where a password is no mistake."""
    with pytest.raises(ConfigErrors) as refused:
        load_config(configured(tmp_path, f'ledger = "{url}"'))
    assert "ledger" in str(refused.value) and "wrong-horse" not in str(refused.value)
    (tmp_path / "url").write_text(url)
    config = load_config(configured(tmp_path, 'ledger_file = "url"'))
    try:
        assert "wrong-horse" not in ledger_place(config, {})
    except Refused as error:
        assert "wrong-horse" not in str(error) and "expected postgresql+psycopg://" in str(error)


def test_a_credential_names_the_ledger_where_the_configuration_does_not(tmp_path: Path) -> None:
    """As a unit passes it; without one it is the file in the state folder."""
    config = load_config(configured(tmp_path, ""))
    (tmp_path / "driftd-ledger-url").write_text("postgresql://u:p@h/d\n")
    assert ledger_url(config, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "postgresql://u:p@h/d"
    assert ledger_url(config, {}) is None and ledger_place(config, {}) == str(config.paths.ledger)
