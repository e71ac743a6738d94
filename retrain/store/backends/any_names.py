"""Lists a bucket that others write to, whatever they call their objects. The client library gives up a whole listing
for one name that it has no path for: an empty part as in `a//b.csv`, `.`, `..` or a control character."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

TIMEOUT_S = 30.0
TRIES, PAUSE_S = 3, 0.5
ECHOES = re.compile(rb"<(NextContinuationToken|StartAfter)>.*?</\1>", re.DOTALL)
"""Names once more, not always as XML may have them."""
ODD_NAME = "its name has an empty part, . or .., or a control character, and cannot be asked for; give it another name"


@dataclass(frozen=True)
class Stored:
    """An object as it is listed: bytes, when it was put (Unix seconds), and its ETag, which is of one content, and no
    digest of it."""

    size: int
    at: float
    tag: str = ""


class AnswerRefused(Exception):
    """The server's answer where it is none."""


def is_askable(name: str) -> bool:
    """Whether the client library can ask for an object by this name.

    >>> [is_askable(name) for name in ("a b/100%.csv", "a//b.csv", "../a.csv", "a\\n.csv")]
    [True, False, False, False]
    """
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and all(" " <= c != "\x7f" for c in name)


def listed(signed: Callable[[Mapping[str, str]], str], prefix: str) -> Iterator[list[tuple[str, Stored]]]:
    """All objects below a prefix of a bucket, by their names below it, a request at a time; `signed` gives the address
    of one. Marks of folders, which end with "/", are left out. AnswerRefused, OSError."""
    top, after = f"{prefix}/" if prefix else "", ""
    while True:
        query = {"encoding-type": "url", "list-type": "2", **({"start-after": after} if after else {})}
        found, after = _page(_answer(signed(query)))
        yield [(key[len(top) :], one) for key, one in found if key.startswith(top) and not key.endswith("/")]
        if not after:
            return


def _page(answer: bytes) -> tuple[list[tuple[str, Stored]], str]:
    """What is listed, and the last name where there is more."""
    try:
        top = ElementTree.fromstring(ECHOES.sub(b"", answer))  # noqa: S314 - of the server that is trusted with the data
    except ElementTree.ParseError as error:
        raise AnswerRefused(f"its answer is no XML: {error}") from None
    found = [_object(one) for one in top.findall("{*}Contents")]
    more = top.findtext("{*}IsTruncated") == "true" and found
    return found, found[-1][0] if more else ""


def _object(element: Any) -> tuple[str, Stored]:
    at = datetime.fromisoformat(element.findtext("{*}LastModified")).timestamp()
    tag = (element.findtext("{*}ETag") or "").strip('"')
    return unquote_plus(element.findtext("{*}Key")), Stored(int(element.findtext("{*}Size")), at, tag)


def _answer(address: str) -> bytes:
    for tries_left in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as the store is configured
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            reason = error.read().decode("utf-8", "replace") or f"status {error.code}"
            if error.code < 500 or not tries_left:
                raise AnswerRefused(reason) from None
        except OSError as error:
            if not tries_left:
                raise AnswerRefused(f"no answer: {getattr(error, 'reason', error)}") from None
        time.sleep(PAUSE_S)
    raise AssertionError("unreachable")
