"""Who may ask: bearer tokens from files, compared in constant time. Without any file everybody may."""

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from daemon.config.config import Config
from daemon.runtime.log import get_logger
from daemon.server.refusal import BadRequest
from retrain.records.errors import Refused

log = get_logger()
SHORTEST = 16
CREDENTIALS = {"read": "driftd-read-token", "admin": "driftd-admin-token"}
"""What systemd's LoadCredential= is to call them."""


class Tokens:
    """`read` tokens may ask and look; `admin` tokens may also change what the models learn. One a line in each file,
    so that an old and a new one hold together for a while."""

    def __init__(self, read: tuple[bytes, ...], admin: tuple[bytes, ...]) -> None:
        self._read, self._admin = tuple(map(_digest, read)), tuple(map(_digest, admin))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokens) and (self._read, self._admin) == (other._read, other._admin)

    def __bool__(self) -> bool:
        """Whether there is any: else everybody may do all."""
        return bool(self._read or self._admin)

    def __hash__(self) -> int:
        return hash((self._read, self._admin))

    def role_of(self, token: bytes) -> str | None:
        """`admin` or `read`; None of a token that is not known."""
        given = _digest(token)
        is_read, is_admin = _among(given, self._read), _among(given, self._admin)
        return "admin" if is_admin else "read" if is_read else None

    def digests(self, role: str) -> tuple[bytes, ...]:
        """SHA-256 of each token with that role, from which keys can be derived that end with the token."""
        return self._admin if role == "admin" else self._read

    def check(self, headers: Mapping[bytes, bytes], admin: bool) -> None:
        """BadRequest 401 without a known token, 403 with one that may not do this."""
        if not self:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = _digest(token.strip())
        is_admin = _among(given, self._admin)
        if scheme.lower() != b"bearer" or not (_among(given, self._read) or is_admin):
            expected = "expected the header Authorization: Bearer TOKEN with a token that this server knows"
            raise BadRequest(expected, 401, {"www-authenticate": 'Bearer realm="driftd"'})
        if admin and not is_admin:
            reason = "the one given may only read" if self._admin else "none is configured (admin_token_file)"
            raise BadRequest(f"this needs an admin token; {reason}", 403)


def load_tokens(config: Config, environment: Mapping[str, str]) -> Tokens:
    """Of the configured files, else of systemd's credentials; Refused names a file that cannot be used."""
    tokens = {kind: _read(path) for kind, path in _files(config, environment).items()}
    return Tokens(tokens.get("read", ()), tokens.get("admin", ()))


def open_token_files(config: Config, environment: Mapping[str, str]) -> list[Path]:
    """Those of the files that users of the machine may read or write who are neither owner nor group."""
    files = dict.fromkeys(_files(config, environment).values())
    return [path for path in files if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)]


def warn_of_open_token_files(config: Config, environment: Mapping[str, str]) -> None:
    """Warn of each of them."""
    for path in open_token_files(config, environment):
        log.warning("token_file_open", file=str(path), mode=f"{stat.S_IMODE(path.stat().st_mode):04o}")


def _files(config: Config, environment: Mapping[str, str]) -> dict[str, Path]:
    service = config.service
    configured = {"read": service.read_token_file, "admin": service.admin_token_file}
    folder = environment.get("CREDENTIALS_DIRECTORY")
    files: dict[str, Path] = {}
    for kind, name in configured.items():
        if name is not None:
            files[kind] = config.path.parent / Path(name).expanduser()
        elif folder is not None and os.path.exists(credential := os.path.join(folder, CREDENTIALS[kind])):  # noqa: PTH110, PTH118
            files[kind] = Path(credential)
    return files


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        tokens = tuple(line.strip() for line in path.read_bytes().splitlines() if line.strip())
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}", "one token a line") from None
    if not tokens or any(len(token) < SHORTEST for token in tokens):
        raise Refused(f"{path}: no token, or one shorter than {SHORTEST} characters", "try: openssl rand -hex 32")
    return tokens


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _among(given: bytes, known: tuple[bytes, ...]) -> bool:
    """Compares with all of them, whichever fits."""
    return sum(hmac.compare_digest(given, one) for one in known) > 0
