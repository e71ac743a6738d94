"""How far the labels of a model are in, and how far they may be believed: what an assessment finds, and people read."""

from dataclasses import asdict, dataclass, field
from typing import Any

from msgspec import convert


@dataclass(frozen=True)
class Arrival:
    """When labels of one class come after their rows: `rows` of them were seen, half within `median`, nine of ten
    within `slow`, in seconds where rows have times (see LabelState.unit), else in files."""

    rows: int
    median: float
    slow: float


@dataclass(frozen=True)
class LabelState:
    """`rows` of all files, of which `labelled` have a label and `settled` one that may be believed, `classes` of these
    by class; `up_to` is the event time (else the acceptance) up to which files are judged, None before any.

    Of the `recent_files`, those of the last `recent_s` seconds (None: the newest ones): `recent_rows`, of which
    `recent_labelled` have a label. `arrivals` by class, in "seconds" or "files" (`unit`). `by_class`: arrival depends
    on the class; `selected`: being labelled depends on the answer; `one_class`: the only class of the recent labels.
    `trust` by seq, of files whose labels are not simply complete. `wait` says in words what is waited for, "" for
    nothing; `next_at` is when rows mature without anything new (Unix seconds).

    `by_file` has the settled rows of each file (by seq) that has any; `from_seq` is the oldest file that was looked at,
    0 for the first."""

    rows: int = 0
    labelled: int = 0
    settled: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    up_to: float | None = None
    recent_s: float | None = None
    recent_files: int = 0
    recent_rows: int = 0
    recent_labelled: int = 0
    unit: str = "files"
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    by_class: bool = False
    selected: bool = False
    one_class: str | None = None
    trust: dict[int, str] = field(default_factory=dict)
    wait: str = ""
    next_at: float | None = None
    by_file: dict[int, int] = field(default_factory=dict)
    from_seq: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        trust = {str(seq): word for seq, word in self.trust.items()}
        return asdict(self) | {"trust": trust, "by_file": {str(seq): rows for seq, rows in self.by_file.items()}}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LabelState":
        """The inverse of `to_json`."""
        return convert(value, cls, strict=False)
