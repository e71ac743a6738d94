"""What a request's body says: a form's fields, or a JSON object. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from daemon.page.answers import Refusal

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether a page's form sent it."""
    return _kind(headers) == FORM


def form_fields(body: bytes) -> dict[str, list[str]]:
    """A form's values by name; Refusal 400 where it is none.

    >>> form_fields(b"file=a%2Fb.csv&classes=x&classes=y&reason=")
    {'file': ['a/b.csv'], 'classes': ['x', 'y'], 'reason': ['']}
    """
    try:
        return parse_qs(body.decode("ascii"), True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refusal(400, "this is no form, or one with too many fields") from None


def decoded(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """A JSON object, empty where there is no body; Refusal 415 for another content type, 400 for no object."""
    if _kind(headers) not in ("", "application/json"):
        raise Refusal(415, "expected application/json, or a form of the page")
    try:
        found = msgspec.json.decode(body) if body.strip() else {}
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise Refusal(400, "the body is no valid JSON") from None
    if not isinstance(found, dict):
        raise Refusal(400, "expected a JSON object")
    return found


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
