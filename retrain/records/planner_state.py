"""What the planner remembers between decisions."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from msgspec import convert


@dataclass(frozen=True)
class FileGain:
    """What a fresh model would have saved on the labelled file `seq`, a row, in the unit of the metric; the three parts
    add up to what counts.

    `measured` is what the served deployment lost more than a small model of window `twin`, trained "before" the file
    or "with" it and judged on rows of it that it did not see; `lacking` what such a small model loses more than a full
    one; `chance` the deduction for chance (≤ 0)."""

    seq: int
    twin: str
    trained: Literal["before", "with"]
    measured: float
    lacking: float
    chance: float

    @property
    def counted(self) -> float:
        """What is added up."""
        return self.measured + self.lacking + self.chance


@dataclass(frozen=True)
class Regret:
    """What the planner adds up over labelled files. `sum` is what a fresh model would have saved since file `since`,
    over `span` labelled files, in the unit of `metric`; `gains` are the parts that the newest of them added to it;
    `loss` is what the model usually costs; `handicap` of twins; `penalty` on the price after retrains that did not pay;
    `credit` in retrains: earned by the budget, spent by cycles; `recent` are the twins' pairs of the last files."""

    sum: float = 0.0
    since: int | None = None
    span: int = 0
    gains: tuple[FileGain, ...] = ()
    metric: str = ""
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
class FileDifference:
    """By how much a version was worse than its predecessor on the labelled file `seq`: the mean over its rows."""

    seq: int
    worse: float
    rows: int


@dataclass(frozen=True)
class Probation:
    """How the newest version does against its predecessor on files after its promotion: sums over rows of the paired
    differences, of their variances, and of rows, for a confidence sequence that is tightest around the variance
    `tuned`; `metric` is in whose unit they are, `parts` the mean difference and the rows of each file."""

    version: str = ""
    files: int = 0
    rows: int = 0
    total: float = 0.0
    spread: float = 0.0
    tuned: float = 0.0
    metric: str = ""
    parts: tuple[FileDifference, ...] = ()


@dataclass(frozen=True)
class PlannerState:
    """What the planner remembers between decisions; committed together with the action that it led to. `rebuilt` is
    why a champion could not be loaded when its last such cycle was opened, `reshaped` the schema of the last cycle for
    a changed one, `prepared` the same of a preparation, `configured` the digest of the settings that the last cycle
    was opened with, `grown` how many labelled rows there were when a version that was trained because of their growth
    was kept, `growing` how many there were when the last cycle was opened for it, `tried_rows` how many there were
    when a first model was tried last, `relabelled` how many when the reference of a model that is served elsewhere was
    last made of them.

    `regret` and `probation` are folded anew at each question, of all assessments of files after `base_seq` and after
    `watch_seq`: `base` is what the regret was when the last cycle was opened, `batches` how much data it was credited
    for (None: for none yet); `unadjusted` is the version whose adjustments were undone."""

    version: int = 3
    handled_check: int = 0
    seen_seq: int = 0
    last_opened_at: float | None = None
    next_number: int = 1
    assessed: int = 0
    proposed: int = 0
    judged_cycle: int = 0
    rebuilt: str = ""
    reshaped: str = ""
    prepared: str = ""
    configured: str = ""
    grown: int = 0
    growing: int = 0
    tried_rows: int = 0
    relabelled: int = 0
    regret: Regret = Regret()
    probation: Probation = Probation()
    base: Regret = Regret()
    base_seq: int = 0
    watch_seq: int = 0
    unadjusted: str = ""
    batches: float | None = None

    @property
    def evidence_after(self) -> int:
        """The newest file whose assessments are no longer asked for."""
        return min(self.base_seq, self.watch_seq)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "PlannerState":
        """The inverse of `to_json`; a state of version 1 knows no regret yet."""
        return convert({**value, "version": cls.version}, cls)
