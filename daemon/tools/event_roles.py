"""Which columns of a log of events are what: by their names, and by what they hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from daemon.reading.infer import Sampled
from daemon.reading.sql import identifier
from drift.notation import counted
from retrain.recommendation.times import STEPS
from retrain.records.errors import WrongUse

USERS = (
    "user",
    "customer",
    "visitor",
    "member",
    "client",
    "account",
    "buyer",
    "shopper",
    "person",
    "reviewer",
    "session",
    "who",
)
ITEMS = (
    "sku",
    "asin",
    "isbn",
    "item",
    "product",
    "article",
    "movie",
    "film",
    "track",
    "song",
    "book",
    "video",
    "game",
    "course",
    "recipe",
    "content",
    "what",
)
TIMES = ("time", "timestamp", "date", "datetime", "at", "when", "ts", "moment", "occurred", "created")
TYPES = ("event", "type", "action", "behavior", "behaviour", "kind", "interaction")
VALUES = ("rating", "stars", "score", "value", "grade")
NOISE = ("id", "ids", "no", "nr", "key", "uuid", "code", "name", "number", "column", "event")
"""Words of a name that do not say of what it is."""
NAMING = ("name", "title", "description", "label")
"""Words of what is shown to people, beside an id."""
MOST_TYPES = 50
MOST_GRADES = 20
"""Different numbers of a column that may be ratings, whatever it is called."""
IDS = ("integer", "number", "category")
FEWEST_IDS = 5
"""Fewer different values are types or grades, rather than users or items."""
EARLIEST_S, LATEST_S = 315_532_800, 4_102_444_800
"""1980 to 2100: numbers in these years may be times."""
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


@dataclass(frozen=True)
class Roles:
    """Columns by what they are; "" for none."""

    user: str = ""
    item: str = ""
    time: str = ""
    event: str = ""
    value: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is known who, what and when."""
        return bool(self.user and self.item and self.time)


def named_roles(sample: Sampled, given: Roles = Roles()) -> Roles:
    """What is given, and of the rest what names and values tell. WrongUse where a given column is not there."""
    names = list(sample.kinds)
    for role, column in vars(given).items():
        if column and column not in names:
            close = get_close_matches(column, names, 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise WrongUse(f"--{role} {column!r} is no column; {meant}the file has {', '.join(names[:20])}")
    left = [name for name in names if name not in vars(given).values()]
    time = given.time or _called(TIMES, [name for name in left if _holds_times(sample, name)], alone=True)
    left = [name for name in left if name != time and sample.kinds[name] in IDS]
    user = given.user or _called(USERS, left)
    left = [name for name in left if name != user]
    item = given.item or _called(ITEMS, left)
    found = replace(given, user=user, item=item, time=time)
    left = [name for name in left if name != item]
    types = [name for name in left if sample.kinds[name] == "category" and _few(sample, name)]
    ratings = [name for name in left if sample.kinds[name] in ("integer", "number")]
    grades = [name for name in ratings if 1 < sample.counts(name)[1] <= MOST_GRADES]
    value = given.value or _called(VALUES, ratings) or (grades[0] if found.whole and len(grades) == 1 else "")
    return replace(found, event=given.event or _called(TYPES, types), value=value)


def looks_like_events(roles: Roles, sample: Sampled) -> bool:
    """Whether a file is a log of events: who, what and when are there, and people and items come again."""
    if not roles.whole:
        return False
    counts = [sample.counts(name) for name in (roles.user, roles.item)]
    return all(distinct < present for present, distinct in counts)


def guessed_roles(sample: Sampled, roles: Roles) -> Roles:
    """What names do not tell, by counts alone: of the columns whose values come again the two with the most different
    ones are users (more) and items (fewer), of those that hold times the one with the most is the time. No more than a
    guess: `roles` as they are where there are no such columns."""
    left = [name for name in sample.kinds if name not in vars(roles).values()]
    counts = {name: sample.counts(name) for name in left}
    times = [name for name in left if _holds_times(sample, name)]
    again = [
        name for name in left
        if name not in times and sample.kinds[name] in IDS and FEWEST_IDS <= counts[name][1] < counts[name][0]
    ]  # fmt: skip
    most = iter(sorted(again, key=lambda name: -counts[name][1]))
    user, item = (known or next(most, "") for known in (roles.user, roles.item))
    time = roles.time or max(times, key=lambda name: counts[name][1], default="")
    found = replace(roles, user=user, item=item, time=time)
    return found if found.whole else roles


def event_kinds(sample: Sampled, name: str) -> list[str]:
    """The types of events, the most frequent first."""
    column = f"CAST({identifier(name)} AS VARCHAR)"
    query = f"SELECT {column} AS v FROM sample WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v"  # noqa: S608
    return [row[0] for row in sample.ask(f"{query} LIMIT {MOST_TYPES}", name)]


def sizes(sample: Sampled, roles: Roles) -> str:
    """What a log has, in words."""
    ((rows,),) = sample.ask("SELECT count(*) FROM sample")
    (_, users), (_, items) = (sample.counts(name) for name in (roles.user, roles.item))
    return f"{counted(int(rows), 'event')} of {counted(users, 'user')} and {counted(items, 'item')}"


def asked(roles: Roles) -> list[str]:
    """What of who, what and when is not known."""
    return [name for name in ("user", "item", "time") if not getattr(roles, name)]


def _called(wanted: Sequence[str], names: Sequence[str], alone: bool = False) -> str:
    """The column that is called so: by the only word that says something, else by one of its words; in the order of the
    wanted ones. Where it is `alone`, the only one there is."""
    words = {name: _words(name) for name in sorted(names, key=_is_naming)}
    for exact in (True, False):
        for one in wanted:
            for name, found in words.items():
                if one in found and (not exact or len(found) == 1):
                    return name
    return names[0] if alone and len(names) == 1 else ""


def _is_naming(name: str) -> bool:
    """Whether a column is what things are called: "product_name" comes after "product_id"."""
    return any(one.lower() in NAMING for one in WORD.findall(name))


def _words(name: str) -> list[str]:
    """The words of a name: of "user_id", "userId" and "UserID" the user."""
    words = [one.lower() for one in WORD.findall(name)]
    words = [part for one in words for part in _parted(one)]
    told = [one for one in words if one not in NOISE]
    return [one.removesuffix("s") if one.removesuffix("s") in (*USERS, *ITEMS) else one for one in told or words]


def _parted(word: str) -> list[str]:
    """ "userid" is a user's id."""
    bare = word.removesuffix("id")
    return [bare] if bare != word and bare in (*USERS, *ITEMS) else [word]


def _holds_times(sample: Sampled, name: str) -> bool:
    """Dates, or numbers that are moments between 1980 and 2100."""
    kind = sample.kinds[name]
    if kind not in ("integer", "number"):
        return kind == "datetime"
    column = f"TRY_CAST({identifier(name)} AS DOUBLE)"
    ((low, high),) = sample.ask(f"SELECT min({column}), max({column}) FROM sample", name)  # noqa: S608
    return low is not None and all(EARLIEST_S <= _seconds(one) <= LATEST_S for one in (low, high))


def _seconds(number: float) -> float:
    return next(number * factor / 1e3 for limit, factor in STEPS if abs(number) < limit)


def _few(sample: Sampled, name: str) -> bool:
    present, distinct = sample.counts(name)
    return 0 < distinct <= min(MOST_TYPES, max(1, present // 2))
