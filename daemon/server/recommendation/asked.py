"""What is asked of a recommender, read from JSON with every mistake named and every list bounded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from daemon.server.refusal import BadRequest, quoted
from retrain.rows.cells import shown

MOST_USERS, MOST_K, MOST_ANSWERED = 1000, 1000, 100_000
"""Of one request: people, items of a list, items of all lists."""
MOST_NAMED = 10_000
"""Items of a history, of exclusions, or candidates."""
MOST_ATTRIBUTES, MOST_VALUES = 20, 100
LONGEST_ID = 1024
"""Bytes of an id."""
RECOMMEND = ("users", "history", "k", "exclude", "candidates", "filter", "explain")
SIMILAR = ("items", "k", "exclude", "candidates", "filter")


@dataclass(frozen=True)
class Asked:
    """For whom (people by name, or one anonymous history in order of time; or similar to which `items`), how many, and
    what may be in a list."""

    users: tuple[str, ...] = ()
    history: tuple[str, ...] | None = None
    items: tuple[str, ...] = ()
    k: int = 10
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    explain: bool = False

    @property
    def lists(self) -> int:
        """How many lists are asked for."""
        return 1 if self.history is not None else len(self.users) + len(self.items)


def read_recommend(value: Mapping[str, Any]) -> Asked:
    """The body of `recommend`."""
    _check_keys(value, RECOMMEND)
    if ("users" in value) == ("history" in value):
        raise BadRequest('expected either "users", a list of ids, or "history", the items of one person, oldest first')
    asked = Asked(
        _ids(value, "users", MOST_USERS) or (), _ids(value, "history", MOST_NAMED), (), **_common(value),
        explain=_truth(value, "explain"),
    )  # fmt: skip
    if "users" in value and not asked.users:
        raise BadRequest('"users" is empty; expected at least one id')
    if "history" in value and asked.history is None:
        raise BadRequest('"history" is null; expected a list of items, [] for nothing known')
    return _bounded(asked)


def read_user(user: str | None, query: str) -> Asked:
    """The address of `recommend` for one person, with its query."""
    given = parse_qs(query, keep_blank_values=True, max_num_fields=10)
    for key in given:
        if key not in ("k", "explain"):
            raise BadRequest(f"unknown parameter {quoted(key)}; expected k or explain, or POST a body without the user")
    text, explain = given.get("k", ["10"])[0], given.get("explain", ["false"])[0]
    if explain not in ("true", "false"):
        raise BadRequest(f'"explain" is {shown(explain)}; expected true or false')
    k = whole_number(int(text) if text.isdecimal() and len(text) < 10 else text, '"k"', MOST_K)
    return Asked((one_id(user, "the user"),), k=k, explain=explain == "true")


def read_similar(value: Mapping[str, Any]) -> Asked:
    """The body of `similar`."""
    _check_keys(value, SIMILAR)
    asked = Asked(items=_ids(value, "items", MOST_USERS) or (), **_common(value))
    if not asked.items:
        raise BadRequest('"items" is missing or empty; expected the ids of items, such as ["a1"]')
    return _bounded(asked)


def one_id(value: Any, where: str) -> str:
    """An id: text, or a whole number as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 2**63:
            raise BadRequest(f"{where} is a number of more than 64 bits; send it as text")
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{where} is {shown(value)}; expected text or a whole number")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRequest(f"{where} holds half of a surrogate pair: no valid Unicode") from None
    if size > LONGEST_ID:
        raise BadRequest(f"{where} has {size:,} bytes; at most {LONGEST_ID:,}")
    return value


def whole_number(value: Any, where: str, most: int) -> int:
    """From 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BadRequest(f"{where} is {shown(value)}; expected a whole number from 1 to {most:,}")
    return value


def _common(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "k": whole_number(value.get("k", 10), '"k"', MOST_K),
        "exclude": _ids(value, "exclude", MOST_NAMED) or (),
        "candidates": _ids(value, "candidates", MOST_NAMED),
        "attributes": _attributes(value.get("filter", {})),
    }


def _bounded(asked: Asked) -> Asked:
    if asked.lists * asked.k > MOST_ANSWERED:
        raise BadRequest(f"{asked.lists:,} lists of {asked.k:,} items; at most {MOST_ANSWERED:,} items in all", 413)
    return asked


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in value:
        if key not in known:
            raise BadRequest(f"unknown key {shown(key)}; expected some of {', '.join(known)}")


def _ids(value: Mapping[str, Any], key: str, most: int) -> tuple[str, ...] | None:
    """A list of ids; None where there is none."""
    found = value.get(key)
    if found is None:
        return None
    if not isinstance(found, list):
        raise BadRequest(f'"{key}" is {shown(found)}; expected a list of ids')
    if len(found) > most:
        raise BadRequest(f'"{key}" has {len(found):,} entries; at most {most:,}', 413)
    return tuple(one_id(one, f'entry {place} of "{key}"') for place, one in enumerate(found))


def _truth(value: Mapping[str, Any], key: str) -> bool:
    found = value.get(key, False)
    if not isinstance(found, bool):
        raise BadRequest(f'"{key}" is {shown(found)}; expected true or false')
    return found


def _attributes(value: Any) -> dict[str, tuple[str, ...]]:
    """By attribute the values of which an item must have one."""
    if not isinstance(value, dict) or len(value) > MOST_ATTRIBUTES:
        wanted = f'expected at most {MOST_ATTRIBUTES} attributes, as {{"genre": ["drama", "crime"]}}'
        raise BadRequest(f'"filter" is {shown(value)}; {wanted}')
    found = {}
    for name, wanted in value.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if len(values) > MOST_VALUES or any(isinstance(one, dict | list) or one is None for one in values):
            raise BadRequest(f'"filter" of {shown(name)}: expected a value, or a list of at most {MOST_VALUES} values')
        found[name] = tuple(values)
    return found
