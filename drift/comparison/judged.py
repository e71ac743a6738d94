"""What is collected of the columns of two files."""

from dataclasses import dataclass, field
from typing import Any

from drift.check.column import judge_values
from drift.check.report import ColumnReport
from drift.check.words import with_dates
from drift.comparison.shapes import distribution
from drift.derived.identifiers import identifying
from drift.profiles.categorical import Codes
from drift.profiles.numeric import numeric_profile
from drift.profiles.parts import Parts, count_parts
from drift.profiles.profile import ColumnValues, Profile, profile

KEEP_ALL = 2**62


@dataclass
class Judged:
    """What is collected of all columns; distributions only `with_shapes`."""

    with_shapes: bool = True
    reports: list[ColumnReport] = field(default_factory=list)
    parts: dict[str, Parts] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, report: ColumnReport, parts: Parts | None) -> None:
        """One column and the parts of its reference."""
        self.reports.append(report)
        if parts is not None:
            self.parts[report.name] = parts

    def judge(
        self,
        name: str,
        before: ColumnValues,
        now: ColumnValues,
        exact: bool,
        dates: bool = False,
        any_values: bool = True,
    ) -> None:
        """Test a column that is held whole; `dates` says that its numbers are moments. One that names or dates its rows
        is left out, unless it may have `any_values`."""
        known: Profile = (
            profile(before) if isinstance(before, Codes) else numeric_profile(before, KEEP_ALL, grid=not exact)
        )
        if not any_values and self.leave_out(name, known, before, now, dates):
            return
        report = judge_values(name, known, now, exact=exact)
        self.add(with_dates(report) if dates else report, count_parts(before))
        self.draw(name, before, now, dates)

    def draw(self, name: str, before: ColumnValues, now: ColumnValues, dates: bool) -> None:
        """Keep the distributions of a column."""
        if self.with_shapes:
            self.shapes[name] = distribution(before, now) | ({"dates": True} if dates else {})

    def leave_out(self, name: str, known: Profile, before: ColumnValues, now: ColumnValues, dates: bool) -> bool:
        """Whether the values name or date rows; why is kept."""
        order = None if isinstance(before, Codes) else before
        reason = identifying(name, known, order, now, moments=dates)
        if reason is not None:
            self.left_out[name] = reason
        return reason is not None
