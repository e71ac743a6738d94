"""Bad rows: where, what, and what was expected."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from drift.notation import agreed, counted
from retrain.records.errors import Refused
from retrain.records.settings import ColumnKind

EXPECTED: dict[ColumnKind, str] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "datetime": "a date and time such as 2024-05-01T12:00:00Z",
    "category": "text",
    "text": "text",
}
LONGEST = 500
MOST_KEPT = 50_000
"""Of the rows that were set aside; the others are counted."""
ENOUGH_ROWS = 200_000
"""So many rows of which too many are bad say that the rest will not make up for them."""


@dataclass(frozen=True)
class Share:
    """The most of a file's rows that may be bad, by `intake.max_reject_share`."""

    most: float

    def refuse(self, good: int, rejects: "Rejects", advice: str = "", of_first: bool = False) -> None:
        """Refused where too many of so many rows are bad; `of_first` where more may come."""
        rows = good + rejects.count
        if good and rejects.count <= self.most * rows:
            return
        (first,) = rejects.first(1)
        where = f"line {first.line}" + (f", column {first.column}" if first.column else "")
        of = f"the first {counted(rows, 'row')}" if of_first else counted(rows, "row")
        bad = f"{rejects.count:,} of {of} {agreed(rejects.count, 'are')} bad ({rejects.count / rows:.0%})"
        raise Refused(
            f"{bad}; the first: {where}: {first.reason}",
            advice or f"at most {self.most:.0%} may be (intake.max_reject_share)",
        )

    def refuse_early(self, good: int, rejects: "Rejects") -> None:
        """Refused where enough rows, of which too many are bad, have been read to say so of the file."""
        if good + rejects.count >= ENOUGH_ROWS and rejects.count > self.most * (good + rejects.count):
            self.refuse(good, rejects, of_first=True)


@dataclass(frozen=True)
class Reject:
    """A row that was set aside: its line (of a Parquet file its row, from 1), column and reason."""

    line: int | None
    column: str | None
    reason: str
    raw: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


class Rejects:
    """The rows of a file that were set aside: all are counted, those of the first lines are kept."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.count = 0
        self._most = most
        self._kept: list[Reject] = []
        self._last = float("inf")

    def add(self, lines: Sequence[int], make: Callable[[int], Reject]) -> None:
        """Rows at these lines, ascending; `make` gives the reject of the one at a place in `lines`, if it is kept."""
        self.count += len(lines)
        for place, line in enumerate(lines):
            if line > self._last:
                break
            self._keep(make(place))

    def append(self, reject: Reject) -> None:
        """One more."""
        self.count += 1
        self._keep(reject)

    def extend(self, rejects: Iterable[Reject]) -> None:
        """Some more."""
        for reject in rejects:
            self.append(reject)

    def first(self, most: int = MOST_KEPT) -> list[Reject]:
        """At most so many, in the order of their lines."""
        self._kept.sort(key=_line)
        return self._kept[: min(most, self._most)]

    def leave_out(self, is_left_out: Callable[[Reject], bool]) -> int:
        """Let go of kept ones; how many."""
        kept = [reject for reject in self._kept if not is_left_out(reject)]
        gone, self._kept = len(self._kept) - len(kept), kept
        self.count -= gone
        return gone

    def drain(self) -> list[Reject]:
        """Those kept since the last call, in the order of their lines, which are kept no longer."""
        drained, self._kept = sorted(self._kept, key=_line), []
        return drained

    def _keep(self, reject: Reject) -> None:
        self._kept.append(reject)
        if len(self._kept) > self._most + self._most // 4:
            self._kept = self.first(self._most)
            self._last = _line(self._kept[-1])


def _line(reject: Reject) -> int:
    return reject.line or 0


def misfit(value: object, kind: ColumnKind) -> str:
    """What is wrong with a value.

    >>> misfit("x", "integer")
    "'x' is not a whole number"
    """
    shown = format(value.normalize(), "f") if isinstance(value, Decimal) else shortened(repr(value))
    return f"{shown} is not {EXPECTED[kind]}"


def printable(text: str) -> str:
    """A name with what must not reach a terminal escaped: control characters, and bytes that are no text.

    >>> printable("a\\x1b[31m\\n☂")
    'a\\\\x1b[31m\\\\n☂'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int = 80) -> str:
    """At most that many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
