"""From where a request may come: a page of another origin in somebody's browser may not teach, nor may a name that was
made to point to this machine be used to ask (DNS rebinding)."""

import ipaddress
import socket
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from daemon.server.refusal import BadRequest, quoted

FORMS = (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data")
"""What a page of any origin may send without asking first (the Fetch standard's simple requests)."""
SAFE = ("GET", "HEAD", "OPTIONS")
MOST_KNOWN = 64
WAY_OUT = "add it to [service] hosts if it may"


class Origins:
    """Judges the headers of requests. `hosts` are the names that [service] hosts adds; `loopback` says whether the
    server listens on this machine alone: there only local names are answered, elsewhere all, unless `hosts` is set."""

    def __init__(self, hosts: Collection[str], loopback: bool) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._any = not loopback and not hosts
        self._known: set[bytes] = set()

    def check(self, method: str, headers: Mapping[bytes, bytes], forms: bool = False) -> None:
        """BadRequest 403 for a foreign Host or origin, 415 for what a form sends, unless `forms` are looked at by who
        answers: the status page has its own, which carry a secret."""
        host = headers.get(b"host")
        if host is not None and host not in self._known:
            self._check_host(host)
        if method not in SAFE:
            self._check_origin(headers, host)
            if not forms:
                _refuse_forms(headers)

    def _check_host(self, host: bytes) -> None:
        name = host_name(host.decode("latin-1"))
        if not (self._any or name in self._hosts or is_local(name)):
            raise BadRequest(f"Host {quoted(name)} is no name of this server; {WAY_OUT}", 403)
        if len(self._known) < MOST_KNOWN:
            self._known.add(host)

    def _check_origin(self, headers: Mapping[bytes, bytes], host: bytes | None) -> None:
        origin = headers.get(b"origin")
        if origin is not None:
            place = urlsplit(origin.decode("latin-1")).netloc if b"://" in origin else ""
            if place.encode("latin-1").lower() != (host or b"").lower() and host_name(place) not in self._hosts:
                raise BadRequest(f"a page of {quoted(origin.decode('latin-1'))} may not ask; {WAY_OUT}", 403)
        elif headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise BadRequest("a page of another origin may not ask", 403)


def _refuse_forms(headers: Mapping[bytes, bytes]) -> None:
    given = headers.get(b"content-type")
    if given is not None and given.split(b";")[0].strip().lower() in FORMS:
        kind = quoted(given.decode("latin-1"))
        reason = f"Content-Type {kind} is what forms send; expected application/json (curl: --json), or none"
        raise BadRequest(reason, 415)


def is_loopback(listener: socket.socket) -> bool:
    """Whether the socket can be reached from this machine alone."""
    if listener.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def host_name(place: str) -> str:
    """The name of "NAME:PORT", in small letters.

    >>> host_name("LocalHost.:8080"), host_name("[::1]:80"), host_name("::1")
    ('localhost', '::1', '::1')
    """
    place = place.strip().lower()
    if place.startswith("["):
        return place[1:].partition("]")[0]
    name = place.partition(":")[0] if place.count(":") == 1 else place
    return name.rstrip(".")


def is_local(name: str) -> bool:
    """Whether a name can only be this machine's.

    >>> [is_local(name) for name in ("localhost", "a.localhost", "127.0.0.9", "::1", "localhost.example")]
    [True, True, True, True, False]
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
