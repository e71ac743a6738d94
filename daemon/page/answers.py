"""What goes back to who asked the status page, with the headers that keep it from harm."""

import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

POLICY = (
    "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)
"""Of every answer; a badge and static files add who may embed and keep them."""
HTML = "text/html; charset=utf-8"
KEPT_S = 3600
"""How long a browser may keep a static file."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; `headers` besides those of every one. Of a stream `pieces` come after the head, and no body."""

    status: int
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    cached_s: int = 0
    pieces: AsyncIterator[bytes] | None = None

    def fields(self) -> list[tuple[str, str]]:
        """All headers but those about the body's length and encoding."""
        keep = f"max-age={self.cached_s}" if self.cached_s else "no-store"
        site = "cross-origin" if self.kind.startswith("image/") else "same-origin"
        more = (("content-type", self.kind), ("cache-control", keep), ("cross-origin-resource-policy", site))
        return [*HEADERS, *more, *self.headers]


class Refusal(Exception):
    """A request that is not answered as it was asked, and why; `headers` go with the answer."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason)
        self.status, self.headers = status, headers


def page(text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """HTML."""
    return Answer(status, HTML, text.encode("utf-8", "backslashreplace"), headers)


def data(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """JSON."""
    return Answer(status, "application/json", encoded(value), headers)


def encoded(value: object) -> bytes:
    """A value as JSON; bytes of a file's name that are no UTF-8, which text holds as halves of surrogate pairs, are
    escaped, as in the JSON of the command line.

    >>> encoded({"path": "caf\\udce9.csv", "share": float("nan")})
    b'{"path":"caf\\\\udce9.csv","share":null}'
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(_finite(msgspec.to_builtins(value)), separators=(",", ":")).encode("ascii")


def _finite(value: object) -> object:
    """Numbers that JSON does not have become null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def moved(place: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """After a form: look there, so that reloading sends nothing again."""
    return Answer(303, "text/plain; charset=utf-8", b"", (("location", place), *headers))
