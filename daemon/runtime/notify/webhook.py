"""Posts a CloudEvent to a webhook, signed as https://www.standardwebhooks.com says; one attempt, bounded in time."""

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

from daemon.runtime.notify.attempt import LIMIT_S, Attempt, limited, trust, words
from daemon.runtime.notify.endpoint import Endpoint

TYPE = "application/cloudevents+json; charset=utf-8"
LATER = (429, 503)
MOST_LATER_S = 3600.0
OF_THE_MESSAGE = (400, 409, 413, 415, 422)
"""Answers that say nothing of other messages."""
OF_THE_RECEIVER = (401, 407, 408, 429)
"""Answers that say nothing of the message, as those from 500 on. The rest may be of either: 404 where the URL is wrong,
or 403 of a firewall that dislikes some words."""


def post(endpoint: Endpoint, message: dict[str, Any], now: float, limit_s: float = LIMIT_S) -> Attempt:
    """Send a message once. What goes wrong is told without the URL, which may be a secret."""
    try:
        body = json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    except ValueError:
        return Attempt("the message has a number that JSON cannot hold", only_this=True)
    return post_body(endpoint.url, body, headers(endpoint.key, message["id"], body, now), limit_s)


def post_body(url: str, body: bytes, sent: Mapping[str, str], limit_s: float = LIMIT_S) -> Attempt:
    """The same of a body with its headers."""
    parts = urlsplit(url)
    try:
        with _connected(parts, limit_s) as connection:
            connection.request("POST", _target(parts), body, dict(sent))
            answer = connection.getresponse()
            return _judged(answer.status, answer.getheader("Retry-After"))
    except (OSError, http.client.HTTPException) as error:
        return Attempt(words(error, limit_s))


def headers(key: bytes | None, message_id: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a message: its key thrice, as CloudEvents, Standard Webhooks and the draft of Idempotency-Key name
    it, and its signature."""
    timestamp = str(int(now))
    found = {
        "Content-Type": TYPE, "User-Agent": "driftd", "Idempotency-Key": message_id, "webhook-id": message_id,
        "webhook-timestamp": timestamp, "Connection": "close",
    }  # fmt: skip
    return found | ({"webhook-signature": signature(key, message_id, timestamp, body)} if key is not None else {})


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The signature as Standard Webhooks defines it, of version 1; the example is its own.

    >>> key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@contextmanager
def _connected(parts: SplitResult, limit_s: float) -> Iterator[http.client.HTTPConnection]:
    """A connection that is made with the first request, and closed in time."""
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=limit_s, context=trust())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=limit_s)
    )
    with closing(connection), limited(lambda: connection.sock, limit_s):
        yield connection


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _judged(status: int, retry_after: str | None) -> Attempt:
    if 200 <= status < 300:
        return Attempt()
    wanted = (retry_after or "").strip()
    again_s = float(wanted) if status in LATER and wanted.isdecimal() else None
    moved = "; it wants another URL: redirects are not followed" if 300 <= status < 400 else ""
    return Attempt(
        f"the receiver answered {status}{moved}", None if again_s is None else min(again_s, MOST_LATER_S),
        status in OF_THE_MESSAGE, 400 <= status < 500 and status not in OF_THE_RECEIVER,
    )  # fmt: skip
