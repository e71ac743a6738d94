"""Puts the units where systemd looks for them, and takes them away again."""

import compileall
import contextlib
import grp
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from daemon.config.config import Config, hook_command, model_data_dir, scoring_dirs
from daemon.config.notify import needs_apprise, scheme_of
from daemon.runtime.ledgers import ledger_url
from daemon.runtime.stores import data_options, store_options
from daemon.tools.units.render import MARK, Site, in_home, open_hosts, render
from retrain.records.errors import Refused
from retrain.records.settings import SourceSettings
from retrain.records.settings.source import database_file, database_host

USER = "driftd"
OWN_HOST = ("json", "jsons", "xml", "xmls", "form", "forms")
"""Schemes of Apprise's whose URL names the host that is reached."""
AWS = "https://amazonaws.com"
PACKAGES = ("daemon", "retrain", "drift")
RUNNING = Path("/run/systemd/system")
HOME = Path(__file__).resolve().parents[3]
"""The folder that the packages lie in."""


def site_of(config: Config, user: str) -> Site:
    """This environment and this configuration."""
    code = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, HOME)
    programs = [Path(words[0]) for name in config.models if (words := hook_command(config, name))]
    prefixes = [one.data_uri for one in config.models.values() if one.data_uri is not None]
    data = [model_data_dir(config, name) for name, one in config.models.items() if one.data_uri is None]
    scored = [folders for name in config.models if (folders := scoring_dirs(config, name)) is not None]
    sources = [one.source for one in config.models.values() if one.source is not None]
    return Site(
        driftd=Path(sys.prefix) / "bin" / "driftd",
        config=config.path.resolve(),
        docs=HOME / "docs",
        state_dir=Path(os.path.normpath(config.state_dir)),
        data_dirs=tuple(Path(os.path.normpath(folder)) for folder in (*data, *(one for one, _ in scored))),
        results=tuple(Path(os.path.normpath(folder)) for _, folder in scored),
        code=tuple(path.absolute() for path in code),
        listen=config.service.listen,
        user=user,
        group=_group_of(user),
        makes_user=user == USER,
        programs=tuple(path for path in programs if path.is_absolute()),
        log_dir=None if config.log_file is None else Path(os.path.normpath(config.log_file)).parent,
        reached=tuple(None if one.url is None else reached_by(one.url) for one in config.notify),
        asked=tuple(None if one.url is None else database_host(one.url) for one in sources),
        kept=_ledger_hosts(config),
        stored=tuple(_store_hosts(config)),
        prefixes=tuple(prefixes),
        told=_told_hosts(config),
        worked=_executor_hosts(config),
        databases=tuple(path.parent for one in sources if (path := _database(config, one)) is not None),
    )


def reached_by(url: str) -> str | None:
    """The host that a URL's messages go to. Of most of Apprise's URLs no more is known than the scheme.

    >>> reached_by("https://hooks.example.com/x"), reached_by("json://u:p@10.0.0.7:9"), reached_by("slack://A/B/C")
    ('hooks.example.com', '10.0.0.7', 'what slack:// reaches')
    """
    if needs_apprise(url) and scheme_of(url) not in OWN_HOST:
        return f"what {scheme_of(url)}:// reaches"
    return urlsplit(url).hostname


def _database(config: Config, source: SourceSettings) -> Path | None:
    """The file that a model's rows come from, where it is one."""
    path = None if source.url is None else database_file(source.url)
    return None if path is None else Path(os.path.normpath(config.path.parent / path))


def _ledger_hosts(config: Config) -> tuple[str | None, ...]:
    """The host of the database that keeps the ledger; none where that is a file, None where this user may not read its
    URL, or it is a credential."""
    try:
        url = ledger_url(config, {})
    except Refused:
        return (None,)
    if url is None:
        return () if config.service.store is None else (None,)
    return (database_host(url),)


def _store_hosts(config: Config) -> Iterator[str | None]:
    """The hosts of the object stores that files and data are in; None where this user may not read who it is, or that
    is a credential."""
    if config.service.store is not None:
        yield _endpoint(config.service.store_file, lambda: store_options(config, {}))
    for name, model in config.models.items():
        if model.data_uri is not None:
            file = model.data_dir_file or config.service.store_file
            yield _endpoint(file, lambda name=name: data_options(config, name, {}))  # type: ignore[misc]


def _endpoint(file: str | None, options: Callable[[], Mapping[str, str]]) -> str | None:
    """Where the file says nothing of it a store is AWS's."""
    try:
        return None if file is None else urlsplit(options().get("AWS_ENDPOINT_URL", AWS)).hostname
    except Refused:
        return None


def _told_hosts(config: Config) -> tuple[str | None, ...]:
    """The hosts of MLflow and of the collector of OpenLineage."""
    mlflow = () if config.mlflow is None else (urlsplit(config.mlflow.tracking_uri).hostname,)
    return (*mlflow, *(() if config.openlineage is None else (urlsplit(config.openlineage.url).hostname,)))


def _executor_hosts(config: Config) -> tuple[str | None, ...]:
    """The host of the scheduler of a cluster, where one is named."""
    return () if config.service.executor == "local" else (urlsplit(config.service.executor).hostname,)


def _group_of(user: str) -> str:
    if user == USER:
        return USER
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        raise Refused(f"there is no user {user!r}", f"make it, or leave --user out: {USER} is made") from None


def told(site: Site) -> list[str]:
    """What the service will work with: in the units all paths are whole, relative ones go by the configuration's
    folder."""
    folders = ", ".join(map(str, dict.fromkeys((*site.data_dirs, *site.prefixes))))
    told = [f"for {site.config}:", f"  state in {site.state_dir}", f"  watches {folders}", f"  serves on {site.listen}"]
    reached = (*site.reached, *site.asked, *site.kept, *site.stored, *site.told, *site.worked)
    if open_hosts(reached):
        words = (
            ("notifications go to", site.reached), ("rows come from", site.asked), ("the ledger is at", site.kept),
            ("files are at", site.stored), ("events go to", site.told), ("stages go to", site.worked),
        )  # fmt: skip
        reasons = [f"{what} {' and '.join(names)}" for what, hosts in words if (names := open_hosts(hosts))]
        reason = f"{' and '.join(reasons)}, and systemd's rules know addresses alone"
        return [*told, f"  may reach every address (no IPAddressDeny=): {reason}"]
    words = (
        ("notifies", site.reached), ("pulls rows from", site.asked), ("has its ledger at", site.kept),
        ("has files at", site.stored), ("tells", site.told), ("has stages done by", site.worked),
    )  # fmt: skip
    return [*told, *(f"  {what} {', '.join(map(str, dict.fromkeys(hosts)))}" for what, hosts in words if hosts)]


def place(site: Site, root: Path) -> Iterator[str]:
    """Write the files that differ, and have systemd read them; tells each step."""
    if not site.driftd.exists():
        raise Refused(f"{site.driftd} does not exist", "install driftd into this environment: pip install")
    texts = render(site)
    for path in texts:
        _refuse_foreign(root / path)
    for path, text in texts.items():
        yield _write(root / path, text)
    if root != Path("/"):
        return
    for package in PACKAGES:  # byte code beside the sources: the service may not write there
        compileall.compile_dir(HOME / package, quiet=2)
    if site.makes_user:
        _run("systemd-sysusers", "/etc/sysusers.d/driftd.conf")
    _run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/driftd.conf")
    if RUNNING.exists():
        _run("systemctl", "daemon-reload")


def remove(site: Site, root: Path) -> Iterator[str]:
    """Stop the service and take the files away; state, data, configuration and user stay."""
    if root == Path("/") and RUNNING.exists():
        with contextlib.suppress(Refused):
            _run("systemctl", "disable", "--now", "driftd.socket", "driftd.service")
    for path in render(site):
        file = root / path
        if file.exists():
            _refuse_foreign(file)
            file.unlink()
            yield f"removed {file}"
    if root == Path("/") and RUNNING.exists():
        _run("systemctl", "daemon-reload")
    yield f"kept: {site.state_dir}, {site.config} and the user {site.user}"


def next_steps(site: Site) -> list[str]:
    """What a person does now."""
    command = f"{shlex.quote(str(site.driftd))} -c {shlex.quote(str(site.config))}"
    doctor = f"  runuser -u {site.user} -- {command} doctor   # may it read what it needs?"
    return [
        "next:",
        *([] if any(map(in_home, site.code)) else [doctor]),  # in a sandbox it may enter a home, else it may not
        "  systemctl enable --now driftd.socket driftd.service",
        "  systemctl restart driftd   # instead, after an upgrade: no request is lost",
        "  journalctl -u driftd -f",
    ]


def _write(path: Path, text: str) -> str:
    if path.exists() and path.read_text("utf-8") == text:
        return f"as it was: {path}"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, "utf-8")
    temporary.chmod(0o644)
    temporary.replace(path)
    return f"wrote {path}"


def _refuse_foreign(path: Path) -> None:
    """A file that somebody else wrote is not ours to change."""
    if path.exists() and not path.read_text("utf-8").startswith(MARK):
        raise Refused(f"{path} was not written by driftd install-service", "move it away first")


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands
    except FileNotFoundError:
        raise Refused(f"there is no {command[0]}", "driftd install-service needs systemd") from None
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
