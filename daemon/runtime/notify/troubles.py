"""What a destination knows of each kind of event of a model, and when there is something to tell: pure.

A trouble that another event ends (`drift_detected` by `drift_cleared`) is told once, and its end; any other event is
told at once, and what follows within the cool-down together after it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from daemon.config.events import EVENTS

NAMED = 5
"""So many files of a trouble are named in its message."""
REMIND_S = 6 * 3600.0
"""A trouble that lasts and is logged again is told again after so long: its end may have passed unseen."""
NUMBERS = ("episode", "cycle_id")
"""By these fields one trouble is told from the next, should its end have been missed."""
UNTOLD = ("traceback",)
"""Fields that stay in the log."""


def _ended_by() -> dict[str, tuple[str, ...]]:
    return {event.name: tuple(event.ends.split()) for event in EVENTS if event.ends}


def _enders() -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for ender, ended in _ended_by().items():
        for name in ended:
            found[name].add(ender)
    return {name: frozenset(enders) for name, enders in found.items()}


ENDS = _ended_by()
"""The events whose trouble an event ends."""
ENDERS = _enders()
"""The events that end a trouble, by its name; others do not last."""


@dataclass(frozen=True)
class Happened:
    """A logged event: `at` in Unix seconds, `model` is empty for the service as a whole."""

    event: str
    level: str
    model: str
    at: float
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Trouble:
    """Events of one name and model as a destination knows them. `untold` counts those that it was not told of, the
    first at `since`, the newest with `fields`; `files` names some. `told_at` is when it was told last, `news_at` when
    there came something new to tell. While it is `lasting`, more of the same is no news; `over` is the event that ended
    it, until that is told."""

    event: str
    level: str
    model: str
    since: float
    fields: Mapping[str, Any]
    untold: int = 0
    files: tuple[str, ...] = ()
    told_at: float | None = None
    lasting: bool = False
    over: str = ""
    over_fields: Mapping[str, Any] | None = None
    news_at: float | None = None

    def is_news(self, now: float, cooldown_s: float) -> bool:
        """Whether it is to be told now: at once, or after the cool-down; the end of what was told at once."""
        return bool(self.over and not self.untold) or (self.untold > 0 and self.is_rested(now, cooldown_s))

    def is_rested(self, now: float, cooldown_s: float) -> bool:
        """Whether its cool-down is over, also where the clock was set back meanwhile."""
        return self.told_at is None or not self.told_at <= now < self.told_at + cooldown_s

    def ripens_at(self, cooldown_s: float) -> float:
        """Since when it may be told: the end of what was told at once, else after the cool-down."""
        since = self.news_at if self.news_at is not None else self.since
        return since if self.told_at is None or not self.untold else max(since, self.told_at + cooldown_s)

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to tell, now or later."""
        return self.untold > 0 or bool(self.over)

    def told(self, now: float) -> "Trouble":
        """As it is known once it was told."""
        return replace(self, untold=0, files=(), told_at=now, over="", over_fields=None, news_at=None)


def began(before: Trouble | None, new: Happened) -> Trouble:
    """What is known after an event that begins a trouble, or is one more of it."""
    lasts = new.event in ENDERS
    fields = {name: value for name, value in new.fields.items() if name not in UNTOLD}
    if before is None:
        before = Trouble(new.event, new.level, new.model, new.at, fields)
    elif before.lasting and not before.untold and _is_the_same(before, new):
        return before
    since = before.since if before.untold else new.at
    return replace(
        before, level=new.level, since=since, fields=fields, untold=before.untold + 1, lasting=lasts,
        files=_with_file(before.files, new.fields.get("file")), over="", over_fields=None,
        news_at=before.news_at if before.is_waiting else new.at,
    )  # fmt: skip


def ended(before: Trouble, new: Happened) -> Trouble:
    """What is known after an event that ends a trouble: nothing new, where it does not last."""
    if not before.lasting:
        return before
    news_at = before.news_at if before.is_waiting else new.at
    return replace(before, lasting=False, over=new.event, over_fields=dict(new.fields), news_at=news_at)


def _is_the_same(before: Trouble, new: Happened) -> bool:
    """Whether an event is of the trouble that lasts: of no other episode or cycle, and not long after it was told."""
    is_soon = new.at < (before.told_at or 0.0) + REMIND_S
    return is_soon and all(before.fields.get(name) == new.fields.get(name) for name in NUMBERS)


def _with_file(files: tuple[str, ...], file: Any) -> tuple[str, ...]:
    if not isinstance(file, str) or file in files or len(files) >= NAMED:
        return files
    return (*files, file)
