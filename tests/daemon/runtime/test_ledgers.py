"""Where the configuration says that the ledger is: no secret is taken where it may be read, and none is told."""

import subprocess
import sys
from pathlib import Path

import pytest
from bare_model import BINARY

from daemon.config.config import ConfigErrors, load_config
from daemon.config.paths import StatePaths
from daemon.runtime.ledgers import ledger_place, ledger_url, open_configured
from daemon.runtime.shard_folder import claim_folder
from daemon.runtime.stores import configured_store
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


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "text that is not empty"),
        ("a-b", "letters, digits and _"),
        ("é", "letters, digits and _"),
        ('a\\"; DROP SCHEMA public; --', "letters, digits and _"),
        ("s" * 41, "at most 40"),
        ("uploads", "a folder that the store has anyway"),
        ("versions", "a folder that the store has anyway"),
    ],
)
def test_a_name_that_no_shard_can_have_is_a_mistake(tmp_path: Path, name: str, why: str) -> None:
    """It becomes a schema's, a channel's and a prefix's; none may be the folder of a service that has no shard."""
    with pytest.raises(ConfigErrors, match="shard") as refused:
        load_config(configured(tmp_path, f'ledger = "postgresql://u@h/d"\nshard = "{name}"'))
    assert why in str(refused.value)


def test_a_shard_has_its_own_part_of_database_and_store(tmp_path: Path) -> None:
    """Whatever the URL has besides. A shard in the URL itself is a mistake, for then the store would not follow."""
    line = 'ledger = "postgresql+psycopg://u@h/d{}"\nshard = "eu_1"\nstore = "s3://b/p/"'
    for query, url in (("", "?shard=eu_1"), ("?sslmode=require", "?sslmode=require&shard=eu_1")):
        config = load_config(configured(tmp_path, line.format(query)))
        assert ledger_url(config, {}) == f"postgresql+psycopg://u@h/d{url}"
        assert ledger_place(config, {}) == "postgresql://u@h/d?shard=eu_1"
        store = configured_store(config, {"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
        assert store is not None and store.place == "s3://b/p/eu_1"
    with pytest.raises(ConfigErrors, match="ledger names a shard; expected it in shard"):
        load_config(configured(tmp_path, line.format("?shard=us")))
    (tmp_path / "url").write_text("postgresql://u:wrong-horse@h/d?shard=us")
    with pytest.raises(Refused, match="names a shard") as refused:
        ledger_url(load_config(configured(tmp_path, 'ledger_file = "url"')), {})
    assert "wrong-horse" not in str(refused.value)


def test_a_shard_without_a_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A file has one service. With a credential, which the configuration does not show, it is none without."""
    config = load_config(configured(tmp_path, 'shard = "eu"'))
    for asked in (ledger_url, ledger_place, open_configured):
        with pytest.raises(Refused, match=r"shard is for a ledger in a database.*; write ledger = .* leave shard out"):
            asked(config, {})
    (tmp_path / "driftd-ledger-url").write_text("postgresql://u:p@h/d\n")
    assert ledger_url(config, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "postgresql://u:p@h/d?shard=eu"


def test_a_state_folder_is_one_shards(tmp_path: Path) -> None:
    """Once it holds work nobody else takes it, a service without a shard neither, and that one's no shard; a name that
    was mistyped before there was any work binds nobody."""
    snapshots, mark = StatePaths(tmp_path).snapshots / "m", StatePaths(tmp_path).shard
    for name in ("eeu", None, "eu"):
        claim_folder(tmp_path, name)
        assert mark.exists() == (name is not None)
    snapshots.mkdir(parents=True)
    (snapshots / "a.parquet").touch()
    claim_folder(tmp_path, "eu")
    for other, said in (
        ("us", "of shard eu, and this one is us"),
        (None, "of shard eu, and this service has no shard"),
    ):
        with pytest.raises(Refused, match=f"{said}; nothing was changed; give each shard a state_dir of its own"):
            claim_folder(tmp_path, other)
    assert mark.read_text() == "eu\n"
    mark.unlink()
    with pytest.raises(Refused, match="of a service without a shard, and this one is us"):
        claim_folder(tmp_path, "us")
    claim_folder(tmp_path, None)
    assert not mark.exists()


def test_a_database_without_its_driver_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """Whatever part of it is asked for first: psycopg comes with an extra."""
    asked = (
        "import sys; sys.modules['psycopg'] = None\nfrom pathlib import Path\nfrom daemon.ledger import open_ledger\n"
        "from retrain.records.errors import Refused\n"
        "try: open_ledger(Path(sys.argv[1]), url='postgresql://u@h/d')\nexcept Refused as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", asked, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "needs psycopg, which is not installed; pip install 'driftd[postgres]'" in done.stdout, done.stderr
