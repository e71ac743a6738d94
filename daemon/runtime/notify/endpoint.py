"""Where a destination's messages go and what signs them: of the configuration, files beside it, or systemd's
credentials; read for each message, so that a new secret holds at once."""

import base64
import binascii
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.config.config import Config
from daemon.config.notify import NotifySettings, why_no_url
from daemon.runtime.ledgers import ledger_files
from daemon.runtime.log import get_logger
from daemon.runtime.registries import registry_files
from daemon.runtime.secret_files import read_secret, secret_file
from daemon.runtime.sources import source_files
from daemon.runtime.stores import store_files
from retrain.records.errors import Refused

log = get_logger()
SHORTEST = 16
BASE64 = "whsec_"
"""By this a key begins that is written in base64, as Standard Webhooks writes them."""


@dataclass(frozen=True)
class Endpoint:
    """A webhook with its key, or a mail server with a password; nothing of it is shown where this is printed."""

    url: str = field(repr=False)
    key: bytes | None = field(repr=False)
    password: str | None = field(repr=False, default=None)


def endpoint_of(config: Config, destination: NotifySettings, environment: Mapping[str, str]) -> Endpoint:
    """A destination's endpoint; Refused says which file cannot be used, and nothing that is in it."""
    files = dict(secret_files(config, destination, environment))
    url = destination.url if destination.url is not None else _url(destination, files.get("url"))
    password = read_secret(files["password"]).decode("utf-8", "replace") if "password" in files else None
    return Endpoint(url, _key(files["secret"]) if "secret" in files else None, password)


def secret_files(
    config: Config, destination: NotifySettings, environment: Mapping[str, str]
) -> Iterator[tuple[str, Path]]:
    """The files that a destination's URL and key are read from, by what is in them."""
    configured = {
        "url": destination.url_file, "secret": destination.secret_file, "password": destination.password_file,
    }  # fmt: skip
    for kind, given in configured.items():
        file = secret_file(config, given, f"driftd-notify-{destination.name}-{kind}", environment)
        if file is not None:
            yield kind, file


def open_secrets(config: Config, environment: Mapping[str, str]) -> list[Path]:
    """Those of the files of all destinations and sources that others than owner and group may read or write."""
    told = (path for one in config.notify for _, path in secret_files(config, one, environment))
    kept = *ledger_files(config, environment), *store_files(config, environment), *registry_files(config, environment)
    files = dict.fromkeys([*told, *source_files(config, environment), *kept])
    return [path for path in files if path.exists() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)]


def warn_of_open_secrets(config: Config, environment: Mapping[str, str]) -> None:
    """Warn of each of them."""
    for path in open_secrets(config, environment):
        log.warning("token_file_open", file=str(path), mode=f"{stat.S_IMODE(path.stat().st_mode):04o}")


def _url(destination: NotifySettings, file: Path | None) -> str:
    if file is None:
        way_out = f"give url, url_file, or the systemd credential driftd-notify-{destination.name}-url"
        raise Refused(f"{destination.name} has no URL", way_out)
    url = read_secret(file).decode("utf-8", "replace")
    if (why := why_no_url(url)) is not None:
        raise Refused(f"{file}: {why}")
    return url


def _key(file: Path) -> bytes:
    text = read_secret(file)
    try:
        key = base64.b64decode(text[len(BASE64) :], validate=True) if text.startswith(BASE64.encode()) else text
    except binascii.Error:
        raise Refused(f"{file}: what follows {BASE64} is not base64") from None
    if len(key) < SHORTEST:
        raise Refused(f"{file}: a key of less than {SHORTEST} bytes", "try: openssl rand -hex 32")
    return key
