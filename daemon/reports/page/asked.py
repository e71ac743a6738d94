"""What a reader of the page asked for, and what the page is read from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.config.config import Config
from daemon.config.paths import StatePaths
from daemon.ledger import Ledger

Facts = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A view: its path in decoded parts, and its query; whether this reader may act, with the token that a form of
    theirs carries; and the moment, in Unix seconds."""

    path: tuple[str, ...]
    query: Mapping[str, str]
    may_act: bool
    csrf: str
    now: float


@dataclass(frozen=True)
class PageReader:
    """What views are read from. `ledger` is open for reading alone, or None where it cannot be read: `trouble` says why
    then. `examine` is what `driftd doctor` finds, as its JSON; None where nobody can look.
    `traffic` has by model `per_s`, requests a second, and `p99_s`, seconds that 99 of 100 took at most (None of none)
    over the last `over_s` seconds; nothing where it is not known."""

    config: Config
    ledger: Ledger | None
    paths: StatePaths
    trouble: str = ""
    examine: Callable[[Config], Sequence[Mapping[str, Any]]] | None = None
    traffic: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
