"""The systemd units that driftd installs: rendered from one set of templates, placed and removed without surprises."""

from pathlib import Path

import pytest

from daemon.cli import app
from daemon.units.place import next_steps, place, remove
from daemon.units.render import MARK, Site, render
from retrain.errors import Refused

SHIPPED = Path(__file__).parent.parent.parent / "systemd"
SITE = Site(
    driftd=Path("/opt/driftd/.venv/bin/driftd"),
    config=Path("/etc/driftd/config.toml"),
    docs=Path("/opt/driftd/docs"),
    state_dir=Path("/var/lib/driftd"),
    data_dirs=(Path("/srv/driftd"),),
    code=(Path("/opt/driftd"), Path("/usr")),
    listen="127.0.0.1:8080",
    user="driftd",
    group="driftd",
)
NAMES = {
    "driftd.service": "etc/systemd/system/driftd.service",
    "driftd.socket": "etc/systemd/system/driftd.socket",
    "driftd.sysusers": "etc/sysusers.d/driftd.conf",
    "driftd.tmpfiles": "etc/tmpfiles.d/driftd.conf",
}


def service_of(**changes: object) -> str:
    """The text of driftd.service for another site."""
    from dataclasses import replace

    return render(replace(SITE, **changes))[Path(NAMES["driftd.service"])]


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_units_are_those_that_are_installed(name: str) -> None:
    """systemd/ shows what `driftd install-service` writes for the usual places."""
    assert (SHIPPED / name).read_text("utf-8") == render(SITE)[Path(NAMES[name])]


def test_homes_are_hidden_but_for_what_is_needed() -> None:
    """An environment, a configuration or data in a home are seen, read-only; the state may be written."""
    assert "ProtectHome=yes" in service_of()
    text = service_of(
        code=(Path("/home/a/driftd"), Path("/home/a/driftd/.venv"), Path("/usr")),
        config=Path("/home/a/my churn/config.toml"),
        state_dir=Path("/home/a/my churn/state"),
    )
    assert "ProtectHome=tmpfs\n" in text
    assert "BindReadOnlyPaths=-/home/a/driftd\n" in text and "/home/a/driftd/.venv\n" not in text
    assert "BindReadOnlyPaths=-/home/a/my\\ churn\n" in text and "BindPaths=/home/a/my\\ churn/state\n" in text
    assert "run\n" in text and '-c "/home/a/my churn/config.toml" run' in text


def test_an_environment_in_a_temporary_folder_is_seen() -> None:
    """The service has a /tmp of its own; what it needs of the other one is bound into it, read-only."""
    text = service_of(code=(Path("/tmp/ci/.venv"), Path("/usr")))
    assert "ProtectHome=yes\n" in text and "BindReadOnlyPaths=-/tmp/ci/.venv\n" in text


def test_who_makes_the_state_folder() -> None:
    """systemd below /var/lib, tmpfiles.d elsewhere."""
    assert "StateDirectory=driftd\n" in service_of()
    assert "ReadWritePaths=/data/state\n" in service_of(state_dir=Path("/data/state"))


def test_a_port_for_others_is_not_cut_off() -> None:
    """Only where the configuration listens on loopback the sandbox allows loopback alone."""
    assert "IPAddressDeny=any" in service_of()
    assert "IPAddressDeny=any" not in service_of(listen="0.0.0.0:8080")


def test_a_percent_sign_is_not_a_specifier_and_a_quote_is_refused() -> None:
    """Paths mean what they say, or are refused."""
    assert "/opt/100%%/bin/driftd -c" in service_of(driftd=Path("/opt/100%/bin/driftd"))
    with pytest.raises(Refused, match="cannot name it"):
        service_of(driftd=Path('/opt/a"b/driftd'))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A small configuration."""
    path = tmp_path / "config.toml"
    path.write_text('[models.m]\ndata_dir = "data"\ntask = "regression"\ntarget = "y"\n')
    return path


def test_placing_is_idempotent_and_removal_leaves_the_rest(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below another root nothing is run and no root is needed."""
    root = config.parent / "root"
    arguments = ["-c", str(config), "install-service", "--prefix", str(root)]
    assert app.run(arguments) == 0
    assert capsys.readouterr().out.count("wrote ") == 4
    (root / NAMES["driftd.socket"]).write_text(f"{MARK}\n# of an older version\n")
    assert app.run(arguments) == 0
    assert capsys.readouterr().out.count("wrote ") == 1
    assert app.run([*arguments, "--uninstall"]) == 0
    assert not [path for path in root.rglob("*") if path.is_file()] and config.exists()


def test_units_of_others_are_left_alone(tmp_path: Path) -> None:
    """A unit that a person wrote is neither replaced nor removed, and nothing else is written then."""
    mine = tmp_path / NAMES["driftd.service"]
    mine.parent.mkdir(parents=True)
    mine.write_text("[Service]\n")
    site = Site(**{**SITE.__dict__, "driftd": mine})
    for act in (place, remove):
        with pytest.raises(Refused, match="not written by driftd"):
            list(act(site, tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_print_shows_the_files_and_places_none(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its path."""
    assert app.run(["-c", str(config), "install-service", "--print"]) == 0
    out = capsys.readouterr().out
    assert all(f"# /{path}\n" in out for path in NAMES.values())


def test_an_unknown_user_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    assert app.run(["-c", str(config), "install-service", "--print", "--user", "nobody-of-that-name"]) == 1
    assert "make it" in capsys.readouterr().err


def test_the_next_steps_name_what_was_installed() -> None:
    """Commands to copy."""
    assert any("systemctl enable --now driftd.socket driftd.service" in line for line in next_steps(SITE))
