"""Fills in the units' templates for one environment and one configuration: pure, from values to texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from string import Template

from retrain.records.errors import Refused

MARK = "# Written by driftd install-service, which writes it anew. Changes belong into: systemctl edit driftd"
UNITS = Path("etc/systemd/system")
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - what PrivateTmp= hides
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome= hides."""
STATES = Path("/var/lib")
LOGS = Path("/var/log")


@dataclass(frozen=True)
class Site:
    """What the units are made for. `code` are the folders that Python loads from; all paths are absolute. `reached` are
    the hosts that notifications go to, None of a URL that is kept elsewhere, `asked` those of databases that rows come
    from, `kept` that of the database that keeps the ledger, `stored` that of object stores, `told` those that are told
    of versions and cycles, `worked` that of a cluster's scheduler; `databases` are the folders of those that are files;
    `programs` are run after promotions; `results` are the folders that results of scored files appear in; `prefixes`
    are those of object stores that data are in; `log_dir` is that of the log file, if there is one."""

    driftd: Path
    config: Path
    docs: Path
    state_dir: Path
    data_dirs: tuple[Path, ...]
    code: tuple[Path, ...]
    listen: str
    user: str
    group: str
    makes_user: bool = True
    reached: tuple[str | None, ...] = ()
    asked: tuple[str | None, ...] = ()
    kept: tuple[str | None, ...] = ()
    stored: tuple[str | None, ...] = ()
    told: tuple[str | None, ...] = ()
    worked: tuple[str | None, ...] = ()
    databases: tuple[Path, ...] = ()
    programs: tuple[Path, ...] = ()
    log_dir: Path | None = None
    results: tuple[Path, ...] = ()
    prefixes: tuple[str, ...] = ()


def render(site: Site) -> dict[Path, str]:
    """The text of each file by its path below the root."""
    listen, is_loopback = _socket(site.listen)
    network = "\n".join(_network(is_loopback, site))
    values = {
        "mark": MARK, "user": site.user, "group": site.group, "listen": listen, "network": network,
        "docs": site.docs.as_uri().replace("%", "%%"), "driftd": quoted(site.driftd), "config": argument(site.config),
        "state_dir": escaped(site.state_dir), "state_word": quoted(site.state_dir),
        "mounts": " ".join(quoted(path) for path in (site.driftd, site.config, site.state_dir)),
        "state": "\n".join(_writable(site)), "home": "\n".join(_home(site)),
        "data_lines": "\n".join(
            f"d {quoted(folder)} :2775 :{site.user} :{site.group} -" for folder in (*site.data_dirs, *site.results)
        ),
    }  # fmt: skip
    wanted = {
        UNITS / "driftd.service": "driftd.service.in",
        UNITS / "driftd.socket": "driftd.socket.in",
        Path("etc/tmpfiles.d/driftd.conf"): "driftd.tmpfiles.in",
    }
    if site.makes_user:
        wanted[Path("etc/sysusers.d/driftd.conf")] = "driftd.sysusers.in"
    templates = files("daemon.tools.units")
    return {path: Template((templates / name).read_text("utf-8")).substitute(values) for path, name in wanted.items()}


def escaped(path: Path) -> str:
    """A path as a whole value: % has a meaning in units, tmpfiles.d and sysusers.d alike."""
    text = str(path)
    if any(c in text for c in "\n\"'\\"):
        raise Refused(f"{text!r}: systemd's units cannot name it", "use a path without quotes and backslashes")
    return text.replace("%", "%%")


def quoted(path: Path) -> str:
    """A path as one word of a list or line."""
    text = escaped(path)
    return f'"{text}"' if any(c.isspace() for c in text) else text


def argument(path: Path) -> str:
    """A path as an argument of a command, where $ has a meaning too; in the command itself it has none."""
    return quoted(path).replace("$", "$$")


def _state(site: Site) -> str:
    """Who makes the state folder: systemd itself where it lies below /var/lib."""
    if STATES in site.state_dir.parents:
        return f"StateDirectory={quoted(site.state_dir.relative_to(STATES))}\nStateDirectoryMode=2770"
    return f"ReadWritePaths={quoted(site.state_dir)}"


def _logs(site: Site) -> Iterable[str]:
    """Who makes the folder of the log file, and that it may be written."""
    folder = site.log_dir
    if folder is None or folder == site.state_dir or site.state_dir in folder.parents:
        return
    if LOGS in folder.parents:
        yield f"LogsDirectory={quoted(folder.relative_to(LOGS))}\nLogsDirectoryMode=0750"
    else:
        yield f"ReadWritePaths=-{quoted(folder)}"


def _writable(site: Site) -> Iterable[str]:
    """The state folder, that of the log file, and those that results appear in."""
    yield _state(site)
    yield from _logs(site)
    if site.results:
        yield f"ReadWritePaths={' '.join(f'-{quoted(folder)}' for folder in site.results)}"


def _home(site: Site) -> Iterable[str]:
    """Homes and temporary folders are hidden, but for what the service needs of them."""
    read = (*site.code, site.config.parent, *site.data_dirs, *site.programs, *site.databases)
    needed = [path for path in read if is_hidden(path)]
    log_dir = [] if site.log_dir is None else [site.log_dir]
    writable = [path for path in (site.state_dir, *log_dir, *site.results) if is_hidden(path)]
    yield f"ProtectHome={'tmpfs' if any(map(in_home, (*needed, *writable))) else 'yes'}"
    for path in outermost(needed):
        yield f"BindReadOnlyPaths=-{escaped(path)}".replace(" ", r"\ ")
    for path in writable:
        yield f"BindPaths={escaped(path)}".replace(" ", r"\ ")


def in_home(path: Path) -> bool:
    """Whether a path lies where only its owner may look."""
    return any(home in path.parents for home in HOMES)


def is_hidden(path: Path) -> bool:
    """Whether a path lies in a home, or where the service has a temporary folder of its own instead."""
    return in_home(path) or any(folder in path.parents for folder in TEMPORARY)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Without those that lie in others.

    >>> outermost([Path("/home/a/b"), Path("/home/a"), Path("/home/c")])
    [PosixPath('/home/a'), PosixPath('/home/c')]
    """
    outer: list[Path] = []
    for path in sorted(set(paths)):
        if not any(one in path.parents for one in outer):
            outer.append(path)
    return outer


def open_hosts(reached: Iterable[str | None]) -> list[str]:
    """What no rule of systemd's can name of what notifications go to, for rules know addresses alone.

    >>> open_hosts(["127.0.0.1", "localhost", "10.0.0.7", "hooks.example.com", None])
    ['hooks.example.com', 'a URL in a file or a credential']
    """
    return [host or "a URL in a file or a credential" for host in dict.fromkeys(reached) if _address(host) is None]


def _network(is_loopback: bool, site: Site) -> Iterable[str]:
    """Whom the service may speak with: this machine and the addresses that notifications, versions, events and stages
    go to, rows come from and the ledger and the files are kept at, where it listens on loopback and these are
    addresses."""
    reached = (*site.reached, *site.asked, *site.kept, *site.stored, *site.told, *site.worked)
    if not is_loopback:
        yield "# [service] listen is not loopback: whom to answer is the firewall's to say, or IPAddressAllow= here."
        return
    if names := open_hosts(reached):
        sections = {
            "[[notify]]": site.reached,
            "a [models.NAME.source]": site.asked,
            "[service] ledger": site.kept,
            "an object store": site.stored,
            "[mlflow] or [openlineage]": site.told,
            "[service] executor": site.worked,
        }
        who = " or ".join(section for section, hosts in sections.items() if hosts)
        yield f"# Every address is open, for {who} has to reach {' and '.join(names)}: close what is not to be"
        yield "# reached by a firewall, or by IPAddressDeny= and IPAddressAllow= here."
        return
    addresses = (
        str(address) for host in reached if (address := _address(host)) is not None and not address.is_loopback
    )
    yield f"IPAddressAllow={' '.join(('localhost', *dict.fromkeys(addresses)))}"
    yield "IPAddressDeny=any"


def _address(host: str | None) -> IPv4Address | IPv6Address | None:
    """A host that is an address, or always this machine; None where it is a name, or not known."""
    try:
        return ip_address("127.0.0.1" if host == "localhost" else host or "")
    except ValueError:
        return None


def _socket(listen: str) -> tuple[str, bool]:
    """The address as ListenStream= takes it, which knows no names, and whether only this machine may connect. An
    address of a network may be bound before that is up."""
    host, _, port = listen.rpartition(":")
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise Refused(f"[service] listen is {listen!r}: systemd's sockets take no names", "write an address") from None
    text = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if address.is_loopback:
        return text, True
    free = "\n# At boot the network with this address may not be up yet.\nFreeBind=yes"
    return text + free, False
