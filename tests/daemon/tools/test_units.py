"""The systemd units that driftd installs: rendered from one set of templates, placed and removed without surprises."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.cli import app
from daemon.config.config import load_config
from daemon.tools.units.place import next_steps, place, reached_by, remove, site_of, told
from daemon.tools.units.render import MARK, Site, render
from retrain.records.errors import Refused

SHIPPED = Path(__file__).resolve().parents[3] / "systemd"
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
    return render(replace(SITE, **changes))[Path(NAMES["driftd.service"])]


def test_the_scheduler_of_a_cluster_is_reached() -> None:
    """An address opens itself, a name every address, which is said."""
    assert "IPAddressAllow=localhost 10.0.0.7" in service_of(worked=("10.0.0.7",))
    text = service_of(worked=("dask.example.com",))
    assert "[service] executor has to reach dask.example.com" in text and "IPAddressDeny=any" not in text


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
    assert "BindReadOnlyPaths=-/home/b/after\n" in service_of(programs=(Path("/home/b/after"), Path("/usr/bin/true")))
    assert "run\n" in text and '-c "/home/a/my churn/config.toml" run' in text


def test_an_environment_in_a_temporary_folder_is_seen() -> None:
    """The service has a /tmp of its own; what it needs of the other one is bound into it, read-only."""
    text = service_of(code=(Path("/tmp/ci/.venv"), Path("/usr")))
    assert "ProtectHome=yes\n" in text and "BindReadOnlyPaths=-/tmp/ci/.venv\n" in text


def test_a_registry_that_is_told_is_reached() -> None:
    """The address of MLflow's server or of a collector is open; for a name all are, and the unit says for whom."""
    assert "IPAddressAllow=localhost 10.0.0.7\n" in service_of(told=("10.0.0.7", "127.0.0.1"))
    text = service_of(told=("mlflow.example.com",))
    assert "[mlflow] or [openlineage] has to reach mlflow.example.com" in text and "IPAddressDeny=any" not in text
    assert "tells 10.0.0.7" in "\n".join(told(replace(SITE, told=("10.0.0.7",))))


def test_who_makes_the_state_folder() -> None:
    """systemd below /var/lib, tmpfiles.d elsewhere."""
    assert "StateDirectory=driftd\n" in service_of()
    assert "ReadWritePaths=/data/state\n" in service_of(state_dir=Path("/data/state"))


def test_folders_of_results_may_be_written() -> None:
    """Of files that are scored, also where they lie in a home; tmpfiles.d makes them, and they may be missing."""
    results = (Path("/srv/my results"), Path("/home/b/results"))
    text = service_of(results=results)
    assert 'ReadWritePaths=-"/srv/my results" -/home/b/results\n' in text
    assert "ProtectHome=tmpfs\n" in text and "BindPaths=/home/b/results\n" in text
    made = render(replace(SITE, results=results))[Path(NAMES["driftd.tmpfiles"])]
    assert 'd "/srv/my results" :2775 :driftd :driftd -' in made


def test_a_port_for_others_is_not_cut_off() -> None:
    """Only where the configuration listens on loopback the sandbox allows loopback alone."""
    assert "IPAddressDeny=any" in service_of()
    assert "IPAddressDeny=any" not in service_of(listen="0.0.0.0:8080")


@pytest.mark.parametrize(
    ("reached", "allowed"),
    [
        (("127.0.0.1", "localhost"), "localhost"),
        (("10.0.0.7", "::1", "2001:db8::1", "10.0.0.7"), "localhost 10.0.0.7 2001:db8::1"),
    ],
)
def test_addresses_that_are_notified_are_opened(reached: tuple[str, ...], allowed: str) -> None:
    """These alone, beside this machine."""
    assert f"IPAddressAllow={allowed}\nIPAddressDeny=any\n" in service_of(reached=reached)


@pytest.mark.parametrize(
    ("host", "told_as"),
    [
        ("hooks.example.com", "hooks.example.com"), (None, "a URL in a file"),
        (reached_by("slack://secret/B/C"), "what slack:// reaches"),
    ],
)  # fmt: skip
def test_a_name_that_is_notified_opens_every_address_which_is_said(host: str | None, told_as: str) -> None:
    """Rules of systemd's know no names; the unit and the command say why there is none."""
    text = service_of(reached=("10.0.0.7", host))
    assert "IPAddressDeny=any" not in text and "IPAddressAllow=localhost" not in text and told_as in text
    assert told_as in told(replace(SITE, reached=("10.0.0.7", host)))[-1]


def test_a_database_that_rows_come_from_is_opened_like_a_receiver() -> None:
    """Its address alone; a name opens all, which is said; one that is a file in a home may be read."""
    assert "IPAddressAllow=localhost 10.0.0.9\nIPAddressDeny=any\n" in service_of(asked=("10.0.0.9", "localhost"))
    assert told(replace(SITE, asked=("10.0.0.9",)))[-1] == "  pulls rows from 10.0.0.9"
    named = replace(SITE, asked=("db.example.com",), reached=("10.0.0.7",))
    assert "IPAddressDeny=any" not in service_of(asked=named.asked, reached=named.reached)
    assert "[[notify]] or a [models.NAME.source] has to reach db.example.com" in service_of(
        asked=named.asked, reached=named.reached
    )
    assert "rows come from db.example.com, and systemd's rules know addresses alone" in told(named)[-1]
    assert "BindReadOnlyPaths=-/home/a/data\n" in service_of(databases=(Path("/home/a/data"),))


def installed(folder: Path, text: str, **files: str) -> tuple[str, list[str]]:
    """The service's unit by that configuration and these files beside it, and what the command tells."""
    model = '[models.m]\ndata_dir = "s3://lake/a"\ntask = "regression"\ntarget = "y"\n'
    (folder / "config.toml").write_text(text if "[models.m]" in text else text + model)
    for name, content in files.items():
        (folder / name).write_text(content)
    site = site_of(load_config(folder / "config.toml"), "driftd")
    assert not site.data_dirs or 'data_dir = "d"' in text
    return render(site)[Path(NAMES["driftd.service"])], told(site)


def test_data_in_an_object_store_are_no_folder_and_open_every_address(tmp_path: Path) -> None:
    """Where how it is reached is not said, for rules know addresses alone; it is told what is watched."""
    text, said = installed(tmp_path, "")
    assert "IPAddressDeny=any" not in text and "an object store has to reach" in text and "s3:" not in text
    assert "  watches s3://lake/a" in said and "files are at a URL in a file or a credential" in said[-1]


KEPT = '[service]\nledger_file = "url"\nstore = "s3://b/p"\nstore_file = "store"\n'


def test_ledger_and_store_are_opened_by_what_their_files_name(tmp_path: Path) -> None:
    """Their addresses alone, also where models' data are in the same store, and no secret is told; a name opens all, and
    so does AWS, a file that is not there, and a credential."""
    url = "postgresql://u:hidden@10.0.0.7/d"
    text, said = installed(tmp_path, KEPT, url=url, store="AWS_ENDPOINT_URL=https://10.0.0.8:9000\n")
    assert "IPAddressAllow=localhost 10.0.0.7 10.0.0.8\nIPAddressDeny=any\n" in text
    assert said[-2:] == ["  has its ledger at 10.0.0.7", "  has files at 10.0.0.8"] and "hidden" not in text
    for store in ("AWS_ENDPOINT_URL=https://s3.example.com\n", "AWS_REGION=eu-central-1\n"):
        text, said = installed(tmp_path, KEPT, url=url, store=store)
        host = "s3.example.com" if "example" in store else "amazonaws.com"
        assert "IPAddressDeny=any" not in text and f"or an object store has to reach {host}: " in text
        assert f"files are at {host}, and systemd's rules know addresses alone" in said[-1]
    (tmp_path / "url").unlink()
    text, said = installed(tmp_path, KEPT, store="AWS_ENDPOINT_URL=http://10.0.0.8\n")
    assert "IPAddressDeny=any" not in text and "the ledger is at a URL in a file or a credential" in said[-1]
    by_credential = '[service]\nstore = "s3://b/p"\n[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\n'
    assert "IPAddressDeny=any" not in installed(tmp_path, by_credential)[0]


def test_a_percent_sign_is_not_a_specifier_and_a_quote_is_refused() -> None:
    """Paths mean what they say, or are refused."""
    assert "/opt/100%%/bin/driftd -c" in service_of(driftd=Path("/opt/100%/bin/driftd"))
    with pytest.raises(Refused, match="cannot name it"):
        service_of(driftd=Path('/opt/a"b/driftd'))


def test_paths_with_spaces_and_percent_signs_are_what_systemd_makes(tmp_path: Path) -> None:
    """sysusers.d and tmpfiles.d split lines at spaces and know specifiers, as units do; systemd's own tools read them."""
    state, data = Path("/var/lib/my st%ate"), Path("/srv/my da%hta")
    texts = render(replace(SITE, state_dir=state, data_dirs=(data,)))
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert 'StateDirectory="my st%%ate"\n' in texts[Path(NAMES["driftd.service"])]
    users, folders = texts[Path(NAMES["driftd.sysusers"])], texts[Path(NAMES["driftd.tmpfiles"])]
    assert users.endswith(' "/var/lib/my st%%ate"\n')
    assert 'd "/var/lib/my st%%ate" :2770' in folders and 'd "/srv/my da%%hta" :2775' in folders
    if os.geteuid() != 0 or shutil.which("systemd-tmpfiles") is None:
        pytest.skip("as root, with systemd, its tools read them too")
    for name, tool in (
        ("driftd.sysusers", ["systemd-sysusers"]),
        ("driftd.tmpfiles", ["systemd-tmpfiles", "--create"]),
    ):
        subprocess.run([*tool, f"--root={tmp_path}", str(tmp_path / NAMES[name])], check=True, capture_output=True)
    assert ":/var/lib/my st%ate:" in (tmp_path / "etc/passwd").read_text()
    assert all((tmp_path / folder.relative_to("/")).is_dir() for folder in (state, data))


def test_a_dollar_is_doubled_in_arguments_alone() -> None:
    """In the command itself and in lists of paths it has no meaning."""
    text = service_of(driftd=Path("/opt/a$b/driftd"), config=Path("/etc/c$d/config.toml"))
    assert "ExecStart=/opt/a$b/driftd -c /etc/c$$d/config.toml run\n" in text
    assert "RequiresMountsFor=/opt/a$b/driftd /etc/c$d/config.toml " in text


def test_documentation_is_an_address() -> None:
    """A list of them, so that a space would end it."""
    assert "Documentation=file:///opt/my%%20docs/operations.md\n" in service_of(docs=Path("/opt/my docs"))


@pytest.mark.parametrize(
    ("listen", "told", "is_free"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", False),
        ("localhost:8080", "127.0.0.1:8080", False),
        ("::1:8080", "[::1]:8080", False),
        ("10.1.2.3:8080", "10.1.2.3:8080", True),
        ("[fd00::1]:8080", "[fd00::1]:8080", True),
        ("0.0.0.0:8080", "0.0.0.0:8080", True),
    ],
)
def test_the_socket_of_a_network_address_does_not_wait_for_the_network(listen: str, told: str, is_free: bool) -> None:
    """At boot the address may not be there yet; loopback always is."""
    text = render(replace(SITE, listen=listen))[Path(NAMES["driftd.socket"])]
    assert f"ListenStream={told}\n" in text and ("FreeBind=yes\n" in text) is is_free


def test_a_name_to_listen_on_is_refused() -> None:
    """systemd would ignore the line, and the socket have no port."""
    with pytest.raises(Refused, match="take no names"):
        service_of(listen="my-host:8080")


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


def test_the_configuration_of_this_folder_is_taken(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by other commands, its relative paths made whole, and told; where the machine has another, one is to be named:
    renewed from anywhere, the service must not change to another configuration."""
    monkeypatch.chdir(config.parent)
    system = config.parent / "etc" / "config.toml"
    monkeypatch.setattr("daemon.cli.install_service.SYSTEM_CONFIG", system)
    assert app.run(["install-service", "--prefix", str(config.parent / "root")]) == 0
    out = capsys.readouterr().out
    assert f"for {config}:\n  state in {config.parent}/state\n  watches {config.parent}/data\n" in out
    system.parent.mkdir()
    system.write_text(config.read_text())
    assert app.run(["install-service", "--print"]) == 2
    assert f"there is {config} and {system}; name one with -c" in capsys.readouterr().err
    assert app.run(["-c", "config.toml", "install-service", "--print"]) == 0
    config.unlink()
    assert app.run(["install-service", "--print"]) == 0
    assert str(system) in capsys.readouterr().out


def test_an_unknown_user_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    assert app.run(["-c", str(config), "install-service", "--print", "--user", "nobody-of-that-name"]) == 1
    assert "make it" in capsys.readouterr().err


def test_the_next_steps_name_what_was_installed() -> None:
    """Commands to copy."""
    assert any("systemctl enable --now driftd.socket driftd.service" in line for line in next_steps(SITE))


def test_the_next_steps_can_be_copied_into_a_shell() -> None:
    """Paths with spaces are quoted."""
    steps = next_steps(replace(SITE, config=Path("/etc/my driftd/config.toml")))
    assert any("-c '/etc/my driftd/config.toml' doctor" in line for line in steps)
