"""What the planner remembers between decisions."""

from dataclasses import asdict, dataclass
from typing import Any

from msgspec import convert


@dataclass(frozen=True)
class Regret:
    """What the planner adds up over labelled files. `sum` is the loss that a fresh model would have saved since file
    `since`, over `span` labelled files; `loss` what the model usually costs; `handicap` of twins; `penalty` on the
    price after retrains that did not pay; `credit` in retrains: earned by the budget, spent by cycles; `recent` are
    the twins' pairs of the last files."""

    sum: float = 0.0
    since: int | None = None
    span: int = 0
    loss: float | None = None
    handicap: float = 0.0
    penalty: float = 1.0
    credit: float = 0.0
    credited_at: float | None = None
    promotions: int = 0
    files: int = 0
    retrains: int = 0
    window: str = "decay"
    twin: str = "all"
    recent: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Probation:
    """How the newest version does against its predecessor on files after its promotion: sums over rows of the paired
    differences, of their variances, and of rows, for a confidence sequence that is tightest around the variance
    `tuned`."""

    version: str = ""
    files: int = 0
    rows: int = 0
    total: float = 0.0
    spread: float = 0.0
    tuned: float = 0.0


@dataclass(frozen=True)
class PlannerState:
    """What the planner remembers between decisions; committed together with the action that it led to. `rebuilt` is
    why a champion could not be loaded when its last such cycle was opened, `reshaped` the schema of the last cycle
    for a changed one, `configured` the digest of the settings that the last cycle was opened with."""

    version: int = 2
    handled_check: int = 0
    seen_seq: int = 0
    last_opened_at: float | None = None
    next_number: int = 1
    assessed: int = 0
    proposed: int = 0
    judged_cycle: int = 0
    rebuilt: str = ""
    reshaped: str = ""
    configured: str = ""
    regret: Regret = Regret()
    probation: Probation = Probation()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "PlannerState":
        """The inverse of `to_json`; a state of version 1 knows no regret yet."""
        return convert({**value, "version": cls.version}, cls)
