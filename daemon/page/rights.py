"""Who asks the status page, and what he may do: a token in the header, a session begun with one, or nobody known.

A session is a signed cookie and nothing that is kept: its key is derived from the token that began it, so that it
lasts through restarts and ends with the token. A form carries a secret of its session (CSRF), which no other page can
know."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.page.answers import Refusal
from daemon.server.tokens import Tokens

COOKIE = "driftd_session"
SESSION_S = 12 * 3600.0
LONGEST_COOKIE = 512
BEARER = (("www-authenticate", 'Bearer realm="driftd"'),)


@dataclass(frozen=True)
class Visitor:
    """Who asks: whether he sees and acts, his name for the ledger, and what a form of his must carry (`csrf`; "" where
    he may not act, or sent a token, which no page of another origin can)."""

    sees: bool
    acts: bool
    name: str = ""
    csrf: str = ""
    is_known: bool = False


class Rights:
    """Judges who asks. `open_acts` says whether everybody may act where there is no token at all."""

    def __init__(self, tokens: Tokens, open_acts: bool, secret: bytes | None = None) -> None:
        self._tokens, self._open_acts = tokens, open_acts and not tokens
        self._secret = secret or secrets.token_bytes(32)

    @property
    def has_tokens(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._tokens)

    def visitor(self, headers: Mapping[str, str], client: str, now: float) -> Visitor:
        """By the headers, in small letters; `client` is the address."""
        if not self._tokens:
            csrf = _signed(self._secret, "form", "everybody") if self._open_acts else ""
            return Visitor(True, self._open_acts, f"page, from {client or 'a socket'}", csrf)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(token.strip().encode("latin-1"), client)
        return self._by_session(cookie_of(headers.get("cookie", "")), client, now)

    def begin(self, token: str, now: float) -> str | None:
        """The cookie's value of a new session; None where the token is not known."""
        given = token.strip().encode("utf-8", "surrogatepass")
        role = self._tokens.role_of(given)
        if role is None:
            return None
        digest = hashlib.sha256(given).digest()
        return _session(digest, role, now + SESSION_S, secrets.token_hex(8))

    def _by_token(self, token: bytes, client: str) -> Visitor:
        role = self._tokens.role_of(token)
        if role is None:
            return Visitor(False, False)
        return Visitor(True, role == "admin", _name(hashlib.sha256(token).digest(), role, client), is_known=True)

    def _by_session(self, cookie: str, client: str, now: float) -> Visitor:
        """Of the cookie's parts only what its signature covers is believed."""
        role, _, rest = cookie.partition(".")
        until, _, rest = rest.partition(".")
        nonce = rest.partition(".")[0]
        nobody = Visitor(False, False)
        if role not in ("read", "admin") or not (until.isascii() and until.isdigit() and len(until) < 16):
            return nobody
        for digest in self._tokens.digests(role):
            if hmac.compare_digest(_session(digest, role, float(until), nonce).encode(), cookie.encode()):
                if now >= float(until):
                    return nobody
                csrf = _signed(digest, "form", f"{until}.{nonce}") if role == "admin" else ""
                return Visitor(True, role == "admin", _name(digest, role, client), csrf, is_known=True)
        return nobody


def check_csrf(visitor: Visitor, given: str) -> None:
    """Refusal 403 where what a form carries is not its session's."""
    if not hmac.compare_digest(visitor.csrf.encode(), given.encode("utf-8", "surrogatepass")):
        raise Refusal(403, "this form is of another session, or too old; reload the page and try again")


def cookie_of(header: str) -> str:
    """The session's cookie among those that were sent.

    >>> cookie_of("a=b; driftd_session=read.1.2.3; c=d"), cookie_of("a=b")
    ('read.1.2.3', '')
    """
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and len(value) <= LONGEST_COOKIE:
            return value
    return ""


def cookie(value: str, is_secure: bool) -> str:
    """The header that sets a session's cookie; with the value "" it ends the session."""
    age = int(SESSION_S) if value else 0
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def _session(digest: bytes, role: str, until: float, nonce: str) -> str:
    told = f"{role}.{int(until)}.{nonce}"
    return f"{told}.{_signed(digest, 'session', told)}"


def _signed(key: bytes, purpose: str, text: str) -> str:
    return hmac.new(key, f"driftd {purpose}: {text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _name(digest: bytes, role: str, client: str) -> str:
    """Tells tokens apart and says nothing of them."""
    return f"page, {role} token {_signed(digest, 'name', '')[:8]}, from {client or 'a socket'}"
